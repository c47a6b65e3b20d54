// SPDX-License-Identifier: MIT
// First values and exported values.
#include "train/tokenizer_parameters.h"

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/number_formats.h"
#include "base/random.h"

namespace hadal {
namespace {

// What a residual block adds starts small, so that a stack of them begins as the identity.
constexpr double kBlockGain = 0.3;

at::Tensor first_value(const VisualTensor& tensor, uint64_t seed) {
  if (!tensor.is_matrix())
    return tensor.name.ends_with("norm.weight") ? torch::ones(tensor.shape, at::kFloat)
                                                : torch::zeros(tensor.shape, at::kFloat);
  const bool adds =
      tensor.name.ends_with(".out.weight") || tensor.name.find(".mix_") != std::string::npos;
  const double deviation =
      (adds ? kBlockGain : 1) / std::sqrt(static_cast<double>(tensor.shape.back()));
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

}  // namespace

Parameters tokenizer_parameters(const TokenizerTrainConfig& config) {
  std::vector<Parameter> all;
  for (const VisualTensor& tensor : visual_tensor_list(config.shape)) {
    TensorSpec spec;
    spec.name = tensor.name;
    spec.shape = tensor.shape;
    spec.part = Part::vision;
    spec.group = !tensor.is_matrix() ? TrainGroup::adamw_no_decay
                 : config.muon       ? TrainGroup::muon
                                     : TrainGroup::adamw;
    all.push_back({spec, first_value(tensor, config.seed).requires_grad_(true)});
  }
  return Parameters(std::move(all));
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
  TRY(AtomicFile file, AtomicFile::create(folder + "/visual_tokenizer.json"));
  const std::string json = config.to_json();
  TRY_STATUS(file.write(json.data(), static_cast<int64_t>(json.size())));
  return file.commit();
}

}  // namespace hadal
