// SPDX-License-Identifier: MIT
// The fingerprint of a model's folder.
#include "engine/fingerprint.h"

#include <algorithm>

#include "base/file.h"
#include "base/safetensors.h"
#include "engine/checksum.h"

namespace hadal {
namespace {

constexpr size_t kSampledTensors = 256;
constexpr int64_t kSampledBytes = 4096;  // a page: what the disk reads anyway
constexpr int64_t kLongestText = int64_t{64} << 20;

Status add_file(Checksum& sum, const std::string& path) {
  if (!is_file(path)) return Ok{};
  TRY(const std::string text, read_file(path, kLongestText));
  sum.add(text);
  return Ok{};
}

}  // namespace

Result<std::string> model_fingerprint(const std::string& folder) {
  Checksum sum;
  TRY_STATUS(add_file(sum, folder + "/config.json"));
  TRY_STATUS(add_file(sum, folder + "/tokenizer.json"));
  TRY(const Safetensors weights, Safetensors::open_folder(folder));
  const size_t stride = std::max<size_t>(1, weights.tensors().size() / kSampledTensors);
  size_t number = 0;
  for (const auto& [name, tensor] : weights.tensors()) {
    sum.add(name);
    sum.add(std::to_string(static_cast<int>(tensor.dtype())) + shape_text(tensor.shape()));
    if (number++ % stride == 0 && tensor.count() > 0)
      sum.add_bytes(tensor.raw(), std::min(kSampledBytes, tensor.bytes()));
  }
  return sum.text();
}

std::string numerics_of(Model& model, const Ops& ops) {
  const bool published = model.options().rounding == Rounding::published;
  return std::string(ops.name()) + "/" + (published ? "published" : "none");
}

}  // namespace hadal
