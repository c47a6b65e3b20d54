// SPDX-License-Identifier: MIT
// A job: a request from its submission to its end, as its client and its worker see it.
//
// Client: cancel(), pause().  Worker: request(), sink(), and what the client asked for since.
// Any thread; `wake` is called when the worker should look again, until detach().
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "serve/worker.h"

namespace hadal {

class SlotJob : public Generation {
 public:
  SlotJob(GenerationRequest request, std::shared_ptr<GenerationSink> sink,
          std::function<void()> wake)
      : request_(std::move(request)), sink_(std::move(sink)), wake_(std::move(wake)) {}

  void cancel() override {
    cancelled_ = true;
    notify();
  }
  void insist(int64_t token) override { insisted_ = token; }
  void pause(bool paused) override {
    paused_ = paused;
    if (!paused) notify();
  }
  // The worker ends: it will look for itself.
  void stop() { cancelled_ = true; }
  // Once the worker is gone, so is what could be told to it.
  void detach() {
    const std::lock_guard lock(mutex_);
    wake_ = nullptr;
  }

  const GenerationRequest& request() const { return request_; }
  GenerationSink& sink() { return *sink_; }
  bool cancelled() const { return cancelled_; }
  bool paused() const { return paused_; }
  // What must come next, once; nothing if that is free.
  std::optional<int64_t> take_insisted() {
    const int64_t token = insisted_.exchange(-1);
    return token < 0 ? std::nullopt : std::optional<int64_t>(token);
  }
  bool late() const { return std::chrono::steady_clock::now() >= request_.deadline; }
  bool over() const { return cancelled() || late(); }
  GenerationFinish why_over() const {
    return cancelled() ? GenerationFinish::cancelled : GenerationFinish::deadline;
  }
  double seconds_waiting() const {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - submitted_;
    return passed.count();
  }

 private:
  void notify() {
    const std::lock_guard lock(mutex_);
    if (wake_) wake_();
  }

  const GenerationRequest request_;
  const std::shared_ptr<GenerationSink> sink_;
  const std::chrono::steady_clock::time_point submitted_ = std::chrono::steady_clock::now();
  std::atomic<bool> cancelled_{false}, paused_{false};
  std::atomic<int64_t> insisted_{-1};
  std::mutex mutex_;
  std::function<void()> wake_;
};

}  // namespace hadal
