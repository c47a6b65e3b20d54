// SPDX-License-Identifier: MIT
// Shorter models, and random weights.
#include "tools/random_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/random.h"
#include "model/weights.h"

namespace hadal {
namespace {

// V4: the first layers, which alternate.
Status shorten_v4(ModelConfig& config, int64_t layers) {
  const std::vector<int64_t> all = config.compress_ratios;
  config.compress_ratios.assign(all.begin(), all.begin() + layers);
  for (int64_t ratio : {4, 128})
    if (std::find(config.compress_ratios.begin(), config.compress_ratios.end(), ratio) ==
        config.compress_ratios.end())
      return fail("--layers ", layers, " has no layer of ratio ", ratio);
  config.hash_layers = std::min(config.hash_layers, layers);
  return Ok{};
}

// V4.1: windows, then one source of ratio 2 and those that read it, then the source of ratio 1, one
// layer that chooses anew, and those that read both.  A third of the layers reads the first.
Status shorten_v41(ModelConfig& config, int64_t layers) {
  const int64_t windows = 2, first = windows + std::max<int64_t>(1, (layers - windows) / 3);
  if (layers < 6) return fail("--layers ", layers, ", expected at least 6 for every kind of layer");
  config.compress_ratios.assign(static_cast<size_t>(layers), 1);
  for (int64_t layer = 0; layer < first; ++layer)
    config.compress_ratios[static_cast<size_t>(layer)] = layer < windows ? 0 : 2;
  config.kv_sources = {windows, first};
  config.index_sources = {windows, first, first + (layers - first) / 2};
  config.candidate_source = first;
  return Ok{};
}

// Bytes whose numbers spread as 1/√inputs once they are scaled.
class Filler {
 public:
  Filler(const ModelConfig& config, const TensorSpec& spec)
      : config_(config), spec_(spec), random_(seed_for(1, spec.name)) {}

  Weight weight() {
    Weight weight;
    for (const StoredTensor& stored : stored_tensors(spec_, config_)) {
      Tensor tensor = Tensor::zeros(stored.dtype, stored.shape);
      if (stored.dtype == DType::f8_e8m0 && weight.values.defined()) {
        std::memset(tensor.raw(), scale_code(weight.packed_fp4()),
                    static_cast<size_t>(tensor.bytes()));
        weight.scales = tensor;
        weight.rounds_inputs = true;
      } else {
        fill(tensor);
        weight.values = tensor;
        weight.block_rows = stored.block_rows;
        weight.block_columns = stored.block_columns;
      }
    }
    return weight;
  }

 private:
  int64_t inputs() const { return std::max<int64_t>(1, spec_.shape.back()); }

  // Codes below spread by about 3 (E2M1) and 0.6 (E4M3).
  uint8_t scale_code(bool packed_fp4) const {
    const double spread = packed_fp4 ? 3.0 : 0.6;
    const double exponent = std::log2(1 / (spread * std::sqrt(static_cast<double>(inputs()))));
    return static_cast<uint8_t>(127 + static_cast<int>(std::lround(exponent)));
  }

  void fill(Tensor& tensor) {
    if (tensor.dtype() == DType::i64) {
      for (int64_t i = 0; i < tensor.count(); ++i)
        tensor.data<int64_t>()[i] = random_.below(config_.experts);
    } else if (tensor.dtype() == DType::f32 || tensor.dtype() == DType::bf16) {
      for (int64_t i = 0; i < tensor.count(); ++i) put(tensor, i);
    } else {
      // E4M3 without its upper exponents: no NaN among them.
      const uint64_t mask = tensor.dtype() == DType::f8_e4m3 ? 0xbfbfbfbfbfbfbfbf : ~uint64_t{0};
      for (int64_t at = 0; at < tensor.bytes(); at += 8) {
        const uint64_t eight = random_.next() & mask;
        std::memcpy(tensor.raw() + at, &eight,
                    static_cast<size_t>(std::min<int64_t>(8, tensor.bytes() - at)));
      }
    }
  }

  // Uniform numbers: four times as fast as normal ones, and as good here.
  void put(Tensor& tensor, int64_t i) {
    const double spread =
        spec_.shape.size() > 1 ? 1 / std::sqrt(static_cast<double>(inputs())) : 0.1;
    const double centre = spec_.initial == Initial::ones ? 1 : 0;
    const float value = static_cast<float>(centre + spread * 3.46 * (random_.uniform() - 0.5));
    if (tensor.dtype() == DType::f32) {
      tensor.data<float>()[i] = value;
      return;
    }
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    tensor.data<uint16_t>()[i] = static_cast<uint16_t>(bits >> 16);
  }

  const ModelConfig& config_;
  const TensorSpec& spec_;
  Random random_;
};

}  // namespace

Result<ModelConfig> shortened(const ModelConfig& config, const Shortening& shortening) {
  ModelConfig small = config;
  small.engram = {};
  small.draft = {};
  small.vision = {};
  small.visual = {};
  small.compress_ratios.resize(static_cast<size_t>(config.layers));
  if (shortening.experts > 0) small.experts = std::min(small.experts, shortening.experts);
  if (small.experts < small.experts_per_token)
    return fail("--experts is ", small.experts, ", a token chooses ", small.experts_per_token);
  const int64_t layers = shortening.layers;
  if (layers == 0 || layers >= config.layers) return small;
  TRY_STATUS(config.family == Family::v4 ? shorten_v4(small, layers) : shorten_v41(small, layers));
  small.layers = layers;
  small.vocab = std::max<int64_t>(256, config.vocab * layers / config.layers);
  small.image_id.reset();
  return small;
}

Result<std::unique_ptr<Model>> random_model(const ModelConfig& config, Ops& ops,
                                            const ModelOptions& options) {
  const auto source = [&](const TensorSpec& spec) -> Result<Weight> {
    return Filler(config, spec).weight();
  };
  return Model::create(config, source, ops, options, {});
}

int64_t random_active_bytes(const ModelConfig& config) {
  int64_t bytes = 0;
  for (const TensorSpec& spec : tensor_list(config)) {
    if (spec.part == Part::embedding || spec.expert >= config.experts_per_token) continue;
    if (spec.storing == Storing::table_i64) continue;
    for (const StoredTensor& stored : stored_tensors(spec, config)) {
      int64_t count = element_bytes(stored.dtype);
      for (int64_t size : stored.shape) count *= size;
      bytes += count;
    }
  }
  return bytes;
}

}  // namespace hadal
