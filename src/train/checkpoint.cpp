// SPDX-License-Identifier: MIT
// Rounding to the stored formats; states.
#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/number_formats.h"
#include "model/recipe.h"
#include "ops/weight_rows.h"

namespace hadal {

namespace {

Tensor to_host(const at::Tensor& tensor) {
  at::Tensor plain = tensor.detach().contiguous();
  Tensor copy = Tensor::empty(plain.scalar_type() == at::kLong ? DType::i64 : DType::f32,
                              plain.sizes().vec());
  if (copy.count() > 0)
    std::memcpy(copy.raw(), plain.data_ptr(), static_cast<size_t>(copy.bytes()));
  return copy;
}

Tensor to_bf16(const Tensor& values) {
  Tensor out = Tensor::empty(DType::bf16, values.shape());
  for (int64_t i = 0; i < values.count(); ++i)
    out.data<uint16_t>()[i] = float_to_bf16(values.data<float>()[i]);
  return out;
}

// Trained weights are finite: a step that is not stops the run (train/trainer.h).
std::vector<NamedTensor> quantised(const StoredTensor& wanted, const Tensor& values) {
  const auto read = [&](int64_t row, float* out) {
    std::copy_n(values.data<float>() + row * values.size(1), values.size(1), out);
  };
  ThreadPool pool(1);
  const Encoded encoded = encode_weight(wanted, values.shape(), read, pool);
  CHECK(encoded.bad_row < 0, wanted.name, " row ", encoded.bad_row, " is not finite");
  return {{wanted.name, encoded.weight.values}, {scale_name(wanted.name), encoded.weight.scales}};
}

}  // namespace

std::vector<NamedTensor> stored(const TensorSpec& spec, const at::Tensor& tensor,
                                const ModelConfig& config) {
  const Tensor values = to_host(tensor);
  std::vector<StoredTensor> wanted = stored_tensors(spec, config);
  // The published tables are FP8 whatever the rest is: rows are read, never multiplied.
  if (spec.storing == Storing::engram_rows && spec.shape[1] % kFp4Columns == 0)
    wanted = {{spec.name, DType::f8_e4m3, spec.shape, 1, kFp4Columns}};
  if (wanted.front().block_columns > 0) return quantised(wanted.front(), values);
  return {{spec.name, wanted.front().dtype == DType::bf16 ? to_bf16(values) : values}};
}

namespace {

Status make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail_machine(folder, ": ", error.message());
  return Ok{};
}

std::vector<NamedTensor> all_stored(const ModelConfig& config, const Parameters& parameters) {
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : parameters.all())
    for (NamedTensor& tensor : stored(parameter.spec, parameter.value, config))
      tensors.push_back(std::move(tensor));
  return tensors;
}

constexpr const char* kDraftFile = "draft.safetensors";

// The file of every tensor of a folder, by the tensor's name, but those of a head that is replaced.
Result<std::map<std::string, std::string>> files_of(const std::string& folder,
                                                    const Safetensors& tensors) {
  const std::string index = folder + "/model.safetensors.index.json";
  nlohmann::json named;
  if (is_file(index)) {
    constexpr int64_t kIndexLimit = 64 << 20;  // V4.1's has 9 MB
    TRY(const std::string text, read_file(index, kIndexLimit));
    TRY(named, parse_json(text, index, {}));
  }
  std::map<std::string, std::string> files;
  for (const auto& [name, tensor] : tensors.tensors()) {
    const std::string file =  // the folder was opened, so its index is as it should be
        named.is_null() ? "model.safetensors" : named["weight_map"][name].get<std::string>();
    const bool of_head = name.starts_with("mtp.");
    if (of_head && file != kDraftFile)
      return fail(folder, ": ", name, " of a draft head is in ", file,
                  ", which stays as it is; a head can be trained where there is none");
    if (!of_head) files.emplace(name, file);
  }
  return files;
}

}  // namespace

Status write_checkpoint(const std::string& folder, const ModelConfig& config,
                        const Parameters& parameters) {
  TRY_STATUS(make_folder(folder));
  TRY_STATUS(write_safetensors(folder + "/model.safetensors", all_stored(config, parameters),
                               {{"format", "pt"}}));
  return write_file(folder + "/config.json", config.to_json());
}

Status check_has_no_head(const std::string& draft_of) {
  TRY(const Safetensors model, Safetensors::open_folder(draft_of));
  TRY(const auto files, files_of(draft_of, model));
  (void)files;
  return Ok{};
}

Status write_draft_head(const std::string& folder, const std::string& draft_of,
                        const ModelConfig& config, const Parameters& parameters) {
  TRY(const Safetensors model, Safetensors::open_folder(draft_of));
  TRY(const auto files, files_of(draft_of, model));
  nlohmann::json index;
  int64_t bytes = 0;
  for (const auto& [name, file] : files) {
    index["weight_map"][name] = file;
    bytes += model.find(name)->bytes();
  }
  const std::vector<NamedTensor> tensors = all_stored(config, parameters);
  for (const NamedTensor& tensor : tensors) {
    index["weight_map"][tensor.name] = kDraftFile;
    bytes += tensor.tensor.bytes();
  }
  index["metadata"]["total_size"] = bytes;
  TRY_STATUS(make_folder(folder));
  TRY_STATUS(write_safetensors(folder + "/" + kDraftFile, tensors, {{"format", "pt"}}));
  TRY_STATUS(write_file(folder + "/model.safetensors.index.json", index.dump(1) + "\n"));
  return write_file(folder + "/config.json", config.to_json());
}

Status write_state(const std::string& path, const NamedState& tensors,
                   const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> named;
  for (const auto& [name, tensor] : tensors) named.push_back({name, to_host(tensor)});
  return write_safetensors(path, named, metadata);
}

Result<std::map<std::string, std::string>> read_state(const std::string& path,
                                                      const NamedState& tensors) {
  TRY(Safetensors file, Safetensors::open(path));
  if (file.tensors().size() != tensors.size())
    return fail(path, ": ", file.tensors().size(), " tensors, expected ", tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor* found = file.find(name);
    if (found == nullptr) return fail(path, ": no tensor '", name, "'");
    bool is_integer = tensor.scalar_type() == at::kLong;
    if (found->shape() != tensor.sizes().vec() ||
        found->dtype() != (is_integer ? DType::i64 : DType::f32))
      return fail(path, ": '", name, "' is ", dtype_name(found->dtype()),
                  shape_text(found->shape()), ", expected ", shape_text(tensor.sizes().vec()));
  }
  at::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : tensors) {
    const Tensor* found = file.find(name);
    if (found->count() > 0)
      std::memcpy(tensor.data_ptr(), found->raw(), static_cast<size_t>(found->bytes()));
  }
  return file.metadata();
}

std::string state_path(const std::string& folder, int64_t step) {
  return folder + "/state-" + std::to_string(step) + ".safetensors";
}

std::vector<int64_t> saved_steps(const std::string& folder) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename().string();
    constexpr std::string_view kBegin = "state-", kEnd = ".safetensors";
    if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) continue;
    int64_t step = 0;
    const char* end = name.data() + name.size() - kEnd.size();
    auto [stop, problem] = std::from_chars(name.data() + kBegin.size(), end, step);
    if (problem == std::errc() && stop == end) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void forget_old_states(const std::string& folder) {
  constexpr size_t kKept = 2;  // the newest, and one more in case it was damaged
  const std::vector<int64_t> steps = saved_steps(folder);
  std::error_code ignored;
  for (size_t i = 0; i + kKept < steps.size(); ++i)
    std::filesystem::remove(state_path(folder, steps[i]), ignored);
}

namespace {

Status read_published(const std::string& folder, const ModelConfig& config,
                      Parameters& parameters) {
  TRY(const WeightSource source, open_weights(folder, config));
  for (Parameter& parameter : parameters.all()) {
    TRY(Weight weight, source(parameter.spec));
    if (parameter.spec.storing == Storing::table_i64) {
      int64_t* out = parameter.value.data_ptr<int64_t>();
      for (int64_t i = 0; i < weight.values.count(); ++i)
        out[i] = weight.values.dtype() == DType::i64 ? weight.values.data<int64_t>()[i]
                                                     : weight.values.data<int32_t>()[i];
      continue;
    }
    if (parameter.spec.shape.size() != 2)
      weight.values = weight.values.reshaped({1, weight.values.count()});
    const Tensor values = dequantise(weight);
    std::memcpy(parameter.value.data_ptr<float>(), values.raw(),
                static_cast<size_t>(values.bytes()));
  }
  return Ok{};
}

}  // namespace

Status read_weights(const std::string& path, const ModelConfig& config, Parameters& parameters) {
  if (std::filesystem::is_directory(path)) return read_published(path, config, parameters);
  TRY(const Safetensors file, Safetensors::open(path));
  at::NoGradGuard no_gradients;
  int64_t found = 0;
  for (Parameter& parameter : parameters.all()) {
    const Tensor* stored = file.find("weight." + parameter.spec.name);
    if (stored == nullptr) continue;
    const Shape expected = parameter.value.sizes().vec();
    Shape rest = stored->shape();
    if (stored->dtype() != DType::f32 || rest.size() != expected.size())
      return fail(path, ": ", parameter.spec.name, ": found ", dtype_name(stored->dtype()), " ",
                  shape_text(rest), ", expected f32 ", shape_text(expected));
    if (!rest.empty()) rest[0] = expected[0];
    if (rest != expected)
      return fail(path, ": ", parameter.spec.name, ": found ", shape_text(stored->shape()),
                  ", expected rows like those of ", shape_text(expected));
    const int64_t count = std::min(stored->count(), parameter.value.numel());
    std::memcpy(parameter.value.data_ptr<float>(), stored->raw(),
                static_cast<size_t>(count) * sizeof(float));
    ++found;
  }
  if (found == 0) return fail(path, ": none of its tensors is a weight of this model");
  return Ok{};
}

}  // namespace hadal
