// SPDX-License-Identifier: MIT
// The queue before the artist: bounded, fair between owners, one work at a time on its thread.
//
//   PictureQueue queue(artist, {.most = 32, .most_of_one = 8});
//   if (queue.push("ann", job) != Pushed::yes) …
//   queue.cancel(*job);                       // waiting or running, from any thread
//
// A job that was pushed hears begin() unless it is cancelled before, then progress() and preview()
// any number of times, and ended() exactly once.  Only ended() after a cancellation while waiting
// comes from the thread that cancelled.  The end of the queue cancels everything.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "serve/artist.h"
#include "serve/fair_queue.h"

namespace hadal {

struct ArtEnd {
  enum class Kind { made, failed, cancelled };
  Kind kind = Kind::cancelled;
  Artwork work;  // made
  Error error;   // failed
};

class PictureJob : public ArtSink {
 public:
  // Its turn has come: the order, or nothing if it is not wanted any more (ended: cancelled).
  virtual std::optional<ArtOrder> begin() = 0;
  virtual void ended(ArtEnd end) = 0;

  bool is_cancelled() const { return cancel_; }

 protected:
  // From within: for a deadline that has passed.
  void stop() { cancel_ = true; }

 private:
  friend class PictureQueue;
  std::atomic<bool> cancel_{false};
};

struct PictureGauges {
  int64_t running = 0, waiting = 0;
  int64_t stills = 0, clips = 0;  // made since the start
};

class PictureQueue {
 public:
  PictureQueue(Artist& artist, QueueLimits limits);
  ~PictureQueue();

  Pushed push(const std::string& owner, std::shared_ptr<PictureJob> job);
  void cancel(PictureJob& job);
  // Cancels all and takes no more; returns when the last job has ended.
  void close();
  PictureGauges gauges() const;

 private:
  void work();
  void run(PictureJob& job);

  Artist& artist_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FairQueue<std::shared_ptr<PictureJob>> waiting_;
  std::shared_ptr<PictureJob> running_;
  PictureGauges made_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace hadal
