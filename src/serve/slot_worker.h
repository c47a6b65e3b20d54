// SPDX-License-Identifier: MIT
// A worker over sessions: one thread, a cache slot for every running request.
//
//   SlotWorker worker(*model, *ops, *cache, {});       // as many at once as the cache has slots
//
// In each round every answer gets one token, and one of the prompts being read gets one slice of
// the cache's max_chunk tokens: so a long prompt delays the others' next token by a slice.  A slot
// keeps what it has read; a request takes the free slot of its partition that holds most of its
// prompt.  Requests that find no slot wait in a queue that is fair between owners.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/session.h"
#include "serve/fair_queue.h"
#include "serve/worker.h"

namespace hadal {

class SlotWorker : public GenerationWorker {
 public:
  SlotWorker(Model& model, Ops& ops, Cache& cache, QueueLimits limits);
  // Cancels what runs and waits.
  ~SlotWorker() override;

  Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) override;
  WorkerGauges gauges() const override;
  int64_t context() const override { return context_; }
  int64_t vocab() const override { return vocab_; }

 private:
  class Job;
  struct Slot;
  struct Running;

  void work();
  // What there is to do is done under the lock; what is computed and told, outside of it.
  bool wait_for_work(std::vector<std::shared_ptr<Job>>& gone);
  bool has_work() const;
  void admit();
  void note_gauges();
  Slot& choose_slot(const GenerationRequest& request);
  void read_one_slice();
  void decode_round();
  void finish_cancelled();
  void read_slice(Running& running);
  bool decode(Running& running);
  void finish(Running& running, GenerationFinish why);

  int64_t context_ = 0, vocab_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::list<Running> running_;  // of the worker's thread alone
  int64_t admitted_ = 0;        // counts, so that slots know who was used last

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  FairQueue<std::shared_ptr<Job>> waiting_;
  bool stopping_ = false;
  WorkerGauges gauges_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace hadal
