// SPDX-License-Identifier: MIT
// Videos that were asked for and made: a SQLite file of jobs, and the files beside it.
//
//   TRY(std::unique_ptr<VideoStore> store, VideoStore::open("…/videos", {}));
//   TRY_STATUS(store->add(job));
//   TRY(std::optional<VideoJob> job, store->find(id, owner));     // nothing: not this owner's
//
//   videos/jobs.db   videos/<id>.video  .thumbnail  .sheet  .reference (until the job is over)
//
// What always holds
//   A job is over once: completed with its files, or failed with a reason.  What ran when the
//   process died is queued again by open(); what was running at two deaths has failed.
//   Files of no job are removed by open().  Names of files come from here, never from a request.
//   Files together stay under the budget: the oldest of the owner who holds most go first.  A
//   job whose files are gone says so (has_files), and its row goes days later.
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "serve/artist.h"
#include "serve/database.h"

namespace hadal {

struct VideoStoreLimits {
  int64_t files_bytes = int64_t{2} << 30;
  int64_t kept_seconds = 24 * 3600;      // a finished video's files; as long as OpenAI keeps them
  int64_t told_seconds = 7 * 24 * 3600;  // after which the job itself is forgotten
  int64_t most_of_one = 1000;            // jobs of an owner; the oldest finished ones go
};

enum class VideoStatus { queued, running, completed, failed };

// With which ids begin: of clips, and of single pictures, which are in no list.
inline constexpr std::string_view kVideoId = "video_", kStillId = "still_";
inline constexpr std::string_view kCancelled = "cancelled";  // of error_code

struct VideoJob {
  std::string id;     // one of the above and 32 hex digits
  std::string owner;  // the key's id; empty: there are no keys
  int64_t key = 0;    // its number; 0: nobody pays
  VideoStatus status = VideoStatus::queued;
  ArtOrder order;  // without the bytes of its first frame
  bool has_reference = false;
  bool has_files = false;
  int64_t created = 0, started = 0, completed = 0, expires = 0;  // seconds since 1970; 0: not yet
  std::string error_code, error_message;
  std::string made_from;      // the video that it remixes or extends; or empty
  int64_t frames_before = 0;  // that it begins with, the last of them its first own one
};

enum class VideoPart { video, thumbnail, sheet };

class VideoStore {
 public:
  static Result<std::unique_ptr<VideoStore>> open(const std::string& folder,
                                                  const VideoStoreLimits& limits, int64_t now);

  // With the bytes of the first frame in its order, which are kept beside it.
  Status add(const VideoJob& job);
  Result<std::optional<VideoJob>> find(const std::string& id, const std::string& owner);
  struct Page {
    std::vector<VideoJob> jobs;
    bool more = false;
  };
  // Clips; `after` is the id of one of this owner, or empty.
  Result<Page> list(const std::string& owner, int64_t limit, const std::string& after,
                    bool oldest_first);
  Result<std::vector<VideoJob>> queued();  // of all owners, oldest first
  // The first frame's bytes, or empty.
  Result<std::string> reference(const VideoJob& job);

  Status start(const std::string& id, int64_t now);
  Status put_back(const std::string& id);  // to the queued ones
  // Files first, then complete().
  Status save(const std::string& id, const ArtFile& file);
  Status complete(const std::string& id, int64_t now);
  Status fail_job(const std::string& id, const std::string& code, const std::string& message,
                  int64_t now);
  Status remove(const std::string& id);

  // Forgets what has expired.
  Status sweep(int64_t now);

  Result<int64_t> size_of(const std::string& id, VideoPart part) const;
  std::string path_of(const std::string& id, VideoPart part) const;

 private:
  VideoStore(std::string folder, const VideoStoreLimits& limits, Database database)
      : folder_(std::move(folder)), limits_(limits), database_(std::move(database)) {}
  Status prepare(int64_t now);
  Status add_columns();
  Status remove_strangers();
  Status make_room(int64_t bytes);
  Status forget_old(int64_t now);
  Status run(std::string_view sql, const std::string& id);
  Result<std::vector<VideoJob>> select(Statement statement);
  std::string path(const std::string& id, std::string_view ending) const;
  void remove_files(const std::string& id) const;

  mutable std::mutex mutex_;
  std::string folder_;
  VideoStoreLimits limits_;
  Database database_;
};

}  // namespace hadal
