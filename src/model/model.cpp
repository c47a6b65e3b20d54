// SPDX-License-Identifier: MIT
// Opening a model: config.json, the safetensors beside it, and the check of one against the other.
#include "model/model.h"

#include <memory>
#include <unordered_set>

#include "base/checked.h"
#include "base/safetensors.h"
#include "model/transformer.h"

namespace hadal {
namespace {

// A checkpoint's tensors as weights, each checked against what the configuration calls for.
class CheckpointSource {
 public:
  CheckpointSource(std::string folder, Safetensors file, ModelConfig config)
      : folder_(std::move(folder)), file_(std::move(file)), config_(std::move(config)) {}

  Result<Weight> operator()(const TensorSpec& spec) const {
    const Tensor* values = file_.find(spec.name);
    if (!values)
      return fail(folder_, ": tensor ", spec.name, " is missing; expected ", shape_text(spec.shape),
                  " by config.json");
    switch (values->dtype()) {
      case DType::f32:
      case DType::bf16:
      case DType::f16:
        return plain(spec, *values);
      case DType::f8_e4m3:
        return fp8(spec, *values);
      case DType::i8:
        return fp4(spec, *values);
      case DType::i32:
      case DType::i64:
        return expert_table(spec, *values);
      default:
        return wrong(spec, *values, "a floating-point or quantised type");
    }
  }

  // Every tensor of the files must be one that the configuration calls for.  Draft blocks may
  // hold tied copies of embedding and head, which the official converter skips too.
  Status check_names() const {
    std::unordered_set<std::string> known;
    for (const TensorSpec& spec : tensor_list(config_)) {
      known.insert(spec.name);
      if (spec.name.ends_with(".weight")) known.insert(scale_name(spec.name));
    }
    for (const auto& [name, tensor] : file_.tensors())
      if (!known.contains(name) && !name.starts_with("mtp."))
        return fail(folder_, ": tensor ", name, " ", shape_text(tensor.shape()),
                    " is not part of the model that config.json describes");
    return Ok{};
  }

 private:
  Error wrong(const TensorSpec& spec, const Tensor& found, const std::string& expected) const {
    return fail(folder_, ": tensor ", spec.name, ": found ", dtype_name(found.dtype()), " ",
                shape_text(found.shape()), ", expected ", expected);
  }

  Result<Weight> plain(const TensorSpec& spec, const Tensor& values) const {
    if (values.shape() != spec.shape || spec.storing == Storing::table_i64)
      return wrong(spec, values, shape_text(spec.shape));
    return Weight{values, {}, 1, 1};
  }

  // Scales of a weight: [ceil(O/block_rows), ceil(I/block_columns)].
  Result<Weight> scaled(const TensorSpec& spec, const Tensor& values, int64_t block_rows,
                        int64_t block_columns) const {
    const std::string name = scale_name(spec.name);
    const Tensor* scales = file_.find(name);
    if (!scales) return fail(folder_, ": tensor ", name, " is missing");
    const Shape expected = {ceil_div(spec.shape[0], block_rows),
                            ceil_div(spec.shape[1], block_columns)};
    const bool known_type = scales->dtype() == DType::f8_e8m0 || scales->dtype() == DType::f32;
    if (scales->shape() != expected || !known_type)
      return fail(folder_, ": tensor ", name, ": found ", dtype_name(scales->dtype()), " ",
                  shape_text(scales->shape()), ", expected F8_E8M0 ", shape_text(expected));
    return Weight{values, *scales, block_rows, block_columns, true};
  }

  Result<Weight> fp8(const TensorSpec& spec, const Tensor& values) const {
    if (values.shape() != spec.shape || spec.shape.size() != 2)
      return wrong(spec, values, shape_text(spec.shape));
    if (spec.storing == Storing::engram_rows) return scaled(spec, values, 1, 32);
    return scaled(spec, values, config_.weight_block, config_.weight_block);
  }

  Result<Weight> fp4(const TensorSpec& spec, const Tensor& values) const {
    const bool dense = spec.storing == Storing::dense;
    if ((!dense && spec.storing != Storing::expert) || spec.shape[1] % 32 != 0 ||
        values.shape() != Shape{spec.shape[0], spec.shape[1] / 2})
      return wrong(spec, values, shape_text(spec.shape) + " in one of its formats");
    if (dense && config_.weights != WeightFormat::fp4)
      return wrong(spec, values, "FP8 or BF16: config.json has no hadal.dense_dtype fp4");
    return scaled(spec, values, 1, 32);
  }

  // Table of experts by token id: its numbers become indices, so each is checked here.
  Result<Weight> expert_table(const TensorSpec& spec, const Tensor& values) const {
    if (spec.storing != Storing::table_i64 || values.shape() != spec.shape)
      return wrong(spec, values, shape_text(spec.shape));
    for (int64_t i = 0; i < values.count(); ++i) {
      const int64_t expert =
          values.dtype() == DType::i64 ? values.data<int64_t>()[i] : values.data<int32_t>()[i];
      if (expert < 0 || expert >= config_.experts)
        return fail(folder_, ": tensor ", spec.name, "[", i, "]: found expert ", expert,
                    ", expected one below ", config_.experts);
    }
    return Weight{values, {}, 1, 1};
  }

  std::string folder_;
  Safetensors file_;
  ModelConfig config_;
};

Status check_compressed_ids(const ModelConfig& config, const std::vector<int32_t>& ids) {
  if (!config.engram.present()) return Ok{};
  if (static_cast<int64_t>(ids.size()) != config.vocab)
    return fail("engram token map: found ", ids.size(), " ids, expected ", config.vocab);
  int32_t largest = -1;
  for (int32_t id : ids) largest = std::max(largest, id);
  if (largest + 1 != config.engram.compressed_vocab)
    return fail("engram token map: the tokenizer gives ", largest + 1,
                " compressed ids, config.json expects engram_compressed_vocab_size ",
                config.engram.compressed_vocab);
  return Ok{};
}

Result<WeightSource> checked_source(const std::string& folder, Safetensors file,
                                    const ModelConfig& config) {
  const auto source = std::make_shared<CheckpointSource>(folder, std::move(file), config);
  TRY_STATUS(source->check_names());
  return WeightSource([source](const TensorSpec& spec) { return (*source)(spec); });
}

}  // namespace

Model::Model(ModelConfig config, Ops& ops, ModelOptions options)
    : config_(std::move(config)), ops_(ops), options_(std::move(options)) {}

Result<std::unique_ptr<Model>> Model::open(const std::string& folder, Ops& ops,
                                           const ModelOptions& options,
                                           const std::vector<int32_t>& compressed_ids) {
  TRY(const ModelConfig config, ModelConfig::open(folder));
  TRY(Safetensors file, Safetensors::open_folder(folder));
  std::vector<std::shared_ptr<MappedFile>> files = file.files();
  TRY(const WeightSource source, checked_source(folder, std::move(file), config));
  TRY(std::unique_ptr<Model> model, create(config, source, ops, options, compressed_ids));
  model->files_ = std::move(files);
  return model;
}

Result<WeightSource> open_weights(const std::string& folder, const ModelConfig& config) {
  TRY(Safetensors file, Safetensors::open_folder(folder));
  return checked_source(folder, std::move(file), config);
}

Result<std::unique_ptr<Model>> Model::create(const ModelConfig& config, const WeightSource& source,
                                             Ops& ops, const ModelOptions& options,
                                             const std::vector<int32_t>& compressed_ids) {
  TRY_STATUS(check_compressed_ids(config, compressed_ids));
  TRY(ModelWeights weights, bind_weights(config, source, ops, options));
  VisionWeights vision = std::move(weights.vision);
  const std::string draft_problem = weights.draft_problem;
  std::unique_ptr<Model> model =
      config.family == Family::v4
          ? make_v4(config, std::move(weights), ops, options)
          : make_v41(config, std::move(weights), ops, options, compressed_ids);
  model->draft_problem_ = draft_problem;
  if (vision.defined())
    model->vision_ = std::make_unique<Vision>(config.vision, std::move(vision), ops);
  return model;
}

Tensor Model::look(const ImagePlan& plan, const Tensor& patches) const {
  CHECK(vision_ != nullptr, "a model without vision");
  return vision_->encode(plan, patches, observer_);
}

}  // namespace hadal
