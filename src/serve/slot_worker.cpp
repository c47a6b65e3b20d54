// SPDX-License-Identifier: MIT
// A worker over sessions.  work() is the table of contents.
#include "serve/slot_worker.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <utility>

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t common_prefix(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

// The model's own probability of a token, whatever was taken off for sampling.
float logprob_of(std::span<const float> logits, int64_t id) {
  const float peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - peak);
  return static_cast<float>(logits[static_cast<size_t>(id)] - peak - std::log(sum));
}

}  // namespace

class SlotWorker::Job : public Generation {
 public:
  Job(SlotWorker& worker, GenerationRequest request, std::shared_ptr<GenerationSink> sink)
      : request_(std::move(request)), sink_(std::move(sink)), worker_(&worker) {}

  void cancel() override {
    cancelled_ = true;
    notify();
  }
  void pause(bool paused) override {
    paused_ = paused;
    if (!paused) notify();
  }
  // The worker ends: it will look for itself.
  void stop() { cancelled_ = true; }
  // Once the worker is gone, so is what could be told to it.
  void detach() {
    const std::lock_guard lock(mutex_);
    worker_ = nullptr;
  }

  const GenerationRequest& request() const { return request_; }
  GenerationSink& sink() { return *sink_; }
  bool cancelled() const { return cancelled_; }
  bool paused() const { return paused_; }
  bool late() const { return Clock::now() >= request_.deadline; }
  const Clock::time_point submitted = Clock::now();

 private:
  // Taking the worker's lock in between lets no wake-up fall between its look and its sleep.
  void notify() {
    const std::lock_guard lock(mutex_);
    if (!worker_) return;
    { const std::lock_guard worker_lock(worker_->mutex_); }
    worker_->changed_.notify_all();
  }

  const GenerationRequest request_;
  const std::shared_ptr<GenerationSink> sink_;
  std::atomic<bool> cancelled_{false}, paused_{false};
  std::mutex mutex_;
  SlotWorker* worker_;
};

struct SlotWorker::Slot {
  Session session;
  std::string partition;
  int64_t last_used = 0;  // 0: never
  bool busy = false;
};

struct SlotWorker::Running {
  std::shared_ptr<Job> job;
  Slot* slot = nullptr;
  bool reading = true;  // the prompt
  bool begun = false;   // a first slice was read
  Clock::time_point since{};
  GenerationEnd end;
  std::map<int64_t, int64_t> counts;  // how often the answer holds each token
};

SlotWorker::SlotWorker(Model& model, Ops& ops, Cache& cache, QueueLimits limits)
    : vocab_(model.config().vocab), waiting_(limits) {
  for (int64_t slot = 0; slot < cache.options().slots; ++slot)
    slots_.push_back(
        std::make_unique<Slot>(Slot{Session(model, ops, cache, {.slot = slot}), {}, 0, false}));
  context_ = slots_.front()->session.capacity();
  gauges_.slots = static_cast<int64_t>(slots_.size());
  gauges_.cache_capacity = gauges_.slots * context_;
  thread_ = std::thread([this] { work(); });
}

SlotWorker::~SlotWorker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Submission SlotWorker::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  CHECK(!request.prompt.empty() && static_cast<int64_t>(request.prompt.size()) < context_,
        request.prompt.size());
  CHECK(request.max_tokens > 0, request.max_tokens);
  auto job = std::make_shared<Job>(*this, std::move(request), std::move(sink));
  {
    const std::lock_guard lock(mutex_);
    const Pushed pushed = waiting_.push(job->request().owner, job);
    if (pushed != Pushed::yes)
      return {pushed == Pushed::full ? Submitted::full : Submitted::owner_full, nullptr};
    gauges_.waiting = waiting_.size();
  }
  changed_.notify_all();
  return {Submitted::yes, std::move(job)};
}

WorkerGauges SlotWorker::gauges() const {
  const std::lock_guard lock(mutex_);
  return gauges_;
}

void SlotWorker::work() {
  std::vector<std::shared_ptr<Job>> gone;  // left the queue without having run
  while (wait_for_work(gone)) {
    for (const std::shared_ptr<Job>& job : gone) {
      GenerationEnd end;
      end.finish = job->cancelled() ? GenerationFinish::cancelled : GenerationFinish::deadline;
      end.queue_seconds = seconds_since(job->submitted);
      job->detach();
      job->sink().ended(end);
    }
    gone.clear();
    finish_cancelled();
    decode_round();
    read_one_slice();
  }
}

// False: the worker ends, and nothing is left.
bool SlotWorker::wait_for_work(std::vector<std::shared_ptr<Job>>& gone) {
  std::unique_lock lock(mutex_);
  const auto leaves = [this](const std::shared_ptr<Job>& job) {
    return stopping_ || job->cancelled() || job->late();
  };
  const auto ready = [&] {
    gone = waiting_.take_if(leaves);
    note_gauges();
    return stopping_ || !gone.empty() || has_work();
  };
  // Deadlines are looked at now and then even if nothing else happens.
  while (!ready()) changed_.wait_for(lock, std::chrono::seconds(1));
  if (stopping_)
    for (const Running& running : running_) running.job->stop();
  admit();
  note_gauges();
  return !stopping_ || !running_.empty() || !gone.empty();
}

bool SlotWorker::has_work() const {
  const bool slot_free = running_.size() < slots_.size();
  if (slot_free && waiting_.size() > 0) return true;
  return std::any_of(running_.begin(), running_.end(), [](const Running& running) {
    return !running.job->paused() || running.job->cancelled() || running.job->late();
  });
}

void SlotWorker::admit() {
  while (running_.size() < slots_.size()) {
    const std::optional<std::shared_ptr<Job>> job = waiting_.pop();
    if (!job) break;
    Slot& slot = choose_slot((*job)->request());
    slot.busy = true;
    slot.last_used = ++admitted_;
    Running running;
    running.job = *job;
    running.slot = &slot;
    running.since = Clock::now();
    running.end.queue_seconds = seconds_since((*job)->submitted);
    running_.push_back(std::move(running));
  }
}

void SlotWorker::note_gauges() {
  gauges_.waiting = waiting_.size();
  gauges_.running = static_cast<int64_t>(running_.size());
  gauges_.cached_tokens = 0;
  for (const Running& running : running_) gauges_.cached_tokens += running.slot->session.length();
}

// The free slot of the partition that holds most of the prompt, else the one unused for longest.
SlotWorker::Slot& SlotWorker::choose_slot(const GenerationRequest& request) {
  Slot* best = nullptr;
  int64_t best_common = 0;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->busy) continue;
    const int64_t common = slot->partition == request.partition
                               ? common_prefix(slot->session.ids(), request.prompt)
                               : 0;
    const bool better = !best || common > best_common ||
                        (common == best_common && slot->last_used < best->last_used);
    if (better) best = slot.get();
    best_common = std::max(best_common, common);
  }
  CHECK(best, "no slot is free");
  if (best->partition != request.partition) best->session.reset();
  best->partition = request.partition;
  return *best;
}

void SlotWorker::finish(Running& running, GenerationFinish why) {
  running.end.finish = why;
  (running.reading ? running.end.prefill_seconds : running.end.decode_seconds) =
      seconds_since(running.since);
  running.slot->busy = false;
  running.job->detach();
  running.job->sink().ended(running.end);
}

void SlotWorker::finish_cancelled() {
  std::erase_if(running_, [this](Running& running) {
    if (!running.job->cancelled() && !running.job->late()) return false;
    finish(running,
           running.job->cancelled() ? GenerationFinish::cancelled : GenerationFinish::deadline);
    return true;
  });
}

void SlotWorker::decode_round() {
  std::erase_if(running_, [this](Running& running) {
    return !running.reading && !running.job->paused() && !decode(running);
  });
}

// Prompts take turns: the one that was read goes to the end of the line.
void SlotWorker::read_one_slice() {
  const auto next = std::find_if(running_.begin(), running_.end(), [](const Running& running) {
    return running.reading && !running.job->paused();
  });
  if (next == running_.end()) return;
  read_slice(*next);
  running_.splice(running_.end(), running_, next);
}

// A flag that is set already makes extend() come back after one chunk.
void SlotWorker::read_slice(Running& running) {
  const std::vector<int64_t>& prompt = running.job->request().prompt;
  const std::atomic<bool> at_once{true};
  const Result<Prefill> prefill = running.slot->session.extend(prompt, &at_once);
  CHECK(prefill, prefill.error().message);  // the door has checked the ids
  if (!running.begun) running.end.hit = prefill->reused;
  running.begun = true;
  running.end.miss += prefill->read;
  const int64_t all = static_cast<int64_t>(prompt.size());
  running.job->sink().prefill(running.end.hit + running.end.miss, all);
  if (!prefill->cancelled) {
    running.reading = false;
    running.end.prefill_seconds = seconds_since(running.since);
    running.since = Clock::now();
  }
}

// One token.  False: the answer is over.
bool SlotWorker::decode(Running& running) {
  const GenerationRequest& request = running.job->request();
  Session& session = running.slot->session;
  GeneratedToken token;
  const Penalties& penalties = request.penalties;
  if (penalties.presence != 0 || penalties.frequency != 0) {
    std::vector<float> logits(session.logits().begin(), session.logits().end());
    for (const auto& [id, count] : running.counts)
      logits[static_cast<size_t>(id)] -=
          static_cast<float>(penalties.presence + penalties.frequency * static_cast<double>(count));
    token.sample = pick_token(logits, request.sampler, session.length());
    token.sample.logprob = logprob_of(session.logits(), token.sample.id);
  } else {
    token.sample = pick_token(session.logits(), request.sampler, session.length());
  }
  if (request.likeliest > 0) token.likeliest = likeliest(session.logits(), request.likeliest);
  const int64_t id = token.sample.id;
  ++running.end.output;
  ++running.counts[id];
  token.ends =
      std::find(request.end_ids.begin(), request.end_ids.end(), id) != request.end_ids.end();
  const Flow flow = running.job->sink().token(token);
  if (token.ends) return finish(running, GenerationFinish::end), false;
  if (flow == Flow::stop) return finish(running, GenerationFinish::stop), false;
  if (running.end.output == request.max_tokens)
    return finish(running, GenerationFinish::length), false;
  if (session.room() == 0) return finish(running, GenerationFinish::context), false;
  session.append(id);
  return true;
}

}  // namespace hadal
