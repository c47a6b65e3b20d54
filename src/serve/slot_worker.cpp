// SPDX-License-Identifier: MIT
// A worker that computes what runs in one batch.  work() is the table of contents.
#include "serve/slot_worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/block_cache.h"
#include "engine/cache_size.h"
#include "engine/span_grammar.h"
#include "engine/text_embedding.h"
#include "serve/slot_job.h"
#include "serve/token_choice.h"

namespace hadal {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int64_t common_prefix(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

std::span<const float> row_of(const Tensor& logits_V) {
  return {logits_V.data<float>(), static_cast<size_t>(logits_V.count())};
}

// Rows of a step whose logits are all told: 16 MiB of them with a vocabulary of 129,280.
constexpr int64_t kMostTold = 32;

}  // namespace

struct SlotWorker::Slot {
  int64_t number = 0;
  Sequence sequence;
  std::string partition;
  int64_t last_used = 0;  // 0: never
  bool busy = false;
};

struct SlotWorker::Running {
  std::shared_ptr<SlotJob> job;
  Slot* slot = nullptr;
  TokenChoice choice;
  bool reading = true;  // the prompt
  bool begun = false;   // its sequence is that of this request
  int64_t looked = 0;   // positions up to here were kept where that is worth it
  int64_t kept = 0;     // the last that was
  int64_t parts = 0;    // where its prompt was seen to part from another; 0: nowhere
  Clock::time_point since{};
  GenerationEnd end;
  std::unique_ptr<TextEmbedding> embedding;  // of a request that embeds, once it has begun
  int64_t embeds_now = 0;                    // tokens of it in this step

  Sequence& sequence() const { return slot->sequence; }
  int64_t length() const { return embedding ? embedding->length() : sequence().length(); }
  int64_t unread() const { return embedding ? embedding->unread() : sequence().unread(); }
  const GenerationRequest& request() const { return job->request(); }
  // Of the tokens that are about to be taken.
  void tell_prompt(const Tensor& logits_CV) {
    const std::vector<int64_t>& prompt = request().prompt;
    for (int64_t row = 0; row < logits_CV.size(0); ++row) {
      const size_t next = static_cast<size_t>(length() + row + 1);
      if (next < prompt.size())
        job->sink().prompt_token(
            tell_token(row_of(logits_CV.rows(row, 1)), prompt[next], request().likeliest));
    }
  }
};

SlotWorker::SlotWorker(Model& model, Ops& ops, Cache& cache, const SlotWorkerOptions& options)
    : model_(model),
      ops_(ops),
      cache_(cache),
      context_(cache.options().max_positions),
      vocab_(model.config().vocab),
      max_chunk_(cache.options().max_chunk),
      scheduler_({.most_rows = cache.options().max_chunk}),
      step_(model, ops, cache),
      words_(word_mask(model.config())),
      prefixes_(model.config(), timed(options.prefixes)),
      store_(options.store),
      waiting_(options.queue) {
  for (int64_t slot = 0; slot < cache.options().slots; ++slot)
    slots_.push_back(std::make_unique<Slot>(
        Slot{slot, Sequence(model.config(), cache, {.slot = slot}), {}, 0, false}));
  gauges_.slots = static_cast<int64_t>(slots_.size());
  gauges_.cache_capacity = gauges_.slots * context_;
  gauges_.weight_bytes = options.weight_bytes;
  const Holding holding = ops.packs(RowFormat::fp4_32) ? Holding::packed : Holding::floats;
  gauges_.cache_bytes = cache_bytes(model.config(), cache.options(), holding);
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

PrefixCacheOptions SlotWorker::timed(PrefixCacheOptions options) {
  options.used_again = [this](double gap) { gaps_.push_back(gap); };
  options.thrown_out = [this](double lifetime, double idle) {
    lifetimes_.push_back(lifetime);
    idle_times_.push_back(idle);
  };
  return options;
}

Submission SlotWorker::submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) {
  CHECK(!request.prompt.empty() && static_cast<int64_t>(request.prompt.size()) < context_,
        request.prompt.size());
  CHECK(request.max_tokens >= 0, request.max_tokens);
  // Taking the lock in between lets no wake-up fall between the worker's look and its sleep.
  const auto wake = [this] {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  };
  auto job = std::make_shared<SlotJob>(std::move(request), std::move(sink), wake);
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
  std::vector<std::shared_ptr<SlotJob>> gone;  // left the queue without having run
  while (wait_for_work(gone)) {
    for (const std::shared_ptr<SlotJob>& job : gone) {
      GenerationEnd end;
      end.finish = job->why_over();
      end.queue_seconds = job->seconds_waiting();
      job->detach();
      job->sink().ended(end);
    }
    gone.clear();
    finish_cancelled();
    finish_embeddings();
    choose_tokens();
    run_step();
  }
}

// ---- under the lock

// False: the worker ends, and nothing is left.
bool SlotWorker::wait_for_work(std::vector<std::shared_ptr<SlotJob>>& gone) {
  std::unique_lock lock(mutex_);
  const auto leaves = [this](const std::shared_ptr<SlotJob>& job) {
    if (stopping_) job->stop();
    return job->over();
  };
  const auto ready = [&] {
    gone = waiting_.take_if(leaves);
    note_gauges();
    return stopping_ || !gone.empty() || has_work();
  };
  // Deadlines are looked at now and then even if nothing else happens.
  while (!ready()) {
    changed_.wait_for(lock, std::chrono::seconds(1));
    tensor_blocks().drop_unused();
  }
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
    return !running.job->paused() || running.job->over();
  });
}

void SlotWorker::admit() {
  while (running_.size() < slots_.size()) {
    const std::optional<std::shared_ptr<SlotJob>> job = waiting_.pop();
    if (!job) break;
    Slot& slot = choose_slot((*job)->request());
    slot.busy = true;
    slot.last_used = ++admitted_;
    Running running{.job = *job,
                    .slot = &slot,
                    .choice = TokenChoice((*job)->request(), words_),
                    .end = {},
                    .embedding = nullptr};
    running.since = Clock::now();
    running.end.queue_seconds = (*job)->seconds_waiting();
    running_.push_back(std::move(running));
  }
}

void SlotWorker::note_gauges() {
  gauges_.waiting = waiting_.size();
  gauges_.running = static_cast<int64_t>(running_.size());
  gauges_.prefix_tokens = prefixes_.tokens();
  gauges_.prefix_bytes = prefixes_.bytes();
  gauges_.prefix_disk_bytes = store_ ? store_->bytes() : 0;
  gauges_.prefix_disk_written = store_ ? store_->bytes_written() : 0;
  gauges_.prefix_disk_rows = store_ ? store_->rows_written() : 0;
  const auto note = [](std::vector<double>& times, Histogram& histogram) {
    for (const double seconds : std::exchange(times, {})) histogram.add(seconds);
  };
  note(lifetimes_, gauges_.prefix_times.lifetime);
  note(idle_times_, gauges_.prefix_times.idle);
  note(gaps_, gauges_.prefix_times.gap);
  gauges_.prompts = prompts_;
  gauges_.steps = steps_;
  gauges_.requests_step = requests_step_;
  gauges_.cached_tokens = 0;
  for (const Running& running : running_) gauges_.cached_tokens += running.length();
  gauges_.each_slot.clear();
  for (const std::unique_ptr<Slot>& slot : slots_)
    gauges_.each_slot.push_back({slot->busy, slot->sequence.length()});
}

// The free slot of the partition that holds most of the prompt, else the one unused for longest.
SlotWorker::Slot& SlotWorker::choose_slot(const GenerationRequest& request) {
  Slot* best = nullptr;
  int64_t best_common = 0;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (slot->busy) continue;
    const int64_t common = slot->partition == request.partition
                               ? common_prefix(slot->sequence.ids(), request.prompt)
                               : 0;
    const bool better = !best || common > best_common ||
                        (common == best_common && slot->last_used < best->last_used);
    if (better) best = slot.get();
    best_common = std::max(best_common, common);
  }
  CHECK(best, "no slot is free");
  if (best->partition != request.partition) best->sequence.reset();
  best->partition = request.partition;
  return *best;
}

// ---- answers

void SlotWorker::finish(Running& running, GenerationFinish why) {
  running.end.finish = why;
  running.end.kept = prefixes_.enabled() || store_ != nullptr;
  (running.reading ? running.end.prefill_seconds : running.end.decode_seconds) =
      seconds_since(running.since);
  running.slot->busy = false;
  const std::string& owner = running.request().owner;
  const auto owners = std::count_if(running_.begin(), running_.end(), [&](const Running& other) {
    return other.request().owner == owner;
  });
  if (owners == 1) scheduler_.forget(owner);
  running.job->detach();
  running.job->sink().ended(running.end);
  if (!running.begun) return;
  const int64_t length = running.sequence().length();
  if (store_) store_->keep(running.request().partition, running.sequence().save(length));
  keep(running, length);
}

void SlotWorker::finish_cancelled() {
  std::erase_if(running_, [this](Running& running) {
    if (!running.job->over()) return false;
    finish(running, running.job->why_over());
    return true;
  });
}

void SlotWorker::finish_embeddings() {
  std::erase_if(running_, [this](Running& running) {
    if (!running.embedding || running.embedding->unread() > 0) return false;
    running.job->sink().embedded(running.embedding->mean());
    finish(running, GenerationFinish::end);
    return true;
  });
}

void SlotWorker::choose_tokens() {
  std::erase_if(running_, [this](Running& running) {
    const bool due = !running.reading && !running.job->paused() && running.sequence().unread() == 0;
    return due && !choose_token(running);
  });
}

// False: the answer is over.
bool SlotWorker::choose_token(Running& running) {
  const GenerationRequest& request = running.request();
  if (request.max_tokens == 0) return finish(running, GenerationFinish::length), false;
  Sequence& sequence = running.sequence();
  const std::span<const float> logits = row_of(sequence.logits_V());
  const std::optional<int64_t> insisted = running.job->take_insisted();
  const GeneratedToken token = insisted ? running.choice.take(logits, *insisted)
                                        : running.choice.pick(logits, sequence.length());
  ++running.end.output;
  const Flow flow = running.job->sink().token(token);
  if (token.ends) return finish(running, GenerationFinish::end), false;
  if (flow == Flow::stop) return finish(running, GenerationFinish::stop), false;
  if (running.end.output == request.max_tokens)
    return finish(running, GenerationFinish::length), false;
  if (sequence.room() == 0) return finish(running, GenerationFinish::context), false;
  sequence.want_one(token.sample.id);
  return true;
}

// ---- the step

void SlotWorker::run_step() {
  StepTime time;
  for (Running& running : running_) {
    // Who was paused when tokens were chosen has none to read, whatever it is by now.
    const bool due = !running.reading && running.sequence().unread() > 0;
    if (!due || running.job->paused()) continue;
    step_.add(running.sequence(), 1);
    ++time.writers;
  }
  std::vector<Running*> readers;
  for (Running& running : running_)
    if (running.reading && !running.job->paused()) readers.push_back(&running);
  time.read = readers.empty() ? 0 : add_slices(scheduler_.slice(time.writers), readers);
  if (time.writers + time.read > 0) {
    const Clock::time_point start = Clock::now();
    if (step_.rows() > 0) step_.run();
    for (Running* running : readers)
      if (running->embeds_now > 0) running->embedding->read(std::exchange(running->embeds_now, 0));
    time.seconds = seconds_since(start);
    scheduler_.note(time);
    ++steps_;
    requests_step_ += time.writers + std::ssize(readers);
  }
  for (Running* running : readers) note_read(*running);
}

// Fills `rows` with slices of prompts; `readers` become those who have got one.
int64_t SlotWorker::add_slices(int64_t rows, std::vector<Running*>& readers) {
  std::vector<Running*> all, done;
  std::swap(all, readers);
  int64_t added = 0;
  while (added < rows && !all.empty()) {
    std::vector<const std::string*> owners;
    for (const Running* running : all) owners.push_back(&running->request().owner);
    const size_t next = scheduler_.choose(owners);
    Running& running = *all[next];
    all.erase(all.begin() + static_cast<long>(next));
    if (!running.begun && !running.embedding) begin(running);
    readers.push_back(&running);
    const int64_t most =
        running.request().tells_prompt ? std::min(max_chunk_, kMostTold) : max_chunk_;
    const int64_t count = std::min({rows - added, most, running.unread()});
    if (count == 0) continue;  // all of it was in the cache
    if (running.embedding)
      running.embeds_now = count;
    else if (running.request().tells_prompt)
      step_.add_told(running.sequence(), count,
                     [&running](const Tensor& logits_CV) { running.tell_prompt(logits_CV); });
    else
      step_.add(running.sequence(), count);
    added += count;
    scheduler_.read(running.request().owner);
  }
  return added;
}

// Its slot goes on from what is known of the prompt: in the slot itself, or in the prefix cache.
void SlotWorker::begin(Running& running) {
  const GenerationRequest& request = running.request();
  Sequence& sequence = running.sequence();
  if (request.embeds) {
    sequence.reset();
    running.embedding = std::make_unique<TextEmbedding>(
        model_, ops_, cache_,
        TextEmbedding::Text{.slot = running.slot->number, .ids = request.prompt});
    return;
  }
  Result<Wanted> wanted = sequence.check(request.prompt, request.given);
  CHECK(wanted, wanted.error().message);  // the door has checked the ids
  if (request.tells_prompt) {
    sequence.reset();
    wanted->needed_from = 0;  // no row may be skipped
    prompts_.told += static_cast<int64_t>(request.prompt.size());
    sequence.want(wanted.take());
    running.begun = true;
    return;
  }
  const PrefixHit hit = prefixes_.find(request.partition, *wanted);
  const int64_t held = sequence.reusable(*wanted);
  const bool stored = begin_from_store(running, *wanted, std::max(held, hit.length));
  const bool remembered = !stored && hit.length > held;
  if (remembered) {
    const Status loaded = sequence.load(prefixes_.state_of(hit, *wanted));
    CHECK(loaded, loaded.error().message);  // it was saved from this very cache
  }
  running.end.hit = sequence.want(wanted.take());
  count_prompt(running, hit.common,
               stored       ? prompts_.from_disk
               : remembered ? prompts_.from_memory
                            : prompts_.from_slot);
  running.looked = running.kept = running.end.hit;
  running.parts = hit.common;
  running.begun = true;
}

// `seen`: tokens of the prompt that the prefix cache knows; `source`: where those came from that
// need not be read.
void SlotWorker::count_prompt(const Running& running, int64_t seen, int64_t& source) {
  const int64_t all = static_cast<int64_t>(running.request().prompt.size());
  const int64_t found = running.end.hit, known = std::max(found, seen);
  source += found;
  if (!prefixes_.enabled() && !store_) {
    prompts_.disabled += all - found;
    return;
  }
  prompts_.no_state += known - found;
  prompts_.absent += all - known;
}

// False: the disk knows no more of the prompt than `known`.  A record that turns out to be damaged
// is forgotten by the store, and what is left is looked for again.
bool SlotWorker::begin_from_store(const Running& running, const Wanted& wanted, int64_t known) {
  const std::string& partition = running.request().partition;
  while (store_) {
    const PrefixStore::Found found = store_->find(partition, wanted);
    if (found.length <= known) return false;
    Result<SequenceState> state = store_->read(found, wanted);
    if (!state) continue;
    if (running.sequence().load(*state)) {
      prefixes_.keep(partition, state.take());
      return true;
    }
    store_->forget(found);
  }
  return false;
}

// What was read since the last time, where others may want to go on from.
void SlotWorker::keep_read(Running& running) {
  if (!prefixes_.enabled()) return;
  const Sequence& sequence = running.sequence();
  std::vector<int64_t> positions = prefixes_.boundaries(running.looked, sequence.length());
  if (running.parts > running.looked && running.parts <= sequence.length())
    positions.push_back(running.parts);
  if (sequence.unread() == 0) positions.push_back(sequence.length());
  std::sort(positions.begin(), positions.end());
  for (const int64_t position : positions) keep(running, position);
  running.looked = sequence.length();
}

void SlotWorker::keep(Running& running, int64_t position) {
  if (position <= running.kept || !prefixes_.enabled()) return;
  SequenceState state = running.sequence().save(position);
  // Where prompts part, they will again after a restart.
  if (store_ && position == running.parts) store_->keep(running.request().partition, state);
  prefixes_.keep(running.request().partition, std::move(state));
  running.kept = position;
}

// After a slice of its prompt.
void SlotWorker::note_read(Running& running) {
  const int64_t all = static_cast<int64_t>(running.request().prompt.size());
  running.end.miss = running.length() - running.end.hit;
  running.job->sink().prefill(running.length(), all);
  if (!running.embedding) keep_read(running);
  if (!running.embedding && running.sequence().unread() == 0) {
    running.reading = false;
    running.end.prefill_seconds = seconds_since(running.since);
    running.since = Clock::now();
  }
  // Of one owner's prompts, the one that was read goes to the end of the line.
  const auto self = std::find_if(running_.begin(), running_.end(),
                                 [&](const Running& other) { return &other == &running; });
  running_.splice(running_.end(), running_, self);
}

}  // namespace hadal
