// SPDX-License-Identifier: MIT
// All of the API that draws: the queue before the artist, who waits for it, and the videos.
//
//   Pictures pictures(artist, videos, {…});
//   pictures.drain();        // no new work for jobs; requests that run may finish
//   pictures.cut();          // nobody is waited for any more
//   pictures.close();        // before what jobs report to is gone
//
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "serve/picture_queue.h"
#include "serve/video_jobs.h"

namespace hadal {

class PictureReply;

inline constexpr int64_t kMostPictures = 64;  // orders that wait

class Pictures {
 public:
  // `videos` may be null: then clips are made for those who wait for them alone.
  Pictures(Artist& artist, VideoStore* videos, const VideoJobsHost& host);

  Artist& artist() { return artist_; }
  PictureQueue& queue() { return queue_; }
  VideoJobs* videos() { return videos_.get(); }

  // Replies that the artist is still at, or that are not written into the ledger yet.
  void add(std::shared_ptr<PictureReply> reply);
  void forget(const PictureReply& reply);
  int64_t answering() const;
  // How much of what this key waits for is painted; nothing: it waits for nothing.
  std::optional<double> progress(const std::string& key_id) const;

  void drain();
  void cut();
  void close();

 private:
  Artist& artist_;
  mutable std::mutex mutex_;
  std::set<std::shared_ptr<PictureReply>> replies_;
  PictureQueue queue_;
  std::unique_ptr<VideoJobs> videos_;
};

}  // namespace hadal
