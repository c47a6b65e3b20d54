// SPDX-License-Identifier: MIT
// Times of the verbs, forward and backward, at the shapes of a small training step:
//
//   OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
//   torch_tests --gtest_also_run_disabled_tests --gtest_filter='TorchTimes.*'
//
// One line a verb: ATen alone, then with fused loops, in milliseconds of one core; the best of
// several runs.
#include <cstdio>
#include <ctime>

#include <gtest/gtest.h>

#include "backends/torch/torch_ops.h"
#include "backends/torch/torch_tensor.h"
#include "cases.h"

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

constexpr int64_t kTokens = 4096, kDocument = 512, kWidth = 256, kStreams = 4, kHeads = 4;
constexpr int64_t kHeadWidth = 64, kWindow = 64, kExperts = 16, kInner = 128, kVocabulary = 8192;

int64_t start_of(int64_t token) {
  return token / kDocument * kDocument;
}

Tensor window_ids() {
  Tensor ids = Tensor::zeros(DType::i64, {kTokens, kWindow});
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t n = 0; n < kWindow; ++n) {
      const int64_t row = t - kWindow + 1 + n;
      ids.data<int64_t>()[t * kWindow + n] = row < start_of(t) ? -1 : row;
    }
  return ids;
}

// Entries of four tokens each, as they are completed.
Tensor far_ids() {
  const int64_t limit = kDocument / 4;
  Tensor ids = Tensor::zeros(DType::i64, {kTokens, limit});
  for (int64_t t = 0; t < kTokens; ++t)
    for (int64_t n = 0; n < limit; ++n)
      ids.data<int64_t>()[t * limit + n] = n < (t - start_of(t) + 1) / 4 ? start_of(t) / 4 + n : -1;
  return ids;
}

Weight plain(const Tensor& values) {
  return Weight{values, {}, 1, 1};
}

std::vector<Case> attention_times(Numbers& numbers) {
  const Tensor window = window_ids(), far = far_ids(), positions = numbers.ids({kTokens}, 512);
  const RopeTable rope{numbers.floats({16}), 32};
  const Tensor q = numbers.floats({kTokens, kHeads, kHeadWidth});
  const Tensor rows = numbers.floats({kTokens, kHeadWidth});
  const Tensor entries = numbers.floats({kTokens / 4, kHeadWidth});
  const Tensor sink = numbers.floats({kHeads}), scores = numbers.floats({kTokens, kHeads});
  Tensor first = Tensor::zeros(DType::i64, {kTokens}), count = first.reshaped({kTokens});
  count = Tensor::zeros(DType::i64, {kTokens});
  Tensor groups = Tensor::zeros(DType::i64, {kTokens / 4, 4});
  Tensor all = Tensor::zeros(DType::i64, {kTokens});
  for (int64_t t = 0; t < kTokens; ++t) {
    first.data<int64_t>()[t] = start_of(t) / 4;
    count.data<int64_t>()[t] = (t - start_of(t) + 1) / 4;
    groups.data<int64_t>()[t] = all.data<int64_t>()[t] = t;
  }
  return {
      {"attend window",
       {q, rows, sink},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.attend(in[0], {in[1], window}, {}, in[2], 0.125f)};
       }},
      {"attend both",
       {q, rows, entries, sink},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.attend(in[0], {in[1], window}, {in[2], far}, in[3], 0.125f)};
       }},
      {"rope of heads",
       {q},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.rope(in[0], positions, rope, Turn::forward)};
       }},
      {"write_rows",
       {rows},
       [=](Ops& ops, const Inputs& in) {
         Tensor pool = ops.make_pool(kTokens + 64, kHeadWidth);
         ops.write_rows(pool, all, in[0]);
         return Inputs{pool};
       }},
      {"blend",
       {rows, rows},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.blend(in[0], in[1], groups, kHeadWidth)};
       }},
      {"score",
       {q, scores, entries},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.score(in[0], in[1], in[2], first, count, 0.1f)};
       }},
      {"score and pick",
       {q, scores, entries},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.pick(ops.score(in[0], in[1], in[2], first, count, 0.1f), first, 64)};
       }},
  };
}

std::vector<Case> dense_times(Numbers& numbers) {
  const Tensor x = numbers.floats({kTokens, kWidth}), ids = numbers.ids({kTokens}, kVocabulary);
  const Tensor many = numbers.ids({kTokens, 8}, kVocabulary);
  const Tensor heads = numbers.floats({kTokens, kHeads, kHeadWidth});
  const Tensor inner = numbers.floats({kTokens, 2 * kInner});
  return {
      {"embed",
       {numbers.floats({kVocabulary, kWidth})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.embed(plain(in[0]), ids)}; }},
      {"embed n-grams",
       {numbers.floats({kVocabulary, 32})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.embed(plain(in[0]), many)}; }},
      {"linear 256x256",
       {x, numbers.floats({kWidth, kWidth})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.linear(in[0], plain(in[1]))}; }},
      {"linear vocabulary",
       {x, numbers.floats({kVocabulary, kWidth})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.linear(in[0], plain(in[1]))}; }},
      {"linear_grouped",
       {heads, numbers.floats({kWidth, 2 * kHeadWidth})},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.linear_grouped(in[0], plain(in[1]), 2)};
       }},
      {"rms_norm",
       {x, numbers.floats({kWidth})},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.rms_norm(in[0], in[1], 1e-6f)}; }},
      {"rms_norm of heads",
       {heads},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.rms_norm(in[0], {}, 1e-6f)}; }},
      {"swiglu",
       {inner, inner},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.swiglu(in[0], in[1], 10)}; }},
      {"round_to fp8",
       {heads},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.round_to(in[0], RowFormat::fp8_32, 0)};
       }},
      {"hadamard",
       {heads},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.hadamard(in[0])}; }},
      {"add", {x, x}, [=](Ops& ops, const Inputs& in) { return Inputs{ops.add(in[0], in[1])}; }},
  };
}

std::vector<Case> stream_times(Numbers& numbers) {
  const Tensor x = numbers.floats({kTokens, kStreams, kWidth});
  const Tensor y = numbers.floats({kTokens, kWidth});
  const Tensor comb = numbers.floats({kTokens, kStreams, kStreams});
  const Tensor pre = numbers.floats({kTokens, kStreams});
  return {
      {"spread", {y}, [=](Ops& ops, const Inputs& in) { return Inputs{ops.spread(in[0], 4)}; }},
      {"mix",
       {x, numbers.floats({24, kStreams * kWidth}, 0.1f), numbers.floats({24}),
        numbers.floats({3})},
       [=](Ops& ops, const Inputs& in) {
         const Mix mix = ops.mix(in[0], {in[1], in[2], in[3]}, {});
         return Inputs{mix.pre_TS, mix.post_TS, mix.comb_TSS};
       }},
      {"narrow",
       {x, pre},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.narrow(in[0], in[1])}; }},
      {"widen",
       {y, x, pre, comb},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.widen(in[0], in[1], in[2], in[3])}; }},
      {"engram",
       {x, numbers.floats({kTokens, 5 * kWidth}), numbers.floats({4, kWidth}),
        numbers.floats({4, kWidth})},
       [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.engram(in[0], in[1], in[2], in[3], {}, 1e-20f)};
       }},
  };
}

std::vector<Case> expert_times(Numbers& numbers) {
  const RouterOptions router{.experts_per_token = 2};
  const Tensor logits = numbers.floats({kTokens, kExperts});
  Inputs inputs = {numbers.floats({kTokens, kWidth}), logits};
  for (int64_t e = 0; e < kExperts; ++e) {
    inputs.push_back(numbers.floats({kInner, kWidth}, 0.1f));
    inputs.push_back(numbers.floats({kInner, kWidth}, 0.1f));
    inputs.push_back(numbers.floats({kWidth, kInner}, 0.1f));
  }
  return {
      {"route",
       {logits},
       [=](Ops& ops, const Inputs& in) { return Inputs{ops.route(in[0], {}, router).weights_TN}; }},
      {"route and experts", inputs, [=](Ops& ops, const Inputs& in) {
         ExpertWeights weights;
         for (size_t i = 2; i < in.size(); i += 3) {
           weights.gate.push_back(plain(in[i]));
           weights.up.push_back(plain(in[i + 1]));
           weights.down.push_back(plain(in[i + 2]));
         }
         const Routes routes = ops.route(in[1], {}, router);
         return Inputs{ops.experts(in[0], routes, weights, 10, RowFormat::f32)};
       }}};
}

// The process's time on all cores: less noise than the clock on the wall where others work too.
double now_ms() {
  return static_cast<double>(std::clock()) * 1e3 / CLOCKS_PER_SEC;
}

struct Time {
  double forward_ms = 1e9, backward_ms = 1e9;
};

Time time_of(const Case& one, Ops& ops) {
  Inputs inputs;
  for (const Tensor& input : one.inputs)
    inputs.push_back(wrap(unwrap(input).clone().set_requires_grad(true)));
  Time best;
  for (int run = 0; run < 7; ++run) {
    const double start = now_ms();
    std::vector<at::Tensor> outputs, gradients;
    for (const Tensor& output : one.run(ops, inputs)) outputs.push_back(unwrap(output));
    const double middle = now_ms();
    best.forward_ms = std::min(best.forward_ms, middle - start);
    if (!outputs[0].requires_grad()) continue;
    for (const at::Tensor& output : outputs) gradients.push_back(at::ones_like(output));
    std::vector<at::Tensor> leaves;
    for (const Tensor& input : inputs) leaves.push_back(unwrap(input));
    const double before = now_ms();
    torch::autograd::grad(outputs, leaves, gradients, false, false, true);
    best.backward_ms = std::min(best.backward_ms, now_ms() - before);
  }
  if (best.backward_ms > 1e8) best.backward_ms = 0;
  return best;
}

TEST(TorchTimes, DISABLED_OfATrainingStep) {
  const std::unique_ptr<Ops> composed = make_torch_ops("cpu", {.fused = false}).take();
  const std::unique_ptr<Ops> fused = make_torch_ops("cpu").take();
  std::printf("%-22s %21s %21s\n", "ms, forward + backward", "ATen", "fused");
  for (auto family : {attention_times, dense_times, stream_times, expert_times}) {
    Numbers numbers(6);
    for (const Case& one : family(numbers)) {
      const Time a = time_of(one, *composed), b = time_of(one, *fused);
      std::printf("%-22s %9.2f + %9.2f %9.2f + %9.2f\n", one.name.c_str(), a.forward_ms,
                  a.backward_ms, b.forward_ms, b.backward_ms);
    }
  }
}

}  // namespace
}  // namespace hadal
