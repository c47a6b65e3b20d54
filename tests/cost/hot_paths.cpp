// SPDX-License-Identifier: MIT
// Runs one hot path, for tests/cost/check.sh to count its instructions.
//
//   hot_paths NAME      without a name: the names
//
// Only what happens inside measured_region() is counted.  One thread, the same input each time;
// under callgrind the machine seems to have AVX2 and no more.
#include <cstdio>
#include <functional>
#include <memory>
#include <string_view>

#include "backends/cpu/cpu_ops.h"
#include "base/random.h"
#include "model/model.h"
#include "ops/ops.h"

// The name that callgrind is told; it must stay a function of its own.
extern "C" __attribute__((noinline)) void measured_region(const std::function<void()>& work) {
  work();
  asm volatile("" ::: "memory");
}

namespace hadal {
namespace {

Tensor floats(Shape shape, uint64_t seed) {
  Tensor tensor = Tensor::empty(DType::f32, std::move(shape));
  Random random(seed);
  for (int64_t i = 0; i < tensor.count(); ++i)
    tensor.data<float>()[i] = static_cast<float>(random.normal());
  return tensor;
}

Tensor bytes_of(DType type, Shape shape, uint64_t seed) {
  Tensor tensor = Tensor::empty(type, std::move(shape));
  Random random(seed);
  for (int64_t i = 0; i < tensor.bytes(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(random.next());
    tensor.raw()[i] = (byte & 0x7f) == 0x7f ? 0 : byte;  // no NaN among E4M3 codes
  }
  return tensor;
}

Weight quantised(bool fp4, int64_t outputs, int64_t inputs, uint64_t seed) {
  Weight w;
  w.values = bytes_of(fp4 ? DType::i8 : DType::f8_e4m3, {outputs, fp4 ? inputs / 2 : inputs}, seed);
  w.block_rows = fp4 ? 1 : 128;
  w.block_columns = fp4 ? 32 : 128;
  w.scales = Tensor::empty(DType::f8_e8m0,
                           {(outputs + w.block_rows - 1) / w.block_rows, inputs / w.block_columns});
  for (int64_t i = 0; i < w.scales.bytes(); ++i) w.scales.raw()[i] = 118;
  return w;
}

Tensor ids_below(Shape shape, int64_t rows, uint64_t seed) {
  Tensor ids = Tensor::empty(DType::i64, std::move(shape));
  Random random(seed);
  for (int64_t i = 0; i < ids.count(); ++i) ids.data<int64_t>()[i] = random.below(rows);
  return ids;
}

void one_row_meets_fp4(Ops& ops) {
  const Weight w = ops.prepare(quantised(true, 1024, 1024, 1));
  const Tensor x = ops.round_to(floats({1, 1024}, 2), RowFormat::fp8_32, 0);
  measured_region([&] { ops.linear(x, w); });
}

void rows_meet_fp8(Ops& ops) {
  const Weight w = ops.prepare(quantised(false, 512, 512, 3));
  const Tensor x = ops.round_to(floats({48, 512}, 4), RowFormat::fp8_32, 0);
  measured_region([&] { ops.linear(x, w); });
}

void experts(Ops& ops) {
  ExpertWeights weights;
  for (uint64_t e = 0; e < 16; ++e) {
    weights.gate.push_back(ops.prepare(quantised(true, 128, 256, 10 + e)));
    weights.up.push_back(ops.prepare(quantised(true, 128, 256, 30 + e)));
    weights.down.push_back(ops.prepare(quantised(true, 256, 128, 50 + e)));
  }
  RouterOptions options;
  options.experts_per_token = 2;
  const Tensor x = ops.round_to(floats({24, 256}, 5), RowFormat::fp8_32, 0);
  const Tensor logits = floats({24, 16}, 6);
  measured_region(
      [&] { ops.experts(x, ops.route(logits, {}, options), weights, 10, RowFormat::fp8_32); });
}

void attention(Ops& ops) {
  const Tensor q = floats({4, 8, 128}, 7), sink = floats({8}, 8);
  const Sight window{floats({64, 128}, 9), ids_below({4, 64}, 64, 10)};
  const Sight compressed{floats({1024, 128}, 11), ids_below({4, 512}, 1024, 12)};
  measured_region([&] { ops.attend(q, window, compressed, sink, 0.1f); });
}

void decode_step(Ops& ops) {
  Result<std::unique_ptr<Model>> model =
      Model::open(std::string(HADAL_TESTS_DIR) + "/goldens/v4-tiny-fp8", ops, {}, {});
  CHECK(model, "v4-tiny-fp8 does not open");
  Cache cache((*model)->config(), ops, {.slots = 1, .max_positions = 512, .max_chunk = 128});
  Batch prompt;
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 128; ++i) ids.push_back(3 + i * 37 % 250);
  prompt.append(0, 0, ids);
  prompt.wanted = {127};
  (*model)->forward(prompt, cache);
  Batch step;
  step.append(0, 128, {17});
  step.wanted = {0};
  measured_region([&] { (*model)->forward(step, cache); });
}

struct HotPath {
  std::string_view name;
  void (*run)(Ops& ops);
};
constexpr HotPath kPaths[] = {{"one_row_meets_fp4", one_row_meets_fp4},
                              {"rows_meet_fp8", rows_meet_fp8},
                              {"experts", experts},
                              {"attention", attention},
                              {"decode_step", decode_step}};

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  const std::unique_ptr<hadal::Ops> ops = hadal::make_cpu_ops({.threads = 1});
  for (const hadal::HotPath& path : hadal::kPaths) {
    if (argc < 2) std::printf("%s\n", std::string(path.name).c_str());
    if (argc == 2 && path.name == argv[1]) {
      path.run(*ops);
      return 0;
    }
  }
  return argc < 2 ? 0 : 2;
}
