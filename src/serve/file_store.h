// SPDX-License-Identifier: MIT
// Files that clients have sent to be named in later requests: a SQLite file of what they are, and
// their bytes beside it.
//
//   TRY(std::unique_ptr<FileStore> store, FileStore::open("…/files", {}));
//   ApiResult<StoredFile> file = store->add({.owner = key, .name = "a.png", …}, bytes);
//   TRY(std::optional<StoredFile> there, store->find(id, owner));   // nothing: not this owner's
//   TRY(std::string bytes, store->read(*there));
//
//   files/files.db   files/<id>.file
//
// What always holds
//   A row has its whole file, and a file its row, but for moments inside of add() and remove();
//   what a death left of such a moment is removed by open().
//   An owner's files stay under the limits: what would pass them is refused, nothing is pushed out.
//   Names of files come from here, never from a request.
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/database.h"

namespace hadal {

// DeepSeek's service has the same ones.
struct FileStoreLimits {
  int64_t file_bytes = 128 << 20;
  int64_t picture_bytes = 32 << 20;
  int64_t files_of_one = 10'000;
  int64_t bytes_of_one = int64_t{25} << 30;
};

struct StoredFile {
  std::string id;     // "file-" and 32 hex digits
  std::string owner;  // the key's id; empty: there are no keys
  std::string name;   // as the client says; nothing is stored under it
  std::string purpose;
  std::string type;  // by its bytes: "image/png", "text/plain; charset=utf-8", …
  int64_t bytes = 0;
  int64_t created = 0;  // seconds since 1970

  bool is_picture() const { return type.starts_with("image/"); }
  bool is_text() const { return type.starts_with("text/"); }
};

// "image/png" … "video/webm" by the first bytes; text if all of it is; else octet-stream.
std::string type_of_bytes(std::string_view bytes);

struct FileQuery {
  std::string owner;
  std::string purpose;  // empty: all
  std::string after;    // a file of this owner; empty: from the beginning
  int64_t limit = 0;
  bool oldest_first = false;
};

struct FileGauges {
  int64_t files = 0, bytes = 0;
};

class FileStore {
 public:
  static Result<std::unique_ptr<FileStore>> open(const std::string& folder,
                                                 const FileStoreLimits& limits);

  // Sets id, type and bytes.  413: too large; 429 with a code: the owner has too many.
  ApiResult<StoredFile> add(StoredFile file, std::string_view bytes);
  Result<std::optional<StoredFile>> find(const std::string& id, const std::string& owner);
  struct Page {
    std::vector<StoredFile> files;
    bool more = false;
  };
  Result<Page> list(const FileQuery& query);
  // False: there was none.
  Result<bool> remove(const std::string& id, const std::string& owner);

  std::string path(const StoredFile& file) const { return path_of(file.id); }
  Result<std::string> read(const StoredFile& file) const;
  Result<FileGauges> gauges();
  const FileStoreLimits& limits() const { return limits_; }

 private:
  FileStore(std::string folder, const FileStoreLimits& limits, Database database)
      : folder_(std::move(folder)), limits_(limits), database_(std::move(database)) {}
  Status prepare();
  Status remove_rows_without_files();
  Status remove_files_without_rows();
  ApiStatus check_room(const std::string& owner, int64_t bytes);
  ApiStatus insert(const StoredFile& file);
  std::string path_of(const std::string& id) const { return folder_ + "/" + id + ".file"; }

  std::mutex mutex_;  // of the database
  std::string folder_;
  FileStoreLimits limits_;
  Database database_;
};

}  // namespace hadal
