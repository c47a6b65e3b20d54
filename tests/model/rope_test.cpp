// SPDX-License-Identifier: MIT
// Rotary frequencies and rotation against the official tables (tests/goldens/kernels).
#include "golden_tensors.h"
#include "model/model_weights.h"

namespace hadal {
namespace {

ModelConfig config_of(const nlohmann::json& json) {
  ModelConfig config;
  config.rope_width = json.at("rope_dim");
  config.rope_theta = config.compress_rope_theta = json.at("base");
  config.rope_scaling.factor = json.at("factor");
  config.rope_scaling.beta_fast = json.at("beta_fast");
  config.rope_scaling.beta_slow = json.at("beta_slow");
  config.rope_scaling.original_positions = json.at("original_seq_len");
  return config;
}

// A head of ones and zeros turns into cos and sin themselves.
TEST(Rope, TablesAreThoseOfTheOfficialCode) {
  const Safetensors file = golden_file("kernels/expected.safetensors");
  const nlohmann::json params = golden_json("kernels/params.json");
  const std::unique_ptr<Ops> ops = make_reference_ops();
  for (const nlohmann::json& one : params.at("freqs")) {
    const std::string name = one.at("name");
    const ModelConfig config = config_of(one);
    // An original length of 0 means a layer without YaRN.
    const RopeTable table = rope_table(config, config.rope_scaling.original_positions > 0 ? 4 : 0);
    const auto positions = one.at("positions").get<std::vector<int64_t>>();
    const int64_t count = static_cast<int64_t>(positions.size()), width = config.rope_width;
    Tensor ones = Tensor::zeros(DType::f32, {count, width});
    for (int64_t i = 0; i < ones.count(); i += 2) ones.data<float>()[i] = 1;
    const Tensor turned =
        ops->rope(ones, Tensor::of_ints({count}, positions), table, Turn::forward);
    const Tensor cosines = golden(file, name + ".cos"), sines = golden(file, name + ".sin");
    for (int64_t i = 0; i < cosines.count(); ++i) {
      // An angle of 70,000 radians has an f32 step of 0.008: the product's rounding, and one last
      // bit of the frequency, must be the official ones for this to hold.
      ASSERT_NEAR(turned.data<float>()[2 * i], cosines.data<float>()[i], 2e-6) << name << i;
      ASSERT_NEAR(turned.data<float>()[2 * i + 1], sines.data<float>()[i], 2e-6) << name << i;
    }
  }
}

TEST(Rope, TurnsInterleavedPairsAndBack) {
  const Safetensors file = golden_file("kernels/expected.safetensors");
  const std::unique_ptr<Ops> ops = make_reference_ops();
  ModelConfig config;
  config.rope_width = 64;
  const Tensor in = golden(file, "rope.in");
  std::vector<int64_t> positions;
  for (int64_t t = 0; t < in.size(0); ++t) positions.push_back(5 + t);
  const Tensor positions_T = Tensor::of_ints({in.size(0)}, positions);
  const RopeTable table = rope_table(config, 4);
  const Tensor turned = ops->rope(in, positions_T, table, Turn::forward);
  expect_close(turned, golden(file, "rope.out_pos5"), 2e-6, "rope");
  expect_close(ops->rope(turned, positions_T, table, Turn::back),
               golden(file, "rope.inverse_of_out"), 2e-6, "inverse rope");
}

}  // namespace
}  // namespace hadal
