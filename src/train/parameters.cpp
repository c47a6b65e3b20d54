// SPDX-License-Identifier: MIT
// First values of every kind of tensor.
#include "train/parameters.h"

#include <cmath>

#include "backends/torch/torch_tensor.h"
#include "base/random.h"

namespace hadal {

namespace {

// V4's extra-token block learns with the model; DSpark's stages learn when it is done (§6.2).
bool is_learnt(const TensorSpec& spec, const ModelConfig& config, Learnt learnt) {
  const bool of_draft = spec.name.starts_with("mtp.");
  if (learnt == Learnt::draft) return of_draft;
  return spec.part != Part::vision && (!of_draft || config.draft.block == 0);
}

// Router biases follow the loads (§10.5) instead of a gradient.
bool wants_gradient(const TensorSpec& spec) {
  return spec.group != TrainGroup::frozen && spec.initial != Initial::hash_table &&
         spec.name.find(".gate.bias") == std::string::npos;
}

// Unit gain for a matrix of an input of unit size.  What writes into the residual streams starts
// smaller, so that their sum over all sublayers stays of the size of one.
double deviation(const TensorSpec& spec, const ModelConfig& config) {
  double gain = 1 / std::sqrt(static_cast<double>(spec.shape.back()));
  switch (spec.part) {
    case Part::embedding:
      return 0.1;  // about what one sublayer adds
    case Part::head:
    case Part::router:
    case Part::engram_table:
      return config.initializer_range;
    default:
      break;
  }
  bool writes_streams = spec.name.ends_with("wo_b.weight") || spec.name.ends_with("w2.weight") ||
                        spec.name.ends_with("engram.wkv.weight") ||
                        spec.name == "codes.down.weight";
  return writes_streams ? gain / std::sqrt(2.0 * static_cast<double>(config.layers)) : gain;
}

at::Tensor normal(const TensorSpec& spec, double deviation, uint64_t seed) {
  at::Tensor value = torch::empty(spec.shape, at::kFloat);
  Random random(seed_for(seed, spec.name));
  float* out = value.data_ptr<float>();
  for (int64_t i = 0; i < value.numel(); ++i)
    out[i] = static_cast<float>(deviation * random.normal());
  return value;
}

float logit(double p) {
  return static_cast<float>(std::log(p / (1 - p)));
}

// A start near a plain residual network (§2.4): each site reads mostly one stream, another one for
// each site, so that the streams learn different things; writes into all; mixes hardly.
at::Tensor stream_base(const TensorSpec& spec, int64_t streams) {
  at::Tensor base = torch::zeros(spec.shape, at::kFloat);
  float* out = base.data_ptr<float>();
  if (spec.shape[0] == streams) {  // V4's collapse before the head: the mean
    for (int64_t s = 0; s < streams; ++s) out[s] = logit(1.0 / static_cast<double>(streams + 1));
    return base;
  }
  constexpr double kOwnShare = 0.7;
  constexpr float kKeep = 4;  // softmax over 4 streams keeps 95 % in place
  int64_t site =
      2 * std::max<int64_t>(spec.layer, 0) + (spec.name.find("ffn") != std::string::npos);
  for (int64_t s = 0; s < streams; ++s) {
    double others = (1 - kOwnShare) / static_cast<double>(std::max<int64_t>(streams - 1, 1));
    out[s] = logit(s == site % streams ? kOwnShare : others);
    out[2 * streams + s * streams + s] = kKeep;
  }
  return base;
}

at::Tensor hash_table(const TensorSpec& spec, int64_t experts, uint64_t seed) {
  at::Tensor table = torch::empty(spec.shape, at::kLong);
  Random random(seed_for(seed, spec.name));
  int64_t* out = table.data_ptr<int64_t>();
  for (int64_t row = 0; row < spec.shape[0]; ++row) {
    int64_t first = random.below(experts);  // distinct experts: consecutive from a random one
    for (int64_t k = 0; k < spec.shape[1]; ++k)
      out[row * spec.shape[1] + k] = (first + k) % experts;
  }
  return table;
}

at::Tensor first_value(const TensorSpec& spec, const ModelConfig& config, uint64_t seed) {
  constexpr double kGate = 0.01;  // "gates start small" (§2.4)
  switch (spec.initial) {
    case Initial::normal:
      return normal(spec, deviation(spec, config), seed);
    case Initial::ones:
      return torch::ones(spec.shape, at::kFloat);
    case Initial::zeros:
      return torch::zeros(spec.shape, at::kFloat);
    case Initial::hc_base:
      return stream_base(spec, config.streams);
    case Initial::hc_scale:
      return torch::full(spec.shape, kGate, at::kFloat);
    case Initial::hash_table:
      return hash_table(spec, config.experts, seed);
  }
  CHECK(false, "no such initialiser");
}

}  // namespace

Parameters::Parameters(const ModelConfig& config, uint64_t seed, Learnt learnt) {
  for (const TensorSpec& spec : tensor_list(config)) {
    if (!is_learnt(spec, config, learnt)) continue;
    at::Tensor value = first_value(spec, config, seed);
    if (wants_gradient(spec)) value.requires_grad_(true);
    all_.push_back({spec, value});
  }
}

Parameters Parameters::replica() const {
  Parameters copy;
  for (const Parameter& parameter : all_) {
    at::Tensor leaf = parameter.value.detach();
    leaf.requires_grad_(parameter.value.requires_grad());
    copy.all_.push_back({parameter.spec, leaf});
  }
  return copy;
}

Parameter* Parameters::find(const std::string& name) {
  for (Parameter& parameter : all_)
    if (parameter.spec.name == name) return &parameter;
  return nullptr;
}

WeightSource Parameters::source(const WeightSource& others) {
  return [this, others](const TensorSpec& spec) -> Result<Weight> {
    Parameter* parameter = find(spec.name);
    if (parameter != nullptr) return Weight{wrap(parameter->value), {}, 1, 1};
    if (others) return others(spec);
    return fail("no parameter is called '", spec.name, "'");
  };
}

int64_t Parameters::count() const {
  int64_t count = 0;
  for (const Parameter& parameter : all_)
    if (parameter.value.requires_grad()) count += parameter.value.numel();
  return count;
}

}  // namespace hadal
