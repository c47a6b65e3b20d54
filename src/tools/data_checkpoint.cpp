// SPDX-License-Identifier: MIT
// Tensors are drawn one after another.
#include "tools/data_checkpoint.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/number_formats.h"
#include "base/random.h"
#include "base/safetensors.h"
#include "model/checkpoint_writer.h"
#include "model/figures.h"
#include "model/recipe.h"
#include "model/weights.h"
#include "tools/open_model.h"

namespace hadal {

namespace {

struct CheckpointOptions {
  std::string config, out, tokenizer, recipe;
  uint64_t seed = 1;
};

// 256 places of the normal distribution, each as likely as the others: one random byte draws one.
using Quantiles = std::array<float, 256>;

Quantiles normal_quantiles() {
  Quantiles quantiles{};
  for (size_t i = 0; i < quantiles.size(); ++i) {
    // The place where the distribution reaches (i + 1/2) / 256, by halving.
    const double share = (static_cast<double>(i) + 0.5) / 256;
    double low = -8, high = 8;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (0.5 * std::erfc(-middle / std::sqrt(2.0)) < share ? low : high) = middle;
    }
    quantiles[i] = static_cast<float>(low);
  }
  return quantiles;
}

// The code of the power of two nearest to `size`.
uint8_t e8m0_near(double size) {
  return static_cast<uint8_t>(std::clamp(127 + std::lround(std::log2(size)), 1L, 254L));
}

class Drawer {
 public:
  Drawer(const ModelConfig& config, uint64_t seed)
      : config_(config), seed_(seed), normal_(normal_quantiles()) {}

  // The stored tensors of one weight.
  std::vector<NamedTensor> draw(const TensorSpec& spec) const {
    Random random(seed_for(seed_, spec.name));
    std::vector<NamedTensor> drawn;
    for (const StoredTensor& stored : stored_tensors(spec, config_)) {
      Tensor tensor = Tensor::zeros(stored.dtype, stored.shape);
      fill(spec, tensor, random);
      drawn.push_back({stored.name, tensor});
    }
    return drawn;
  }

 private:
  // Unit gain; what is looked up, as large as a row of activations.
  double deviation(const TensorSpec& spec) const {
    if (spec.part == Part::embedding || spec.part == Part::engram_table) return 1;
    return 1 / std::sqrt(static_cast<double>(spec.shape.back()));
  }

  void fill(const TensorSpec& spec, const Tensor& tensor, Random& random) const {
    constexpr double kE4m3Size = 112;   // a tile's largest of some thousands lies above 224
    constexpr double kE2m1Size = 2.93;  // of all codes alike
    switch (tensor.dtype()) {
      case DType::i8:
        return fill_bytes(tensor, random);
      case DType::f8_e4m3:
        return fill_from<uint8_t>(tensor, random,
                                  [](float v) { return float_to_e4m3(v * kE4m3Size); });
      case DType::f8_e8m0: {
        const bool packed = stored_tensors(spec, config_).front().dtype == DType::i8;
        const uint8_t near = e8m0_near(deviation(spec) / (packed ? kE2m1Size : kE4m3Size));
        return std::fill_n(tensor.raw(), tensor.bytes(), near), void();
      }
      case DType::bf16:
        return fill_from<uint16_t>(tensor, random,
                                   [&](float v) { return float_to_bf16(first_value(spec, v)); });
      case DType::i64:
        return fill_table(tensor, random);
      default:
        return fill_from<float>(tensor, random, [&](float v) { return first_value(spec, v); });
    }
  }

  float first_value(const TensorSpec& spec, float normal) const {
    switch (spec.initial) {
      case Initial::ones:
        return 1;
      case Initial::zeros:
        return 0;
      case Initial::hc_base:
        return 0;
      case Initial::hc_scale:
        return 0.1f;  // coefficients differ from token to token, and stay near the mean
      default:
        return static_cast<float>(deviation(spec)) * normal;
    }
  }

  static void fill_bytes(const Tensor& tensor, Random& random) {
    uint8_t* out = tensor.raw();
    for (int64_t at = 0; at < tensor.bytes(); at += 8) {
      const uint64_t bits = random.next();
      std::memcpy(out + at, &bits, static_cast<size_t>(std::min<int64_t>(8, tensor.bytes() - at)));
    }
  }

  template <typename T, typename Function>
  void fill_from(const Tensor& tensor, Random& random, const Function& function) const {
    std::array<T, 256> values{};
    for (size_t i = 0; i < values.size(); ++i) values[i] = function(normal_[i]);
    T* out = reinterpret_cast<T*>(tensor.raw());
    uint64_t bits = 0;
    for (int64_t i = 0; i < tensor.count(); ++i, bits >>= 8) {
      if (i % 8 == 0) bits = random.next();
      out[i] = values[bits & 255];
    }
  }

  // Different experts for a token, from a random one on in random steps.
  void fill_table(const Tensor& table, Random& random) const {
    const int64_t chosen = table.size(1), steps = std::max<int64_t>(1, config_.experts / chosen);
    for (int64_t row = 0; row < table.size(0); ++row) {
      int64_t expert = random.below(config_.experts);
      for (int64_t k = 0; k < chosen; ++k) {
        table.data<int64_t>()[row * chosen + k] = expert % config_.experts;
        expert += 1 + random.below(steps);
      }
    }
  }

  const ModelConfig& config_;
  uint64_t seed_;
  Quantiles normal_;
};

Result<int> make_checkpoint(const CheckpointOptions& options) {
  TRY(ModelConfig config, ModelConfig::open(options.config));
  if (!options.recipe.empty()) {
    TRY(config, in_recipe(config, recipe_of(options.recipe), options.config));
  }
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  if (error) return fail_machine(options.out, ": ", error.message());
  CheckpointWriter writer(options.out);
  TRY_STATUS(writer.write_file("config.json", config.to_json()));
  if (!options.tokenizer.empty()) {
    TRY(const std::string tokenizer, read_tokenizer_json(options.tokenizer));
    TRY_STATUS(writer.write_file("tokenizer.json", tokenizer));
  }
  const Drawer drawer(config, options.seed);
  const std::vector<TensorSpec> specs = tensor_list(config);
  for (const TensorSpec& spec : specs)
    TRY_STATUS(writer.add(
        {stored_tensors(spec, config),
         [&drawer, &spec]() -> Result<std::vector<NamedTensor>> { return drawer.draw(spec); }}));
  TRY_STATUS(writer.finish());
  const Parameters all = count_parameters(config).all();
  std::printf("%s: %.1f M parameters, %.1f M multiplied with a token, %.1f MB\n",
              options.out.c_str(), static_cast<double>(all.total) / 1e6,
              static_cast<double>(all.decode) / 1e6, static_cast<double>(writer.bytes()) / 1e6);
  return 0;
}

}  // namespace

void add_checkpoint_data(CLI::App& data, Command& chosen) {
  CLI::App* command = data.add_subcommand(
      "checkpoint", "Random weights in the published layout, to measure speed with");
  auto options = std::make_shared<CheckpointOptions>();
  command->add_option("--config", options->config, "config.json of the model to be made")
      ->required();
  command->add_option("-o,--out", options->out, "Folder to write")->required();
  command->add_option("--tokenizer", options->tokenizer,
                      "tokenizer.json to put beside it (a model with Engram needs one)");
  command->add_option("--recipe", options->recipe, "Formats of fewer bits than the file says")
      ->check(CLI::IsMember(kRecipeNames));
  command->add_option("--seed", options->seed, "The same seed draws the same weights")
      ->capture_default_str();
  command->callback(
      [options, &chosen] { chosen = [options] { return make_checkpoint(*options); }; });
}

}  // namespace hadal
