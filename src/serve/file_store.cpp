// SPDX-License-Identifier: MIT
// What files are in SQLite, their bytes beside it.
#include "serve/file_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "media/kind.h"
#include "serve/kept_bytes.h"
#include "serve/random_id.h"
#include "serve/video_codec.h"
#include "text/utf8.h"

namespace hadal {
namespace {

constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS files(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
  name TEXT NOT NULL, purpose TEXT NOT NULL, type TEXT NOT NULL, bytes INTEGER NOT NULL,
  created INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS files_of_owner ON files(owner, number);
)";
constexpr std::string_view kColumns =
    "SELECT id, owner, name, purpose, type, bytes, created FROM files ";
constexpr std::string_view kPrefix = "file-";
// Room comes when somebody deletes: a program that asks by itself need not do so more often.
constexpr int64_t kDeletionSeconds = 60;

StoredFile file_of(const Statement& row) {
  return {.id = row.text(0),
          .owner = row.text(1),
          .name = row.text(2),
          .purpose = row.text(3),
          .type = row.text(4),
          .bytes = row.integer(5),
          .created = row.integer(6)};
}

Result<std::vector<StoredFile>> select(Statement statement) {
  std::vector<StoredFile> files;
  while (true) {
    TRY(const bool row, statement.step());
    if (!row) return files;
    files.push_back(file_of(statement));
  }
}

bool is_text(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos && is_utf8(bytes);
}

}  // namespace

std::string type_of_bytes(std::string_view bytes) {
  const FileKind kind =
      kind_of_bytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (kind != FileKind::unknown) return media_type(kind);
  return is_text(bytes) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

Result<std::unique_ptr<FileStore>> FileStore::open(const std::string& folder,
                                                   const FileStoreLimits& limits) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_machine(folder, ": ", std::strerror(errno));
  TRY(Database database, Database::open(folder + "/files.db"));
  std::unique_ptr<FileStore> store(new FileStore(folder, limits, std::move(database)));
  TRY_STATUS(store->prepare());
  return store;
}

Status FileStore::prepare() {
  TRY_STATUS(database_.run(kSchema));
  TRY_STATUS(remove_rows_without_files());
  return remove_files_without_rows();
}

// A file that is gone, or shorter than it was: nothing here made it so, and nothing can answer it.
Status FileStore::remove_rows_without_files() {
  TRY(Statement statement, database_.prepare(kColumns));
  TRY(const std::vector<StoredFile> all, select(std::move(statement)));
  for (const StoredFile& file : all) {
    struct stat facts = {};
    if (::stat(path(file).c_str(), &facts) == 0 && facts.st_size == file.bytes) continue;
    TRY(Statement remove, database_.prepare("DELETE FROM files WHERE id = ?"));
    remove.bind(1, file.id);
    TRY_STATUS(remove.run());
  }
  return Ok{};
}

// What a death left between writing bytes and telling of them, or the other way round.
Status FileStore::remove_files_without_rows() {
  std::error_code error;
  std::vector<std::string> strangers;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    const std::string id = name.substr(0, name.find('.'));
    TRY(Statement select, database_.prepare("SELECT 1 FROM files WHERE id = ?"));
    select.bind(1, id);
    TRY(const bool known, select.step());
    if (!known || entry.path().string() != path_of(id)) strangers.push_back(entry.path().string());
  }
  if (error) return fail_machine(folder_, ": ", error.message());
  for (const std::string& file : strangers) ::unlink(file.c_str());
  return Ok{};
}

// The bytes are written without the lock: nobody knows of them yet, and a disk takes its time.
ApiResult<StoredFile> FileStore::add(StoredFile file, std::string_view bytes) {
  file.id = make_id(kPrefix);
  file.type = type_of_bytes(bytes);
  file.bytes = static_cast<int64_t>(bytes.size());
  const int64_t most = file.is_picture() ? limits_.picture_bytes : limits_.file_bytes;
  if (file.bytes > most)
    return ApiError{.status = 413,
                    .message = "file: has " + std::to_string(file.bytes) + " bytes, a " +
                               (file.is_picture() ? "picture" : "file") + " may have " +
                               std::to_string(most),
                    .param = "file"};
  {
    const std::lock_guard lock(mutex_);
    TRY_STATUS(check_room(file.owner, file.bytes));
  }
  TRY_STATUS(write_file(path(file), bytes));
  const ApiStatus inserted = insert(file);
  if (inserted) return file;
  ::unlink(path(file).c_str());
  return inserted.error();
}

ApiStatus FileStore::check_room(const std::string& owner, int64_t bytes) {
  TRY(Statement sum,
      database_.prepare("SELECT count(*), coalesce(sum(bytes), 0) FROM files WHERE owner = ?"));
  sum.bind(1, owner);
  TRY([[maybe_unused]] const bool row, sum.step());
  if (sum.integer(0) >= limits_.files_of_one)
    return ApiError{.status = 429,
                    .message = "you keep " + std::to_string(sum.integer(0)) +
                               " files, the most there may be; delete some",
                    .code = "too_many_files",
                    .wait_seconds = kDeletionSeconds};
  if (bytes > limits_.bytes_of_one - sum.integer(1))
    return ApiError{.status = 429,
                    .message = "you keep " + std::to_string(sum.integer(1)) +
                               " bytes, together there may be " +
                               std::to_string(limits_.bytes_of_one) + "; delete some",
                    .code = "too_many_bytes",
                    .wait_seconds = kDeletionSeconds};
  return Ok{};
}

// Others may have come first while the bytes were written.
ApiStatus FileStore::insert(const StoredFile& file) {
  const std::lock_guard lock(mutex_);
  TRY_STATUS(check_room(file.owner, file.bytes));
  TRY(Statement insert,
      database_.prepare("INSERT INTO files(id, owner, name, purpose, type, bytes, created) "
                        "VALUES(?, ?, ?, ?, ?, ?, ?)"));
  insert.bind(1, file.id);
  insert.bind(2, file.owner);
  insert.bind(3, file.name);
  insert.bind(4, file.purpose);
  insert.bind(5, file.type);
  insert.bind(6, file.bytes);
  insert.bind(7, file.created);
  TRY_STATUS(insert.run());
  return Ok{};
}

Result<std::optional<StoredFile>> FileStore::find(const std::string& id, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  TRY(Statement statement, database_.prepare(std::string(kColumns) + "WHERE id = ? AND owner = ?"));
  statement.bind(1, id);
  statement.bind(2, owner);
  TRY(std::vector<StoredFile> files, select(std::move(statement)));
  if (files.empty()) return std::optional<StoredFile>();
  return std::optional<StoredFile>(std::move(files.front()));
}

Result<FileStore::Page> FileStore::list(const FileQuery& query) {
  const std::lock_guard lock(mutex_);
  const std::string sign = query.oldest_first ? ">" : "<";
  TRY(Statement statement,
      database_.prepare(std::string(kColumns) +
                        "WHERE owner = ?1 AND (?2 = '' OR purpose = ?2) AND (?3 = '' OR number " +
                        sign + " (SELECT number FROM files WHERE id = ?3 AND owner = ?1)) " +
                        "ORDER BY number " + (query.oldest_first ? "ASC" : "DESC") + " LIMIT ?4"));
  statement.bind(1, query.owner);
  statement.bind(2, query.purpose);
  statement.bind(3, query.after);
  statement.bind(4, query.limit + 1);
  Page page;
  TRY(page.files, select(std::move(statement)));
  page.more = static_cast<int64_t>(page.files.size()) > query.limit;
  if (page.more) page.files.pop_back();
  return page;
}

Result<bool> FileStore::remove(const std::string& id, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  TRY(Statement statement, database_.prepare("DELETE FROM files WHERE id = ? AND owner = ?"));
  statement.bind(1, id);
  statement.bind(2, owner);
  TRY_STATUS(statement.run());
  if (database_.changes() == 0) return false;
  ::unlink(path_of(id).c_str());
  return true;
}

Result<std::string> FileStore::read(const StoredFile& file) const {
  return read_kept(path(file), 0, file.bytes);
}

Result<FileGauges> FileStore::gauges() {
  const std::lock_guard lock(mutex_);
  TRY(Statement sum, database_.prepare("SELECT count(*), coalesce(sum(bytes), 0) FROM files"));
  TRY([[maybe_unused]] const bool row, sum.step());
  return FileGauges{sum.integer(0), sum.integer(1)};
}

}  // namespace hadal
