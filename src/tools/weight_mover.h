// SPDX-License-Identifier: MIT
// Moves a model's weights from the pages of their files into large pages of memory, while the model
// already answers: reading them misses the processor's table of pages less often (bench/README.md).
//
//   WeightMover mover(open.model->files());
//   TRY_STATUS(mover.wait({}));      // who measures; others go on
//
// On a thread of its own that gives way to others.  Its end, when it is destroyed, takes as long as
// one part of a file does (base/file.h).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/file.h"

namespace hadal {

class WeightMover {
 public:
  explicit WeightMover(std::vector<std::shared_ptr<MappedFile>> files);
  ~WeightMover();

  // Until all is moved; tells ten times a second how much is.  A failure: some weights stay in
  // their files' pages.
  Status wait(const std::function<void(int64_t done, int64_t all)>& progress);

 private:
  Status move_all();

  std::vector<std::shared_ptr<MappedFile>> files_;
  std::atomic<bool> ending_{false}, ended_{false};
  std::atomic<int64_t> moved_{0};
  Status status_ = Ok{};  // once it has ended
  std::thread thread_;
};

int64_t bytes_of(const std::vector<std::shared_ptr<MappedFile>>& files);

// Whether this system gives large pages to those that ask.
bool has_large_pages();

}  // namespace hadal
