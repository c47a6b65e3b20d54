// SPDX-License-Identifier: MIT
// The class behind make_torch_ops(): one method a verb, in files by family (dense.cpp, rows.cpp,
// experts.cpp, streams.cpp, pictures.cpp).  Inside, an argument ends in _ until it has become an
// at::Tensor.
#pragma once

#include <string>
#include <vector>

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"

namespace hadal {

class TorchOps final : public Ops {
 public:
  TorchOps(at::Device device, const TorchOptions& options);
  std::string_view name() const override { return "torch"; }

  Weight prepare(const Weight& weight) override;
  Tensor prepare(const Tensor& tensor) override;
  Tensor to_host(const Tensor& tensor) override;
  Tensor make_pool(int64_t rows, int64_t width) override;

  Tensor embed(const Weight& table_VD, const Tensor& ids) override;
  Tensor linear(const Tensor& x, const Weight& w_OI) override;
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
  Tensor take_rows(const Tensor& x, const Tensor& ids_N) override;
  Tensor detach(const Tensor& x) override;

  void write_rows(Tensor& pool_RK, const Tensor& ids_T, const Tensor& rows_TK) override;
  Tensor blend(const Tensor& values_R, const Tensor& scores_R, const Tensor& ids_GN,
               int64_t width) override;
  Tensor score(const Tensor& q_THK, const Tensor& w_TH, const Pool& keys_RK, const Tensor& first_T,
               const Tensor& count_T, float scale) override;
  Tensor candidates(const Tensor& scores_TN, const Tensor& count_T, int64_t block,
                    int64_t keep) override;
  Tensor mask_scores(const Tensor& scores_TN, const Tensor& kept_TB, int64_t block) override;
  Tensor pick(const Tensor& scores_TN, const Tensor& first_T, int64_t limit) override;
  Tensor attend(const Tensor& q_THK, const Sight& window, const Sight& compressed,
                const Tensor& sink_H, float scale) override;

  Routes route(const Tensor& logits_TE, const Tensor& bias, const RouterOptions& options) override;
  Routes route_by_table(const Tensor& logits_TE, const Tensor& table_Vk, const Tensor& ids_T,
                        const RouterOptions& options) override;
  Tensor experts(const Tensor& x_TD, const Routes& routes, const ExpertWeights& weights,
                 float limit, RowFormat hidden) override;

  Tensor spread(const Tensor& x_TD, int64_t streams) override;
  Mix mix(const Tensor& x_TSD, const MixWeights& weights, const MixOptions& options) override;
  Tensor mix_head(const Tensor& x_TSD, const MixWeights& weights,
                  const MixOptions& options) override;
  Tensor narrow(const Tensor& x_TSD, const Tensor& pre_TS) override;
  Tensor widen(const Tensor& y_TD, const Tensor& x_TSD, const Tensor& post_TS,
               const Tensor& comb_TSS) override;
  Tensor engram(const Tensor& x_TSD, const Tensor& kv, const Tensor& q_weight_SD,
                const Tensor& k_weight_SD, const Tensor& dead_T, float epsilon) override;

  Tensor convolve(const Tensor& x_FYXC, const Weight& w, const Tensor& bias_O) override;
  Tensor space_to_depth(const Tensor& x_FYXC, int64_t block) override;
  Tensor depth_to_space(const Tensor& x_FYXC, int64_t block) override;
  Tensor squash(const Tensor& x, int64_t levels) override;
  Tensor attend_all(const Tensor& q_THK, const Tensor& keys_RHK, const Tensor& values_RHK,
                    const Tensor& first_T, const Tensor& count_T, float scale) override;

 private:
  // [T, width/2], in the precision of the back end.
  at::Tensor angles(const Tensor& positions, const RopeTable& table) const;
  at::Tensor real(const Tensor& tensor) const;       // floats on the device, in its precision
  at::Tensor ints(const Tensor& tensor) const;       // i64 on the device
  at::Tensor host_ints(const Tensor& tensor) const;  // i64 in host memory
  at::Tensor matrix(const Weight& weight) const;     // [O, I], dequantised

  at::Device device_;
  at::ScalarType precision_;
  bool fused_;
};

}  // namespace hadal
