// SPDX-License-Identifier: MIT
// The loop of decoding: sample, hand out, read, again.
#include "engine/generator.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "engine/speculation.h"

namespace hadal {
namespace {

bool is_set(const std::atomic<bool>* flag) {
  return flag && flag->load(std::memory_order_relaxed);
}

// An answer that is being written.
class Writer {
 public:
  Writer(Session& session, const GenerateOptions& options, std::vector<int64_t>& ids)
      : session_(session),
        options_(options),
        ahead_(session, options.sampler, options.drafts),
        ids_(ids) {
    if (session.config().visual.drawn() && !options.constraint)
      spans_.emplace(session.config(), options.spans.limits);
  }

  // Chooses and hands out until the answer is over.
  Finish run(const TokenSink& sink);
  void settle() { ahead_.settle(); }

 private:
  int64_t left() const {  // ids that the answer may still have
    return options_.max_tokens > 0 ? options_.max_tokens - static_cast<int64_t>(ids_.size())
                                   : std::numeric_limits<int64_t>::max();
  }
  bool in_frame() const { return spans_ && spans_->wants_cell(); }
  Sample choose();
  void accept(int64_t id);
  void append(int64_t id);

  Session& session_;
  const GenerateOptions& options_;
  Speculation ahead_;
  std::optional<SpanGrammar> spans_;
  std::vector<int64_t>& ids_;
};

Sample Writer::choose() {
  if (in_frame())
    return session_.draw_cell({.temperature = options_.spans.temperature,
                               .top_k = options_.spans.top_k,
                               .seed = options_.sampler.seed});
  std::span<const uint64_t> allowed;
  if (options_.constraint) allowed = options_.constraint->allowed();
  if (spans_) allowed = spans_->allowed(std::min(left(), ahead_.room()));
  return pick_token(ahead_.logits(), options_.sampler, ahead_.length(), allowed);
}

void Writer::accept(int64_t id) {
  if (options_.constraint) options_.constraint->accept(id);
  if (spans_) spans_->accept(id);
}

// The last id is chosen, but not read.
void Writer::append(int64_t id) {
  if (in_frame())
    ahead_.append_before_cell(id);
  else
    ahead_.append(id, spans_ && spans_->in_span() ? 0 : left() - 1);
}

Finish Writer::run(const TokenSink& sink) {
  const auto& ends = options_.end_ids;
  while (true) {
    if (is_set(options_.cancel)) return Finish::cancelled;
    const Sample token = choose();
    accept(token.id);
    ids_.push_back(token.id);
    if (std::find(ends.begin(), ends.end(), token.id) != ends.end()) return Finish::end;
    if (sink(token) == Flow::stop) return Finish::stop;
    if (left() == 0) return Finish::length;
    if (ahead_.room() == 0) return Finish::context;
    append(token.id);
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
  Writer writer(session, options, answer.ids);
  answer.finish = writer.run(sink);
  writer.settle();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  answer.seconds = passed.count();
  return answer;
}

}  // namespace hadal
