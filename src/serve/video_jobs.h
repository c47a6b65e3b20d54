// SPDX-License-Identifier: MIT
// Videos as jobs: asked for now, fetched later, whatever happens to the server in between.
//
//   VideoJobs jobs(store, queue, host);
//   jobs.resume();                                   // those of the last process
//   TRY(VideoJob job, jobs.add(owner, key, order));  // 429: too many wait
//   jobs.cancel(job.id);                             // it fails with the code "cancelled"
//   jobs.put_back();                                 // the server ends: unfinished ones stay
//   queued
//
// A job is charged once, under its id, when its files are there and before it says so.  Any thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "serve/api_error.h"
#include "serve/bookkeeper.h"
#include "serve/picture_queue.h"
#include "serve/video_store.h"

namespace hadal {

// What jobs need of the API.  All of it outlives the queue; the bookkeeper is open until then.
struct VideoJobsHost {
  Accounts& accounts;
  Bookkeeper& bookkeeper;
  std::string model;  // of the ledger's entries
  std::chrono::seconds most_time{3600};
  std::function<void(const std::string& line)> log;
};

class VideoJobs {
 public:
  VideoJobs(VideoStore& store, PictureQueue& queue, VideoJobsHost host);
  ~VideoJobs();

  VideoStore& store() { return store_; }
  void resume();
  // `line` is whose turn it takes in the queue: the owner, or a user without a key.
  ApiResult<VideoJob> add(VideoJob job, const std::string& line);
  void cancel(const std::string& id);
  void put_back();
  // Of a job that runs; 0 otherwise.
  double progress(const std::string& id) const;

 private:
  class Run;
  struct Shared;  // what every run needs of the rest
  std::shared_ptr<Run> run_of(const std::string& id) const;
  Pushed push(const VideoJob& job, const std::string& line);

  VideoStore& store_;
  PictureQueue& queue_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace hadal
