// SPDX-License-Identifier: MIT
// Jobs in SQLite, files beside it.
#include "serve/video_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "serve/json_fields.h"
#include "serve/kept_bytes.h"
#include "serve/reply_writer.h"

namespace hadal {
namespace {

// `status` is VideoStatus as a number.  `runs` counts how often a job was begun: one that ran at
// two deaths may be what kills.
constexpr const char* kSchema = R"(
CREATE TABLE IF NOT EXISTS videos(
  number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
  key INTEGER NOT NULL, status INTEGER NOT NULL, runs INTEGER NOT NULL, request TEXT NOT NULL,
  reference INTEGER NOT NULL, bytes INTEGER NOT NULL, created INTEGER NOT NULL,
  completed INTEGER NOT NULL, expires INTEGER NOT NULL, error_code TEXT NOT NULL,
  error_message TEXT NOT NULL, started INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX IF NOT EXISTS videos_of_owner ON videos(owner, number);
)";
constexpr std::string_view kColumns =
    "SELECT id, owner, key, status, request, reference, bytes, created, completed, expires, "
    "error_code, error_message, started FROM videos ";
constexpr int64_t kMostRuns = 2;
constexpr std::string_view kVideo = ".video", kThumbnail = ".thumbnail", kSheet = ".sheet",
                           kReference = ".reference";
constexpr std::array kEndings = {kVideo, kThumbnail, kSheet, kReference};
constexpr int64_t kMostReference = 64 << 20;  // of a picture that a request brought

std::string_view ending_of(VideoPart part) {
  if (part == VideoPart::video) return kVideo;
  return part == VideoPart::thumbnail ? kThumbnail : kSheet;
}

std::string text_of(const VideoJob& job) {
  const ArtOrder& order = job.order;
  return dump_json({{"prompt", order.prompt},
                    {"width", order.width},
                    {"height", order.height},
                    {"frames", order.frames},
                    {"fps", order.fps},
                    {"seed", order.seed},
                    {"guidance", order.guidance},
                    {"passes", order.passes},
                    {"temperature", order.temperature},
                    {"top_k", order.top_k},
                    {"kind", static_cast<int64_t>(order.kind)},
                    {"quality", order.quality},
                    {"extends", order.extends},
                    {"paint_over", order.paint_over},
                    {"made_from", job.made_from},
                    {"frames_before", job.frames_before}});
}

// The file may be of another version, or of anybody's making: what is wrong in it is an error.
ApiStatus read_request(const std::string& text, VideoJob& job) {
  TRY(const OrderedJson json, parse_body(text));
  JsonFields fields(json, "jobs.db");
  ArtOrder& order = job.order;
  const auto whole = [&](std::string_view name, int64_t least, int64_t& to) -> ApiStatus {
    TRY(const std::optional<int64_t> value, fields.integer(name, least, INT64_MAX));
    to = value.value_or(least);
    return Ok{};
  };
  const auto real = [&](std::string_view name, double& to) -> ApiStatus {
    TRY(const std::optional<double> value, fields.number(name, 0, 1e9));
    to = value.value_or(to);
    return Ok{};
  };
  int64_t seed = 0, kind = 0;
  TRY(order.prompt, fields.needed_text("prompt"));
  TRY_STATUS(whole("width", 1, order.width));
  TRY_STATUS(whole("height", 1, order.height));
  TRY_STATUS(whole("frames", 1, order.frames));
  TRY_STATUS(whole("seed", 0, seed));
  TRY_STATUS(whole("passes", 0, order.passes));
  TRY_STATUS(whole("top_k", 0, order.top_k));
  TRY_STATUS(whole("kind", 0, kind));
  TRY_STATUS(real("fps", order.fps));
  TRY_STATUS(real("guidance", order.guidance));
  TRY_STATUS(real("temperature", order.temperature));
  TRY_STATUS(real("paint_over", order.paint_over));
  if (kind > static_cast<int64_t>(FileKind::webm) || order.fps <= 0)
    return ApiError{.status = 500, .message = "jobs.db: a job of unknown kind"};
  order.seed = static_cast<uint64_t>(seed);
  order.kind = static_cast<FileKind>(kind);
  order.gallery = order.frames > 1;
  TRY(const std::optional<int64_t> quality, fields.integer("quality", 0, order.quality));
  order.quality = quality.value_or(order.quality);
  TRY(const std::optional<bool> extends, fields.flag("extends"));
  order.extends = extends.value_or(false);
  TRY(const std::optional<std::string> made_from, fields.text("made_from"));
  job.made_from = made_from.value_or("");
  return whole("frames_before", 0, job.frames_before);
}

Result<VideoJob> job_of(const Statement& row) {
  VideoJob job;
  job.id = row.text(0);
  job.owner = row.text(1);
  job.key = row.integer(2);
  job.status = static_cast<VideoStatus>(std::clamp<int64_t>(row.integer(3), 0, 3));
  if (const ApiStatus read = read_request(row.text(4), job); !read)
    return fail_machine(read.error().message);
  job.has_reference = row.integer(5) != 0;
  job.has_files = row.integer(6) > 0;
  job.created = row.integer(7);
  job.completed = row.integer(8);
  job.expires = row.integer(9);
  job.error_code = row.text(10);
  job.error_message = row.text(11);
  job.started = row.integer(12);
  return job;
}

}  // namespace

std::string VideoStore::path(const std::string& id, std::string_view ending) const {
  return folder_ + "/" + id + std::string(ending);
}

void VideoStore::remove_files(const std::string& id) const {
  for (const std::string_view ending : kEndings) ::unlink(path(id, ending).c_str());
}

Result<std::unique_ptr<VideoStore>> VideoStore::open(const std::string& folder,
                                                     const VideoStoreLimits& limits, int64_t now) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_machine(folder, ": ", std::strerror(errno));
  TRY(Database database, Database::open(folder + "/jobs.db"));
  std::unique_ptr<VideoStore> store(new VideoStore(folder, limits, std::move(database)));
  TRY_STATUS(store->prepare(now));
  return store;
}

Status VideoStore::prepare(int64_t now) {
  TRY_STATUS(database_.run(kSchema));
  TRY_STATUS(add_columns());
  TRY(Statement hopeless,
      database_.prepare("UPDATE videos SET status = 3, completed = ?1, error_code = 'interrupted', "
                        "error_message = 'the server ended twice while it made this video' "
                        "WHERE status = 1 AND runs >= ?2"));
  hopeless.bind(1, now);
  hopeless.bind(2, kMostRuns);
  TRY_STATUS(hopeless.run());
  TRY_STATUS(database_.run("UPDATE videos SET status = 0 WHERE status = 1"));
  TRY_STATUS(remove_strangers());
  return sweep(now);
}

// To a file that was made before they were thought of.
Status VideoStore::add_columns() {
  TRY(Statement known,
      database_.prepare("SELECT 1 FROM pragma_table_info('videos') WHERE name = 'started'"));
  TRY(const bool there, known.step());
  if (there) return Ok{};
  return database_.run("ALTER TABLE videos ADD COLUMN started INTEGER NOT NULL DEFAULT 0");
}

// What a death left between writing files and telling of them.
Status VideoStore::remove_strangers() {
  std::error_code error;
  std::vector<std::string> strangers;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    const std::string id = entry.path().stem().string();
    if (!id.starts_with(kVideoId) && !id.starts_with(kStillId)) continue;
    TRY(Statement select, database_.prepare("SELECT 1 FROM videos WHERE id = ?1 AND (bytes > 0 "
                                            "OR status < 2)"));
    select.bind(1, id);
    TRY(const bool known, select.step());
    if (!known) strangers.push_back(entry.path().string());
  }
  if (error) return fail_machine(folder_, ": ", error.message());
  for (const std::string& file : strangers) ::unlink(file.c_str());
  return Ok{};
}

Status VideoStore::run(std::string_view sql, const std::string& id) {
  const std::lock_guard lock(mutex_);
  TRY(Statement statement, database_.prepare(sql));
  statement.bind(1, id);
  return statement.run();
}

Result<std::vector<VideoJob>> VideoStore::select(Statement statement) {
  std::vector<VideoJob> jobs;
  while (true) {
    TRY(const bool row, statement.step());
    if (!row) return jobs;
    TRY(VideoJob job, job_of(statement));
    jobs.push_back(std::move(job));
  }
}

Status VideoStore::add(const VideoJob& job) {
  const std::lock_guard lock(mutex_);
  TRY_STATUS(forget_old(job.created));
  const std::string& reference = job.order.first_frame;
  if (!reference.empty()) {
    TRY_STATUS(write_file(path(job.id, kReference), reference));
  }
  TRY(Statement insert,
      database_.prepare("INSERT INTO videos(id, owner, key, status, runs, request, reference, "
                        "bytes, created, completed, expires, error_code, error_message) "
                        "VALUES(?, ?, ?, 0, 0, ?, ?, 0, ?, 0, 0, '', '')"));
  insert.bind(1, job.id);
  insert.bind(2, job.owner);
  insert.bind(3, job.key);
  insert.bind(4, text_of(job));
  insert.bind(5, int64_t{!reference.empty()});
  insert.bind(6, job.created);
  return insert.run();
}

Result<std::optional<VideoJob>> VideoStore::find(const std::string& id, const std::string& owner) {
  const std::lock_guard lock(mutex_);
  TRY(Statement statement, database_.prepare(std::string(kColumns) + "WHERE id = ? AND owner = ?"));
  statement.bind(1, id);
  statement.bind(2, owner);
  TRY(std::vector<VideoJob> jobs, select(std::move(statement)));
  if (jobs.empty()) return std::optional<VideoJob>();
  return std::optional<VideoJob>(std::move(jobs.front()));
}

Result<VideoStore::Page> VideoStore::list(const std::string& owner, int64_t limit,
                                          const std::string& after, bool oldest_first) {
  const std::lock_guard lock(mutex_);
  const std::string sign = oldest_first ? ">" : "<", order = oldest_first ? "ASC" : "DESC";
  TRY(Statement statement,
      database_.prepare(std::string(kColumns) + "WHERE owner = ?1 AND (?2 = '' OR number " + sign +
                        " (SELECT number FROM videos WHERE id = ?2 AND owner = ?1)) "
                        "AND substr(id, 1, length(?4)) = ?4 ORDER BY number " +
                        order + " LIMIT ?3"));
  statement.bind(1, owner);
  statement.bind(2, after);
  statement.bind(3, limit + 1);
  statement.bind(4, kVideoId);
  Page page;
  TRY(page.jobs, select(std::move(statement)));
  page.more = static_cast<int64_t>(page.jobs.size()) > limit;
  if (page.more) page.jobs.pop_back();
  return page;
}

Result<std::vector<VideoJob>> VideoStore::queued() {
  const std::lock_guard lock(mutex_);
  TRY(Statement statement,
      database_.prepare(std::string(kColumns) + "WHERE status = 0 ORDER BY number"));
  return select(std::move(statement));
}

Result<std::string> VideoStore::reference(const VideoJob& job) {
  if (!job.has_reference) return std::string();
  return read_file(path(job.id, kReference), kMostReference);
}

Status VideoStore::start(const std::string& id, int64_t now) {
  const std::lock_guard lock(mutex_);
  TRY(Statement update, database_.prepare("UPDATE videos SET status = 1, runs = runs + 1, "
                                          "started = ?2 WHERE id = ?1"));
  update.bind(1, id);
  update.bind(2, now);
  return update.run();
}

Status VideoStore::put_back(const std::string& id) {
  return run("UPDATE videos SET status = 0, runs = runs - 1 WHERE id = ? AND status = 1", id);
}

Status VideoStore::save(const std::string& id, const ArtFile& file) {
  const std::lock_guard lock(mutex_);
  const int64_t bytes =
      static_cast<int64_t>(file.bytes.size() + file.thumbnail.size() + file.sheet.size());
  if (bytes > limits_.files_bytes)
    return fail_machine("the video has ", bytes, " bytes, all together may have ",
                        limits_.files_bytes);
  TRY_STATUS(make_room(bytes));
  TRY_STATUS(write_file(path(id, kVideo), file.bytes));
  TRY_STATUS(write_file(path(id, kThumbnail), file.thumbnail));
  TRY_STATUS(write_file(path(id, kSheet), file.sheet));
  TRY(Statement update, database_.prepare("UPDATE videos SET bytes = ?2 WHERE id = ?1"));
  update.bind(1, id);
  update.bind(2, bytes);
  TRY_STATUS(update.run());
  if (database_.changes() == 0) remove_files(id);  // deleted in the meantime
  return Ok{};
}

// Whoever holds most gives first.
Status VideoStore::make_room(int64_t bytes) {
  while (true) {
    TRY(Statement sum, database_.prepare("SELECT coalesce(sum(bytes), 0) FROM videos"));
    TRY([[maybe_unused]] const bool row, sum.step());
    if (sum.integer(0) + bytes <= limits_.files_bytes) return Ok{};
    TRY(Statement oldest,
        database_.prepare("SELECT id FROM videos WHERE bytes > 0 AND owner = (SELECT owner FROM "
                          "videos GROUP BY owner ORDER BY sum(bytes) DESC LIMIT 1) "
                          "ORDER BY number LIMIT 1"));
    TRY(const bool found, oldest.step());
    CHECK(found, "files of ", sum.integer(0), " bytes belong to no job");
    const std::string id = oldest.text(0);
    TRY(Statement forget, database_.prepare("UPDATE videos SET bytes = 0 WHERE id = ?"));
    forget.bind(1, id);
    TRY_STATUS(forget.run());
    remove_files(id);
  }
}

Status VideoStore::complete(const std::string& id, int64_t now) {
  const std::lock_guard lock(mutex_);
  TRY(Statement update, database_.prepare("UPDATE videos SET status = 2, completed = ?2, "
                                          "expires = ?3 WHERE id = ?1 AND status < 2"));
  update.bind(1, id);
  update.bind(2, now);
  update.bind(3, now + limits_.kept_seconds);
  TRY_STATUS(update.run());
  ::unlink(path(id, kReference).c_str());
  return Ok{};
}

Status VideoStore::fail_job(const std::string& id, const std::string& code,
                            const std::string& message, int64_t now) {
  const std::lock_guard lock(mutex_);
  TRY(Statement update,
      database_.prepare("UPDATE videos SET status = 3, completed = ?2, error_code = ?3, "
                        "error_message = ?4, bytes = 0 WHERE id = ?1 AND status < 2"));
  update.bind(1, id);
  update.bind(2, now);
  update.bind(3, code);
  update.bind(4, message);
  TRY_STATUS(update.run());
  if (database_.changes() > 0) remove_files(id);
  return Ok{};
}

Status VideoStore::remove(const std::string& id) {
  TRY_STATUS(run("DELETE FROM videos WHERE id = ?", id));
  remove_files(id);
  return Ok{};
}

Status VideoStore::sweep(int64_t now) {
  const std::lock_guard lock(mutex_);
  return forget_old(now);
}

Status VideoStore::forget_old(int64_t now) {
  TRY(Statement expired, database_.prepare("UPDATE videos SET bytes = 0 WHERE status = 2 AND "
                                           "bytes > 0 AND expires <= ? RETURNING id"));
  expired.bind(1, now);
  std::vector<std::string> gone;
  for (bool row = true; row;) {
    TRY(row, expired.step());
    if (row) gone.push_back(expired.text(0));
  }
  TRY(Statement forgotten,
      database_.prepare("DELETE FROM videos WHERE status >= 2 AND (completed < ?1 OR number IN "
                        "(SELECT number FROM (SELECT number, row_number() OVER (PARTITION BY owner "
                        "ORDER BY number DESC) AS place FROM videos) WHERE place > ?2)) "
                        "RETURNING id"));
  forgotten.bind(1, now - limits_.told_seconds);
  forgotten.bind(2, limits_.most_of_one);
  for (bool row = true; row;) {
    TRY(row, forgotten.step());
    if (row) gone.push_back(forgotten.text(0));
  }
  for (const std::string& id : gone) remove_files(id);
  return Ok{};
}

std::string VideoStore::path_of(const std::string& id, VideoPart part) const {
  return path(id, ending_of(part));
}

Result<int64_t> VideoStore::size_of(const std::string& id, VideoPart part) const {
  struct stat facts = {};
  const std::string file = path_of(id, part);
  if (::stat(file.c_str(), &facts) != 0) return fail_machine(file, ": ", std::strerror(errno));
  return static_cast<int64_t>(facts.st_size);
}

}  // namespace hadal
