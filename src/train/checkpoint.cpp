// SPDX-License-Identifier: MIT
// Rounding to the stored formats; states.
#include "train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/checked.h"
#include "base/file.h"
#include "base/number_formats.h"

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

uint8_t e8m0_of(float scale) {
  return static_cast<uint8_t>(std::bit_cast<uint32_t>(scale) >> 23);
}

// A rectangle of a matrix that shares one scale.
struct Tile {
  int64_t first_row, rows, first_column, columns;
};

float largest(const Tensor& values, const Tile& tile) {
  float most = 0;
  for (int64_t r = tile.first_row; r < tile.first_row + tile.rows; ++r)
    for (int64_t c = tile.first_column; c < tile.first_column + tile.columns; ++c)
      most = std::max(most, std::fabs(values.data<float>()[r * values.size(1) + c]));
  return most;
}

// Calls `quantise(tile, scale index)` for every tile.
template <typename Quantise>
void for_each_tile(const Shape& shape, int64_t block_rows, int64_t block_columns,
                   Quantise&& quantise) {
  int64_t index = 0;
  for (int64_t r = 0; r < shape[0]; r += block_rows)
    for (int64_t c = 0; c < shape[1]; c += block_columns)
      quantise(
          Tile{r, std::min(block_rows, shape[0] - r), c, std::min(block_columns, shape[1] - c)},
          index++);
}

Tensor scale_grid(const Shape& shape, int64_t block_rows, int64_t block_columns) {
  return Tensor::empty(DType::f8_e8m0,
                       {ceil_div(shape[0], block_rows), ceil_div(shape[1], block_columns)});
}

// E4M3 with one power of two a tile (§8.3).
std::vector<NamedTensor> fp8(const std::string& name, const Tensor& values, int64_t block_rows,
                             int64_t block_columns) {
  const Shape& shape = values.shape();
  Tensor codes = Tensor::empty(DType::f8_e4m3, shape);
  Tensor scales = scale_grid(shape, block_rows, block_columns);
  for_each_tile(shape, block_rows, block_columns, [&](const Tile& tile, int64_t index) {
    float scale = power_of_two_at_least(std::max(largest(values, tile), 1e-4f) * (1 / 448.0f));
    scales.raw()[index] = e8m0_of(scale);
    for (int64_t r = tile.first_row; r < tile.first_row + tile.rows; ++r)
      for (int64_t c = tile.first_column; c < tile.first_column + tile.columns; ++c)
        codes.raw()[r * shape[1] + c] =
            float_to_e4m3(values.data<float>()[r * shape[1] + c] / scale);
  });
  return {{name, codes}, {scale_name(name), scales}};
}

// Two E2M1 codes a byte, the even column in the low nibble, one power of two per 32 columns.
std::vector<NamedTensor> fp4(const std::string& name, const Tensor& values) {
  constexpr int64_t kColumns = 32;
  const Shape& shape = values.shape();
  CHECK(shape[1] % kColumns == 0, name, " ", shape_text(shape));
  Tensor codes = Tensor::zeros(DType::i8, {shape[0], shape[1] / 2});
  Tensor scales = scale_grid(shape, 1, kColumns);
  for_each_tile(shape, 1, kColumns, [&](const Tile& tile, int64_t index) {
    float floor = 6 * std::ldexp(1.0f, -126);
    float scale = power_of_two_at_least(std::max(largest(values, tile), floor) * (1 / 6.0f));
    scales.raw()[index] = e8m0_of(scale);
    for (int64_t c = tile.first_column; c < tile.first_column + tile.columns; ++c) {
      int64_t element = tile.first_row * shape[1] + c;
      uint8_t code = float_to_e2m1(values.data<float>()[element] / scale);
      codes.raw()[element / 2] |= static_cast<uint8_t>(element % 2 == 0 ? code : code << 4);
    }
  });
  return {{name, codes}, {scale_name(name), scales}};
}

}  // namespace

std::vector<NamedTensor> stored(const TensorSpec& spec, const at::Tensor& tensor,
                                const ModelConfig& config) {
  Tensor values = to_host(tensor);
  bool plain = config.weights == WeightFormat::bf16;
  switch (spec.storing) {
    case Storing::plain_f32:
    case Storing::table_i64:
      return {{spec.name, values}};
    case Storing::plain_bf16:
      return {{spec.name, to_bf16(values)}};
    case Storing::engram_rows:
      // The published tables are FP8 whatever the rest is: rows are read, never multiplied.
      if (spec.shape[1] % 32 != 0) break;
      return fp8(spec.name, values, 1, 32);
    case Storing::fp8_blocks:
      if (plain) break;
      return fp8(spec.name, values, config.weight_block, config.weight_block);
    case Storing::expert:
      if (plain) break;
      if (config.weights == WeightFormat::fp8_fp4) return fp4(spec.name, values);
      return fp8(spec.name, values, config.weight_block, config.weight_block);
  }
  return {{spec.name, to_bf16(values)}};
}

Status write_checkpoint(const std::string& folder, const ModelConfig& config,
                        const Parameters& parameters) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail_machine(folder, ": ", error.message());
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : parameters.all())
    for (NamedTensor& tensor : stored(parameter.spec, parameter.value, config))
      tensors.push_back(std::move(tensor));
  TRY_STATUS(write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}}));
  TRY(AtomicFile file, AtomicFile::create(folder + "/config.json"));
  std::string json = config.to_json();
  TRY_STATUS(file.write(json.data(), static_cast<int64_t>(json.size())));
  return file.commit();
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

Status read_weights(const std::string& path, Parameters& parameters) {
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
