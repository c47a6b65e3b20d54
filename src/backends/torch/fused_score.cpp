// SPDX-License-Identifier: MIT
// Indexer scores as one autograd node (see kernel_score.h).
#include "backends/torch/fused.h"

#include <vector>

#include "base/result.h"

namespace hadal {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

int64_t padded(int64_t count) {
  return (count + kGroup - 1) / kGroup * kGroup;
}

// The tokens' runs, and the rows of each run packed for the loops.
struct Packed {
  std::vector<ScoreRun> runs;
  std::vector<int64_t> places;  // of each token: packed rows before its run
  at::Tensor keys;
};

void pack_rows(const float* rows, int64_t count, int64_t width, float* packed) {
  for (int64_t j = 0; j < count; ++j)
    for (int64_t i = 0; i < width; ++i)
      packed[(j / kGroup * width + i) * kGroup + j % kGroup] = rows[j * width + i];
}

Packed pack(const at::Tensor& keys_RK, const at::Tensor& first_T, const at::Tensor& count_T) {
  const int64_t tokens = first_T.numel(), width = keys_RK.size(1);
  const int64_t* firsts = first_T.data_ptr<int64_t>();
  const int64_t* counts = count_T.data_ptr<int64_t>();
  Packed packed;
  int64_t rows = 0;
  for (int64_t t = 0, end = 0; t < tokens; t = end) {
    int64_t seen = 0;
    for (end = t; end < tokens && firsts[end] == firsts[t]; ++end)
      seen = std::max(seen, counts[end]);
    CHECK(seen == 0 || firsts[t] + seen <= keys_RK.size(0));
    packed.runs.push_back({t, end, firsts[t], seen});
    packed.places.insert(packed.places.end(), static_cast<size_t>(end - t), rows);
    rows += padded(seen);
  }
  packed.keys = at::zeros({rows, width}, keys_RK.options());
  for (const ScoreRun& run : packed.runs)
    if (run.rows > 0)
      pack_rows(floats(keys_RK) + run.first_row * width, run.rows, width,
                floats(packed.keys) + packed.places[static_cast<size_t>(run.first_token)] * width);
  return packed;
}

struct Score : Function<Score> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& q, const at::Tensor& w,
                            const at::Tensor& rows, const at::Tensor& first,
                            const at::Tensor& count, double scale) {
    const int64_t tokens = q.size(0);
    const int64_t entries = tokens == 0 ? 1 : std::max<int64_t>(1, count.max().item<int64_t>());
    const at::Tensor out = at::empty({tokens, entries}, q.options());
    const Packed packed = pack(rows, first, count);
    ScoreArgs args = arguments({q, w, rows, first, count}, packed, scale);
    args.out = floats(out);
    args.entries = entries;
    over_rows(tokens, entries * args.heads * args.width / 16,
              [&](int64_t from, int64_t to) { kernels().score(args, from, to); });
    context->save_for_backward({q, w, rows, first, count});
    context->saved_data["scale"] = scale;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor gradient = gradients[0].contiguous();
    const Packed packed = pack(saved[2], saved[3], saved[4]);
    ScoreArgs args = arguments(saved, packed, context->saved_data["scale"].toDouble());
    args.gradient = floats(gradient);
    args.entries = gradient.size(1);
    args.padded = padded(args.entries);
    const at::Tensor of_q = at::empty_like(saved[0]), of_w = at::empty_like(saved[1]);
    const at::Tensor of_rows = at::zeros_like(saved[2]);
    const at::Tensor products =
        at::empty({saved[0].size(0), args.heads, args.padded}, gradient.options());
    args.q_gradient = floats(of_q);
    args.weight_gradient = floats(of_w);
    args.rows_gradient = floats(of_rows);
    args.product_gradients = floats(products);
    over_rows(saved[0].size(0), args.entries * args.heads * args.width / 8,
              [&](int64_t from, int64_t to) { kernels().score_back(args, from, to); });
    for (const ScoreRun& run : packed.runs) keys_back(args, run);
    const at::Tensor none;
    return {of_q, of_w, of_rows, none, none, none};
  }

  // Runs after each other, as they may see the same rows; the rows of a run side by side.
  static void keys_back(const ScoreArgs& args, const ScoreRun& run) {
    const int64_t blocks = padded(run.rows) / kGroup;
    over_rows(blocks, (run.last_token - run.first_token) * args.heads * args.width,
              [&](int64_t from, int64_t to) {
                kernels().score_keys_back(args, run, from * kGroup,
                                          std::min(to * kGroup, run.rows));
              });
  }

  static ScoreArgs arguments(const variable_list& inputs, const Packed& packed, double scale) {
    ScoreArgs args{};
    args.q = floats(inputs[0]);
    args.weights = floats(inputs[1]);
    args.rows = floats(inputs[2]);
    args.keys = floats(packed.keys);
    args.firsts = inputs[3].data_ptr<int64_t>();
    args.counts = inputs[4].data_ptr<int64_t>();
    args.places = packed.places.data();
    args.heads = inputs[0].size(1);
    args.width = inputs[0].size(2);
    args.scale = static_cast<float>(scale);
    return args;
  }
};

}  // namespace

at::Tensor fused_score(const at::Tensor& q_THK, const at::Tensor& w_TH, const at::Tensor& keys_RK,
                       const at::Tensor& first_T, const at::Tensor& count_T, double scale) {
  return Score::apply(q_THK.contiguous(), w_TH.contiguous(), keys_RK.contiguous(),
                      first_T.contiguous(), count_T.contiguous(), scale);
}

}  // namespace hadal
