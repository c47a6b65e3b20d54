// SPDX-License-Identifier: MIT
// A worker that computes what runs in one batch: one thread, a cache slot for every request.
//
//   SlotWorker worker(*model, *ops, *cache, {.prefixes = {.budget_bytes = 1 << 30}});
//                                                      // as many at once as the cache has slots
//
// Each step is one forward pass: the next token of every answer, and slices of the prompts being
// read, as many as the pace of the answers allows (engine/scheduler.h).  Requests join and leave
// between steps.  What was read goes into the prefix cache, at boundaries, at the end of prompt and
// answer, and when a request is cancelled; the last two also onto the disk, if there is a store; a
// slot keeps it until another request comes.  A request takes the free slot of its partition that
// holds most of its prompt.  Requests that find no slot wait in a queue that is fair between
// owners; so are the slices.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/prefix_cache.h"
#include "engine/prefix_store.h"
#include "engine/scheduler.h"
#include "engine/step.h"
#include "serve/fair_queue.h"
#include "serve/worker.h"

namespace hadal {

class SlotJob;

struct SlotWorkerOptions {
  QueueLimits queue;
  PrefixCacheOptions prefixes;
  PrefixStore* store = nullptr;  // on disk; must outlive the worker
  int64_t weight_bytes = 0;      // of the model, for the gauges; 0: not known
};

class SlotWorker : public GenerationWorker {
 public:
  SlotWorker(Model& model, Ops& ops, Cache& cache, const SlotWorkerOptions& options);
  // Cancels what runs and waits.
  ~SlotWorker() override;

  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override;
  WorkerGauges gauges() const override;
  int64_t context() const override { return context_; }
  int64_t vocab() const override { return vocab_; }
  int64_t width() const override { return model_.config().width; }

 private:
  struct Slot;
  struct Running;

  void work();
  // What there is to do is done under the lock; what is computed and told, outside of it.
  bool wait_for_work(std::vector<std::shared_ptr<SlotJob>>& gone);
  bool has_work() const;
  void admit();
  void note_gauges();
  Slot& choose_slot(const GenerationRequest& request);
  void finish_cancelled();
  void finish_embeddings();
  void choose_tokens();
  bool choose_token(Running& running);
  void run_step();
  int64_t add_slices(int64_t rows, std::vector<Running*>& readers);
  PrefixCacheOptions timed(PrefixCacheOptions options);
  void begin(Running& running);
  void count_prompt(const Running& running, int64_t seen, int64_t& source);
  bool begin_from_store(const Running& running, const Wanted& wanted, int64_t known);
  void note_read(Running& running);
  void keep_read(Running& running);
  void keep(Running& running, int64_t position);
  void finish(Running& running, GenerationFinish why);

  Model& model_;
  Ops& ops_;
  Cache& cache_;
  const int64_t context_, vocab_, max_chunk_;
  Scheduler scheduler_;
  Step step_;
  std::vector<uint64_t> words_;  // what answers without a form are made of
  // Since the gauges were last noted, in seconds.
  std::vector<double> lifetimes_, idle_times_, gaps_;
  PrefixCache prefixes_;
  PrefixStore* const store_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::list<Running> running_;  // of the worker's thread alone
  int64_t admitted_ = 0;        // counts, so that slots know who was used last
  int64_t steps_ = 0, requests_step_ = 0;
  PromptCounts prompts_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FairQueue<std::shared_ptr<SlotJob>> waiting_;
  bool stopping_ = false;
  WorkerGauges gauges_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace hadal
