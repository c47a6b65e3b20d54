// SPDX-License-Identifier: MIT
// All of the API that draws.
#include "serve/pictures.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "serve/picture_reply.h"

namespace hadal {
namespace {

// A clip of nano takes seconds, of a large model minutes: who would wait longer is better told.
constexpr QueueLimits kQueue = {.most = kMostPictures, .most_of_one = 16};

}  // namespace

Pictures::Pictures(Artist& artist, VideoStore* videos, const VideoJobsHost& host)
    : artist_(artist), queue_(artist, kQueue) {
  if (!videos) return;
  videos_ = std::make_unique<VideoJobs>(*videos, queue_, host);
  videos_->resume();
}

void Pictures::add(std::shared_ptr<PictureReply> reply) {
  const std::lock_guard lock(mutex_);
  replies_.insert(std::move(reply));
}

void Pictures::forget(const PictureReply& reply) {
  const std::lock_guard lock(mutex_);
  std::erase_if(replies_, [&](const auto& one) { return one.get() == &reply; });
}

int64_t Pictures::answering() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(replies_.size());
}

std::optional<double> Pictures::progress(const std::string& key_id) const {
  const std::lock_guard lock(mutex_);
  std::optional<double> most;
  for (const auto& reply : replies_)
    if (reply->is_for(key_id)) most = std::max(most.value_or(0), reply->part());
  return most;
}

void Pictures::drain() {
  if (videos_) videos_->put_back();
}

void Pictures::cut() {
  std::vector<std::shared_ptr<PictureReply>> replies;
  {
    const std::lock_guard lock(mutex_);
    replies.assign(replies_.begin(), replies_.end());
  }
  for (const std::shared_ptr<PictureReply>& reply : replies) queue_.cancel(*reply);
}

void Pictures::close() {
  drain();
  queue_.close();
}

}  // namespace hadal
