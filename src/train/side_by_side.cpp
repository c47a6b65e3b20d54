// SPDX-License-Identifier: MIT
// Threads that each take their share of the jobs.
#include "train/side_by_side.h"

#include <dlfcn.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "backends/torch/libtorch_parallel.h"

namespace hadal {

namespace {

// The first line of an exception; the rest is a stack trace.
Error error_of(const std::exception& exception) {
  std::string text = exception.what();
  return fail_machine("libtorch: ", text.substr(0, text.find('\n')));
}

}  // namespace

Status side_by_side(int64_t count, int64_t threads,
                    const std::function<Status(int64_t job, int64_t thread)>& job) {
  std::vector<std::optional<Error>> errors(static_cast<size_t>(count));
  auto work = [&](int64_t thread) {
    for (int64_t i = thread; i < count; i += threads) {
      std::optional<Error>& error = errors[static_cast<size_t>(i)];
      try {
        Status status = job(i, thread);
        if (!status) error = status.error();
      } catch (const std::exception& exception) {
        error = error_of(exception);
      }
      if (error) return;
    }
  };
  std::vector<std::thread> others;
  for (int64_t thread = 1; thread < std::min(threads, count); ++thread)
    others.emplace_back(work, thread);
  work(0);
  for (std::thread& other : others) other.join();
  for (const std::optional<Error>& error : errors)
    if (error) return *error;
  return Ok{};
}

void use_one_thread_per_caller() {
  at::set_num_threads(1);
  // OpenBLAS has threads of its own, which libtorch does not know of.
  using SetThreads = void (*)(int);
  if (void* symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))
    reinterpret_cast<SetThreads>(symbol)(1);
}

}  // namespace hadal
