// SPDX-License-Identifier: MIT
// The loop of decoding: sample, hand out, read, again.
#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "engine/speculation.h"

namespace hadal {
namespace {

bool is_set(const std::atomic<bool>* flag) {
  return flag && flag->load(std::memory_order_relaxed);
}

// Samples and hands out until the answer is over.
Finish run(Speculation& ahead, const GenerateOptions& options, const TokenSink& sink,
           std::vector<int64_t>& ids) {
  const auto& ends = options.end_ids;
  while (true) {
    if (is_set(options.cancel)) return Finish::cancelled;
    TokenConstraint* const form = options.constraint;
    const Sample token = pick_token(ahead.logits(), options.sampler, ahead.length(),
                                    form ? form->allowed() : std::span<const uint64_t>());
    if (form) form->accept(token.id);
    ids.push_back(token.id);
    if (std::find(ends.begin(), ends.end(), token.id) != ends.end()) return Finish::end;
    if (sink(token) == Flow::stop) return Finish::stop;
    const int64_t count = static_cast<int64_t>(ids.size());
    if (count == options.max_tokens) return Finish::length;
    if (ahead.room() == 0) return Finish::context;
    // The last token is chosen, but not read.
    ahead.append(token.id, options.max_tokens > 0 ? options.max_tokens - count - 1
                                                  : std::numeric_limits<int64_t>::max());
  }
}

}  // namespace

std::string_view finish_name(Finish finish) {
  switch (finish) {
    case Finish::end:
      return "end";
    case Finish::stop:
      return "stop";
    case Finish::length:
      return "length";
    case Finish::context:
      return "context";
    case Finish::cancelled:
      return "cancelled";
  }
  return "unknown";
}

Generated generate(Session& session, const GenerateOptions& options, const TokenSink& sink) {
  CHECK(session.length() > 0, "nothing to continue from");
  const auto start = std::chrono::steady_clock::now();
  Generated answer;
  Speculation ahead(session, options.sampler, options.drafts);
  answer.finish = run(ahead, options, sink, answer.ids);
  ahead.settle();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  answer.seconds = passed.count();
  return answer;
}

}  // namespace hadal
