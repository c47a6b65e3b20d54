// SPDX-License-Identifier: MIT
// The worker: where requests meet the model.  Ids go in, a stream of tokens comes out.
//
//   Submission made = worker.submit(std::move(request), sink);
//   if (made.state != Submitted::yes) …                       // the queue is full
//   made.generation->cancel();                                // at any time, from any thread
//
// All that HTTP and the API know of the engine is this page.
//
// What always holds
//   Requests make progress side by side; none waits for another's answer while there is room.
//   A sink hears prefill(), at the latest when all is read, then token(), then ended() exactly
//   once; after cancel() that comes within one step.  Tokens of a request depend on it alone: on
//   its ids, options and seed, never on who else is served.
// A sink is called from the worker's thread and must be brief: everybody waits for it.  Worker and
// Generation may be used from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generator.h"
#include "engine/sampler.h"
#include "engine/sequence.h"
#include "grammar/token_constraint.h"
#include "serve/histogram.h"

namespace hadal {

struct Penalties {
  double presence = 0;   // taken off the logit of every token that the answer holds
  double frequency = 0;  // and once more for each time it holds it
};

struct GenerationRequest {
  std::string owner;      // who takes turns with the others
  std::string partition;  // requests share what was read within one partition only
  std::vector<int64_t> prompt;
  GivenRows given;  // embeddings of images in the prompt; on the host
  SamplerOptions sampler;
  Penalties penalties;
  int64_t max_tokens = 0;  // 0: nothing is written
  // Nothing is written: the sink hears embedded(), and what was read is not kept.
  bool embeds = false;
  std::vector<int64_t> end_ids;
  // The form that the answer is held to; null: none.
  std::shared_ptr<TokenConstraint> constraint = nullptr;
  int64_t likeliest = 0;  // so many alternatives are told with each token
  // The sink hears prompt_token(); what was read before is read anew.
  bool tells_prompt = false;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct GeneratedToken {
  Sample sample;
  std::vector<Sample> likeliest;
  bool ends = false;  // a token that ends the answer
};

enum class GenerationFinish { end, stop, length, context, cancelled, deadline };

struct GenerationEnd {
  GenerationFinish finish = GenerationFinish::end;
  int64_t hit = 0;     // tokens of the prompt that were in the cache
  int64_t miss = 0;    // … and that were read
  int64_t output = 0;  // tokens sampled
  bool kept = true;    // what was read is kept for prompts that begin alike
  double queue_seconds = 0, prefill_seconds = 0, decode_seconds = 0;
};

class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  virtual void prefill(int64_t done, int64_t all) = 0;
  // Of a request that tells its prompt: every token of it but the first, in order, with its
  // probability; all of them before the prefill() that says that all are read.
  virtual void prompt_token(const GeneratedToken& token) { (void)token; }
  // Of a request that embeds, before its end: a vector of unit length.
  virtual void embedded(std::vector<float> mean) { (void)mean; }
  // Also the token that ends the answer; after it, what is returned makes no difference.
  virtual Flow token(const GeneratedToken& token) = 0;
  virtual void ended(const GenerationEnd& end) = 0;
};

class Generation {
 public:
  virtual ~Generation() = default;
  virtual void cancel() = 0;
  // From within the sink's token(): the next token is this one, whatever is likelier.
  virtual void insist(int64_t token) = 0;
  // A reader that is behind: no more tokens until pause(false).
  virtual void pause(bool paused) = 0;
};

enum class Submitted { yes, owner_full, full };

struct Submission {
  Submitted state = Submitted::yes;
  std::shared_ptr<Generation> generation;  // null unless submitted
};

struct SlotGauge {
  bool busy = false;
  int64_t tokens = 0;  // that its cache holds
};

// Tokens of prompts since the start: where they were found, or why they had to be read.
struct PromptCounts {
  int64_t from_slot = 0, from_memory = 0, from_disk = 0;
  int64_t absent = 0;    // not in memory: never seen in their partition, or thrown out since
  int64_t no_state = 0;  // seen, but nothing was kept behind them that one could go on from
  int64_t told = 0;      // their probabilities were asked for
  int64_t disabled = 0;  // nothing is kept here
};

// How long what was read up to some place was of use.
struct PrefixTimes {
  // vLLM's borders of what it tells of its blocks, in seconds.
  static inline const std::vector<double> kBorders = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1,
                                                      0.2,   0.5,   1,     2,    5,    10,   20,
                                                      30,    60,    120,   300,  600,  1200, 1800};
  Histogram lifetime{kBorders}, idle{kBorders}, gap{kBorders};
};

struct WorkerGauges {
  int64_t running = 0, waiting = 0;
  int64_t slots = 0;           // most that can run at once
  int64_t cached_tokens = 0;   // held for running requests
  int64_t cache_capacity = 0;  // in tokens
  int64_t prefix_tokens = 0;   // of texts that were read before, in memory
  int64_t prefix_bytes = 0, prefix_disk_bytes = 0;
  int64_t prefix_disk_written = 0;       // bytes, since the start
  int64_t prefix_disk_rows = 0;          // … of which rows of texts
  int64_t steps = 0, requests_step = 0;  // forward passes, and requests in all of them together
  std::vector<SlotGauge> each_slot = {};
  PromptCounts prompts = {};
  PrefixTimes prefix_times = {};
  int64_t weight_bytes = 0;  // 0: not known
  int64_t cache_bytes = 0;   // reserved for running requests
};

class GenerationWorker {
 public:
  virtual ~GenerationWorker() = default;
  // Requires: 1 to context() - 1 ids of the vocabulary, embeddings of the model's width, options
  // that pass check(), max_tokens >= 0.
  virtual Submission submit(GenerationRequest request, std::shared_ptr<GenerationSink> sink) = 0;
  virtual WorkerGauges gauges() const = 0;
  virtual int64_t context() const = 0;  // most tokens of prompt and answer
  virtual int64_t vocab() const = 0;
  virtual int64_t width() const = 0;  // of what embedded() gives
};

}  // namespace hadal
