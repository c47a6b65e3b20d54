// SPDX-License-Identifier: MIT
// First values and exported values.
#include "train/tokenizer_parameters.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "backends/torch/torch_tensor.h"
#include "base/file.h"
#include "base/number_formats.h"
#include "base/random.h"
#include "model/visual_tokenizer.h"

namespace hadal {
namespace {

// What a residual block adds starts small, so that a stack of them begins as the identity; and so
// does the picture, which begins as plain grey.
constexpr double kBlockGain = 0.3, kPictureGain = 0.1;

at::Tensor first_value(const VisualTensor& tensor, uint64_t seed) {
  if (!tensor.is_matrix())
    return tensor.name.ends_with("norm.weight") ? torch::ones(tensor.shape, at::kFloat)
                                                : torch::zeros(tensor.shape, at::kFloat);
  const bool adds =
      tensor.name.ends_with(".out.weight") || tensor.name.find(".mix_") != std::string::npos;
  const bool draws = tensor.name == "decoder.exit.weight";
  const double gain = adds ? kBlockGain : draws ? kPictureGain : 1;
  const double deviation = gain / std::sqrt(static_cast<double>(tensor.shape.back()));
  at::Tensor value = torch::empty(tensor.shape, at::kFloat);
  Random random(seed_for(seed, tensor.name));
  for (int64_t i = 0; i < value.numel(); ++i)
    value.data_ptr<float>()[i] = static_cast<float>(deviation * random.normal());
  return value;
}

Tensor in_f32(const at::Tensor& value) {
  const at::Tensor plain = value.detach().contiguous();
  const Tensor out = Tensor::empty(DType::f32, plain.sizes().vec());
  std::memcpy(out.raw(), plain.data_ptr<float>(), static_cast<size_t>(out.bytes()));
  return out;
}

Tensor in_bf16(const at::Tensor& value) {
  const at::Tensor plain = value.detach().contiguous();
  const Tensor out = Tensor::empty(DType::bf16, plain.sizes().vec());
  for (int64_t i = 0; i < out.count(); ++i)
    out.data<uint16_t>()[i] = float_to_bf16(plain.data_ptr<float>()[i]);
  return out;
}

// A copy of its own, in f32.
at::Tensor values_of(const Tensor& stored) {
  at::Tensor values = torch::empty(stored.shape(), at::kFloat);
  float* to = values.data_ptr<float>();
  for (int64_t i = 0; i < stored.count(); ++i)
    to[i] = stored.dtype() == DType::f32    ? stored.data<float>()[i]
            : stored.dtype() == DType::bf16 ? bf16_to_float(stored.data<uint16_t>()[i])
                                            : f16_to_float(stored.data<uint16_t>()[i]);
  return values;
}

}  // namespace

Result<Parameters> tokenizer_parameters(const TokenizerTrainConfig& config) {
  VisualTensorSource source = [&](const VisualTensor& tensor) -> Result<Weight> {
    return Weight{wrap(first_value(tensor, config.seed)), {}};
  };
  if (!config.start_from.empty()) {
    TRY(source, VisualTokenizer::tensors_of(config.start_from, config.shape));
  }
  std::vector<Parameter> all;
  for (const VisualTensor& tensor : visual_tensor_list(config.shape)) {
    TRY(const Weight weight, source(tensor));
    TensorSpec spec;
    spec.name = tensor.name;
    spec.shape = tensor.shape;
    spec.part = Part::vision;
    spec.group = !tensor.is_matrix() ? TrainGroup::adamw_no_decay
                 : config.muon       ? TrainGroup::muon
                                     : TrainGroup::adamw;
    const bool stays = config.decoder_only && tensor.name.starts_with("encoder.");
    if (stays) spec.group = TrainGroup::frozen;
    all.push_back({spec, values_of(weight.values).requires_grad_(!stays)});
  }
  return Parameters(std::move(all));
}

CodeScales unit_scales(const VisualTokenizerConfig& config) {
  return {torch::zeros({config.all_digits()}, at::kFloat),
          torch::full({config.all_digits()}, 1 - kScaleEpsilon, at::kFloat)};
}

std::vector<NamedTensor> tokenizer_tensors(const Parameters& parameters, const CodeScales& scales) {
  at::NoGradGuard no_gradients;
  const at::Tensor gain = (scales.variance + kScaleEpsilon).rsqrt();
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : parameters.all()) {
    const std::string& name = parameter.spec.name;
    at::Tensor value = parameter.value.detach();
    if (name == "encoder.exit.weight") value = value * gain.unsqueeze(1);
    if (name == "encoder.exit.bias") value = (value - scales.mean) * gain;
    tensors.push_back({name, value.dim() == 2 ? in_bf16(value) : in_f32(value)});
  }
  return tensors;
}

Status write_tokenizer(const std::string& folder, const VisualTokenizerConfig& config,
                       const std::vector<NamedTensor>& tensors) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail_machine(folder, ": ", error.message());
  TRY_STATUS(
      write_safetensors(folder + "/visual_tokenizer.safetensors", tensors, {{"format", "pt"}}));
  return write_file(folder + "/visual_tokenizer.json", config.to_json());
}

}  // namespace hadal
