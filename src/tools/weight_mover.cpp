// SPDX-License-Identifier: MIT
// Weights on their way into large pages.
#include "tools/weight_mover.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace hadal {
namespace {

// Of the thread alone, as Linux has it: answers come first.
constexpr int kNiceness = 10;
constexpr const char* kLargePages = "/sys/kernel/mm/transparent_hugepage/enabled";

}  // namespace

WeightMover::WeightMover(std::vector<std::shared_ptr<MappedFile>> files)
    : files_(std::move(files)), thread_([this] {
        setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
        status_ = move_all();
        ended_ = true;
      }) {}

WeightMover::~WeightMover() {
  ending_ = true;
  if (thread_.joinable()) thread_.join();
}

Status WeightMover::move_all() {
  int64_t before = 0;
  for (const std::shared_ptr<MappedFile>& file : files_) {
    TRY_STATUS(file->move_into_memory([&](int64_t moved) {
      moved_ = before + moved;
      return !ending_;
    }));
    before += file->size();
  }
  return Ok{};
}

Status WeightMover::wait(const std::function<void(int64_t done, int64_t all)>& progress) {
  constexpr std::chrono::milliseconds kBetween(100);
  const int64_t all = bytes_of(files_);
  for (; !ended_; std::this_thread::sleep_for(kBetween))
    if (progress) progress(moved_, all);
  if (thread_.joinable()) thread_.join();
  return status_;
}

int64_t bytes_of(const std::vector<std::shared_ptr<MappedFile>>& files) {
  int64_t bytes = 0;
  for (const std::shared_ptr<MappedFile>& file : files) bytes += file->size();
  return bytes;
}

bool has_large_pages() {
  constexpr int64_t kMostBytes = 4096;  // "always [madvise] never"
  const Result<std::string> setting = read_file(kLargePages, kMostBytes);
  return setting && setting->find("[never]") == std::string::npos;
}

}  // namespace hadal
