// SPDX-License-Identifier: MIT
// Comparing: tensors by relative L2, choices as sets.
#include "tools/golden_comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace hadal {
namespace {

int64_t id_at(const Tensor& ids, int64_t i) {
  return ids.dtype() == DType::i32 ? ids.data<int32_t>()[i] : ids.data<int64_t>()[i];
}

std::set<int64_t> row_set(const Tensor& ids, int64_t row, int64_t shift) {
  std::set<int64_t> set;
  for (int64_t n = 0; n < ids.size(1); ++n) {
    const int64_t id = id_at(ids, row * ids.size(1) + n);
    if (id >= shift) set.insert(id - shift);
  }
  return set;
}

void note(GoldenPart& part, double deviation, const std::string& name, int64_t index) {
  if (!(deviation > part.worst) && !part.tensor.empty()) return;
  part.worst = deviation;
  part.tensor = name;
  part.index = index;
}

// The unbiased scores of §4.1, with every expert's.
double score_of(double logit, Scoring scoring) {
  if (scoring == Scoring::sigmoid) return 1 / (1 + std::exp(-logit));
  return std::sqrt(logit > 30 ? logit : std::log1p(std::exp(logit)));
}

}  // namespace

void Comparison::start(const std::string& prefix, int64_t tokens) {
  prefix_ = prefix;
  tokens_ = tokens;
  active_ = true;
  streams_TSD_ = memory_ = {};
}

void Comparison::tensor(int64_t layer, std::string_view name, const Tensor& value) {
  if (!active_) return;
  const std::string part(name);
  const std::string where =
      layer < 0 || part == "final_norm" ? part : "layers." + std::to_string(layer) + "." + part;
  if (part == "attn.topk_idxs" || part == "ffn.gate.indices")
    compare_sets(part, where, ops_.to_host(value));
  else if (part == "attn.indexer.candidates")
    compare_candidates(layer, where, ops_.to_host(value));
  else if (part == "engram.memory")
    memory_ = ops_.to_host(value);
  else if (part != "ffn.gate.weights")  // in the order of choice: see routed()
    compare(part, where, value);
  if (part == "engram.out") compare_gates("layers." + std::to_string(layer), ops_.to_host(value));
  if (part == "out") streams_TSD_ = value;
}

void Comparison::routed(int64_t layer, const Tensor& logits_TE, const Routes& routes) {
  if (!active_ || config_.scoring == Scoring::softmax) return;
  const std::string where = "layers." + std::to_string(layer) + ".ffn.gate.";
  const Tensor logits = ops_.to_host(logits_TE);
  Tensor scores = Tensor::empty(DType::f32, logits.shape());
  for (int64_t i = 0; i < logits.count(); ++i)
    scores.data<float>()[i] = static_cast<float>(
        score_of(logits.data<float>()[i] / config_.gate_temperature, config_.scoring));
  compare("ffn.gate.scores", where + "scores", scores);
  compare_weights(where, {ops_.to_host(routes.ids_TN), ops_.to_host(routes.weights_TN)});
}

void Comparison::compare(const std::string& part, const std::string& where, const Tensor& value) {
  const std::string name = prefix_ + where;
  const Tensor* expected = expected_.find(name);
  if (!expected || value.count() == 0) return;
  const Tensor found = ops_.to_host(value);
  GoldenPart& result = report_.parts[part];
  ++result.compared;
  ++report_.compared;
  if (found.count() != expected->count()) {
    note(result, std::numeric_limits<double>::infinity(), name, 0);
  } else if (expected->dtype() == DType::f32) {
    compare_floats(result, name, found, *expected);
  } else {
    for (int64_t i = 0; i < found.count(); ++i)
      if (id_at(found, i) != id_at(*expected, i)) wrong_id(name, i);
  }
}

void Comparison::compare_ids(const std::string& name, const std::vector<int64_t>& found,
                             const Tensor& expected) {
  ++report_.compared;
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i] != id_at(expected, static_cast<int64_t>(i)))
      wrong_id(name, static_cast<int64_t>(i));
}

void Comparison::compare_floats(GoldenPart& result, const std::string& name, const Tensor& found,
                                const Tensor& expected) {
  double difference = 0, size = 0, furthest = -1;
  int64_t worst = 0;
  for (int64_t i = 0; i < found.count(); ++i) {
    const double a = found.data<float>()[i], b = expected.data<float>()[i];
    const bool same_infinity = std::isinf(a) && a == b;
    const double off = same_infinity ? 0 : std::isfinite(a - b) ? std::fabs(a - b) : HUGE_VAL;
    difference += off * off;
    if (!same_infinity) size += b * b;
    if (off > furthest) {
      furthest = off;
      worst = i;
    }
  }
  note(result, size > 0 ? std::sqrt(difference / size) : std::sqrt(difference), name, worst);
}

// Rows chosen by the indexer, or experts: as sets.  Expected rows count the raw tokens first.
void Comparison::compare_sets(const std::string& part, const std::string& where,
                              const Tensor& found) {
  const std::string name = prefix_ + where;
  const Tensor* expected = expected_.find(name);
  if (!expected || found.rank() != 2 || expected->size(0) != found.size(0)) return;
  const int64_t shift = part == "attn.topk_idxs" ? tokens_ : 0;
  ++report_.compared;
  for (int64_t t = 0; t < found.size(0); ++t)
    if (row_set(found, t, 0) != row_set(*expected, t, shift)) wrong_id(name, t);
}

// In the order of the expected ids; an expert that was not chosen counts as weight 0.
void Comparison::compare_weights(const std::string& where, const Routes& routes) {
  const Tensor* ids = expected_.find(prefix_ + where + "indices");
  if (!ids || ids->shape() != routes.ids_TN.shape()) return;
  const int64_t chosen = ids->size(1);
  Tensor weights = Tensor::zeros(DType::f32, ids->shape());
  for (int64_t i = 0; i < ids->count(); ++i)
    for (int64_t n = i / chosen * chosen; n < (i / chosen + 1) * chosen; ++n)
      if (id_at(routes.ids_TN, n) == id_at(*ids, i))
        weights.data<float>()[i] = routes.weights_TN.data<float>()[n];
  compare("ffn.gate.weights", where + "weights", weights);
}

// Expected is a mark for every entry; what a token does not see has none to compare.
void Comparison::compare_candidates(int64_t layer, const std::string& where,
                                    const Tensor& kept_TB) {
  const std::string name = prefix_ + where;
  const Tensor* expected = expected_.find(name);
  if (!expected || expected->rank() != 2 || expected->size(0) != kept_TB.size(0)) return;
  ++report_.compared;
  const int64_t entries = expected->size(1), blocks = kept_TB.size(1);
  for (int64_t t = 0; t < expected->size(0); ++t)
    for (int64_t j = 0; j < std::min(entries, (t + 1) / config_.ratio(layer)); ++j) {
      const bool kept = kept_TB.raw()[t * blocks + j / config_.candidate_block_size] != 0;
      if (kept != (expected->raw()[t * entries + j] != 0)) wrong_id(name, t * entries + j);
    }
}

// What Engram added to each stream, in units of its value.
void Comparison::compare_gates(const std::string& where, const Tensor& out_TSD) {
  if (!streams_TSD_.defined() || !memory_.defined()) return;
  const Tensor before = ops_.to_host(streams_TSD_);
  if (before.shape() != out_TSD.shape()) return;
  const int64_t streams = out_TSD.size(1), width = out_TSD.size(2);
  Tensor gates = Tensor::zeros(DType::f32, {out_TSD.size(0), streams});
  for (int64_t i = 0; i < gates.count(); ++i) {
    const float* value = memory_.data<float>() + (i / streams * (streams + 1) + streams) * width;
    double along = 0, size = 0;
    for (int64_t d = 0; d < width; ++d) {
      const double added = static_cast<double>(out_TSD.data<float>()[i * width + d]) -
                           static_cast<double>(before.data<float>()[i * width + d]);
      along += added * static_cast<double>(value[d]);
      size += static_cast<double>(value[d]) * static_cast<double>(value[d]);
    }
    if (size > 0) gates.data<float>()[i] = static_cast<float>(along / size);
  }
  compare("engram.gate", where + ".engram.gate", gates);
}

void Comparison::wrong_id(const std::string& name, int64_t index) {
  if (report_.wrong_ids++ == 0) report_.first_wrong_id = name + "[" + std::to_string(index) + "]";
}

}  // namespace hadal
