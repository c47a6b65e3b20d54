// SPDX-License-Identifier: MIT
// TimedOps: a back end that hands every verb on to another one and keeps the time.
//
//   TimedOps timed(*ops);
//   model runs on `timed`
//   for (const auto& [verb, spent] : timed.spent()) ...
//
// Products are told apart by the shape and format of their weight.  One thread at a time.
#pragma once

#include <map>
#include <string>
#include <tuple>

#include "ops/ops.h"

namespace hadal {

struct VerbTime {
  int64_t calls = 0;
  double seconds = 0;
};

class TimedOps final : public Ops {
 public:
  explicit TimedOps(Ops& ops) : ops_(ops) {}

  // By verb, "linear fp8 512x2048" for products; since the last clear().
  std::map<std::string, VerbTime> spent() const;
  void clear() { spent_.clear(); }

  std::string_view name() const override { return ops_.name(); }
  Weight prepare(const Weight& weight) override { return ops_.prepare(weight); }
  Tensor prepare(const Tensor& tensor) override { return ops_.prepare(tensor); }
  Tensor to_host(const Tensor& tensor) override { return ops_.to_host(tensor); }
  Tensor make_pool(int64_t rows, int64_t width) override { return ops_.make_pool(rows, width); }
  bool packs(RowFormat format) const override { return ops_.packs(format); }

  Tensor embed(const Weight& table, const Tensor& ids) override;
  Tensor linear(const Tensor& x, const Weight& w) override;
  Tensor linear_grouped(const Tensor& x, const Weight& w, int64_t groups) override;
  Tensor rms_norm(const Tensor& x, const Tensor& weight, float epsilon) override;
  Tensor rope(const Tensor& x, const Tensor& positions, const RopeTable& table, Turn turn) override;
  Tensor swiglu(const Tensor& gate, const Tensor& up, float limit) override;
  Tensor hadamard(const Tensor& x) override;
  Tensor round_to(const Tensor& x, RowFormat format, int64_t tail) override;
  Tensor add(const Tensor& a, const Tensor& b) override;
  Tensor add_row(const Tensor& x, const Tensor& row) override;
  Tensor silu(const Tensor& x) override;
  Tensor gelu(const Tensor& x) override;
  Tensor take_rows(const Tensor& x, const Tensor& ids) override;
  void write_rows(Tensor& pool, const Tensor& ids, const Tensor& rows) override;
  void keep_rows(Pool& pool, const Tensor& ids, const Tensor& rows) override;
  Tensor blend(const Tensor& values, const Tensor& scores, const Tensor& ids,
               int64_t width) override;
  Tensor score(const Tensor& q, const Tensor& w, const Pool& keys, const Tensor& first,
               const Tensor& count, float scale) override;
  Tensor candidates(const Tensor& scores, const Tensor& count, int64_t block,
                    int64_t keep) override;
  Tensor mask_scores(const Tensor& scores, const Tensor& kept, int64_t block) override;
  Tensor pick(const Tensor& scores, const Tensor& first, int64_t limit) override;
  IndexChoice choose_entries(const IndexQuery& query, const Pool& keys) override;
  Tensor attend(const Tensor& q, const Sight& window, const Sight& compressed, const Tensor& sink,
                float scale) override;
  Routes route(const Tensor& logits, const Tensor& bias, const RouterOptions& options) override;
  Routes route_by_table(const Tensor& logits, const Tensor& table, const Tensor& ids,
                        const RouterOptions& options) override;
  Tensor experts(const Tensor& x, const Routes& routes, const ExpertWeights& weights, float limit,
                 RowFormat hidden) override;
  Tensor spread(const Tensor& x, int64_t streams) override;
  Mix mix(const Tensor& x, const MixWeights& weights, const MixOptions& options) override;
  Tensor mix_head(const Tensor& x, const MixWeights& weights, const MixOptions& options) override;
  Tensor narrow(const Tensor& x, const Tensor& pre) override;
  Tensor widen(const Tensor& y, const Tensor& x, const Tensor& post, const Tensor& comb) override;
  Tensor engram(const Tensor& x, const Tensor& kv, const Tensor& q_weight, const Tensor& k_weight,
                const Tensor& dead, float epsilon) override;
  Tensor convolve(const Tensor& x, const Weight& w, const Tensor& bias) override;
  Tensor space_to_depth(const Tensor& x, int64_t block) override;
  Tensor depth_to_space(const Tensor& x, int64_t block) override;
  Tensor squash(const Tensor& x, int64_t levels) override;
  Tensor attend_all(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& first,
                    const Tensor& count, float scale) override;

 private:
  // A verb, and of a product its weight's type, outputs and inputs (0 for verbs without one).
  using Key = std::tuple<std::string_view, DType, int64_t, int64_t>;

  template <typename Work>
  auto timed(const Key& key, const Work& work);
  template <typename Work>
  auto timed(std::string_view verb, const Work& work) {
    return timed(Key{verb, DType::f32, 0, 0}, work);
  }

  Ops& ops_;
  std::map<Key, VerbTime> spent_;
};

}  // namespace hadal
