// SPDX-License-Identifier: MIT
// Each verb between two looks at the clock.
#include "tools/timed_ops.h"

#include <chrono>

namespace hadal {
namespace {

using VerbClock = std::chrono::steady_clock;

// Adds the time until it goes out of scope.
class VerbWatch {
 public:
  explicit VerbWatch(VerbTime& into) : into_(into) {}
  ~VerbWatch() {
    into_.seconds += std::chrono::duration<double>(VerbClock::now() - start_).count();
    ++into_.calls;
  }
  VerbWatch(const VerbWatch&) = delete;
  VerbWatch& operator=(const VerbWatch&) = delete;

 private:
  VerbTime& into_;
  const VerbClock::time_point start_ = VerbClock::now();
};

}  // namespace

template <typename Work>
auto TimedOps::timed(const Key& key, const Work& work) {
  VerbTime& into = spent_[key];
  const VerbWatch watch(into);
  return work();
}

std::map<std::string, VerbTime> TimedOps::spent() const {
  std::map<std::string, VerbTime> named;
  for (const auto& [key, time] : spent_) {
    const auto& [verb, type, outputs, inputs] = key;
    std::string name(verb);
    if (outputs > 0)
      name += " " + std::string(type == DType::i8 ? "fp4" : dtype_name(type)) + " " +
              std::to_string(outputs) + "x" + std::to_string(inputs);
    named[name] = time;
  }
  return named;
}

Tensor TimedOps::embed(const Weight& table, const Tensor& ids) {
  return timed("embed", [&] { return ops_.embed(table, ids); });
}
Tensor TimedOps::linear(const Tensor& x, const Weight& w) {
  return timed(Key{"linear", w.values.dtype(), w.outputs(), w.inputs()},
               [&] { return ops_.linear(x, w); });
}
Tensor TimedOps::linear_grouped(const Tensor& x, const Weight& w, int64_t groups) {
  return timed(Key{"linear_grouped", w.values.dtype(), w.outputs(), w.inputs()},
               [&] { return ops_.linear_grouped(x, w, groups); });
}
Tensor TimedOps::rms_norm(const Tensor& x, const Tensor& weight, float epsilon) {
  return timed("rms_norm", [&] { return ops_.rms_norm(x, weight, epsilon); });
}
Tensor TimedOps::rope(const Tensor& x, const Tensor& positions, const RopeTable& table, Turn turn) {
  return timed("rope", [&] { return ops_.rope(x, positions, table, turn); });
}
Tensor TimedOps::swiglu(const Tensor& gate, const Tensor& up, float limit) {
  return timed("swiglu", [&] { return ops_.swiglu(gate, up, limit); });
}
Tensor TimedOps::hadamard(const Tensor& x) {
  return timed("hadamard", [&] { return ops_.hadamard(x); });
}
Tensor TimedOps::round_to(const Tensor& x, RowFormat format, int64_t tail) {
  return timed("round_to", [&] { return ops_.round_to(x, format, tail); });
}
Tensor TimedOps::add(const Tensor& a, const Tensor& b) {
  return timed("add", [&] { return ops_.add(a, b); });
}
Tensor TimedOps::add_row(const Tensor& x, const Tensor& row) {
  return timed("add_row", [&] { return ops_.add_row(x, row); });
}
Tensor TimedOps::silu(const Tensor& x) {
  return timed("silu", [&] { return ops_.silu(x); });
}
Tensor TimedOps::gelu(const Tensor& x) {
  return timed("gelu", [&] { return ops_.gelu(x); });
}
Tensor TimedOps::take_rows(const Tensor& x, const Tensor& ids) {
  return timed("take_rows", [&] { return ops_.take_rows(x, ids); });
}
void TimedOps::write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) {
  return timed("write_rows", [&] { return ops_.write_rows(pool, ids, rows); });
}
void TimedOps::keep_rows(Pool& pool, const Tensor& ids, const Tensor& rows) {
  return timed("keep_rows", [&] { return ops_.keep_rows(pool, ids, rows); });
}
Tensor TimedOps::blend(const Tensor& values, const Tensor& scores, const Tensor& ids,
                       int64_t width) {
  return timed("blend", [&] { return ops_.blend(values, scores, ids, width); });
}
Tensor TimedOps::score(const Tensor& q, const Tensor& w, const Pool& keys, const Tensor& first,
                       const Tensor& count, float scale) {
  return timed("score", [&] { return ops_.score(q, w, keys, first, count, scale); });
}
Tensor TimedOps::candidates(const Tensor& scores, const Tensor& count, int64_t block,
                            int64_t keep) {
  return timed("candidates", [&] { return ops_.candidates(scores, count, block, keep); });
}
Tensor TimedOps::mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) {
  return timed("mask_scores", [&] { return ops_.mask_scores(scores, kept, block); });
}
Tensor TimedOps::pick(const Tensor& scores, const Tensor& first, int64_t limit) {
  return timed("pick", [&] { return ops_.pick(scores, first, limit); });
}
IndexChoice TimedOps::choose_entries(const IndexQuery& query, const Pool& keys) {
  return timed("choose_entries", [&] { return ops_.choose_entries(query, keys); });
}
Tensor TimedOps::attend(const Tensor& q, const Sight& window, const Sight& compressed,
                        const Tensor& sink, float scale) {
  return timed("attend", [&] { return ops_.attend(q, window, compressed, sink, scale); });
}
Routes TimedOps::route(const Tensor& logits, const Tensor& bias, const RouterOptions& options) {
  return timed("route", [&] { return ops_.route(logits, bias, options); });
}
Routes TimedOps::route_by_table(const Tensor& logits, const Tensor& table, const Tensor& ids,
                                const RouterOptions& options) {
  return timed("route_by_table", [&] { return ops_.route_by_table(logits, table, ids, options); });
}
Tensor TimedOps::experts(const Tensor& x, const Routes& routes, const ExpertWeights& weights,
                         float limit, RowFormat hidden) {
  return timed("experts", [&] { return ops_.experts(x, routes, weights, limit, hidden); });
}
Tensor TimedOps::spread(const Tensor& x, int64_t streams) {
  return timed("spread", [&] { return ops_.spread(x, streams); });
}
Mix TimedOps::mix(const Tensor& x, const MixWeights& weights, const MixOptions& options) {
  return timed("mix", [&] { return ops_.mix(x, weights, options); });
}
Tensor TimedOps::mix_head(const Tensor& x, const MixWeights& weights, const MixOptions& options) {
  return timed("mix_head", [&] { return ops_.mix_head(x, weights, options); });
}
Tensor TimedOps::narrow(const Tensor& x, const Tensor& pre) {
  return timed("narrow", [&] { return ops_.narrow(x, pre); });
}
Tensor TimedOps::widen(const Tensor& y, const Tensor& x, const Tensor& post, const Tensor& comb) {
  return timed("widen", [&] { return ops_.widen(y, x, post, comb); });
}
Tensor TimedOps::engram(const Tensor& x, const Tensor& kv, const Tensor& q_weight,
                        const Tensor& k_weight, const Tensor& dead, float epsilon) {
  return timed("engram", [&] { return ops_.engram(x, kv, q_weight, k_weight, dead, epsilon); });
}
Tensor TimedOps::convolve(const Tensor& x, const Weight& w, const Tensor& bias) {
  return timed(Key{"convolve", w.values.dtype(), w.outputs(), w.inputs()},
               [&] { return ops_.convolve(x, w, bias); });
}
Tensor TimedOps::space_to_depth(const Tensor& x, int64_t block) {
  return timed("space_to_depth", [&] { return ops_.space_to_depth(x, block); });
}
Tensor TimedOps::depth_to_space(const Tensor& x, int64_t block) {
  return timed("depth_to_space", [&] { return ops_.depth_to_space(x, block); });
}
Tensor TimedOps::squash(const Tensor& x, int64_t levels) {
  return timed("squash", [&] { return ops_.squash(x, levels); });
}
Tensor TimedOps::attend_all(const Tensor& q, const Tensor& keys, const Tensor& values,
                            const Tensor& first, const Tensor& count, float scale) {
  return timed("attend_all", [&] { return ops_.attend_all(q, keys, values, first, count, scale); });
}

}  // namespace hadal
