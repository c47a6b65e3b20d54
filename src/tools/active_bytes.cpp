// SPDX-License-Identifier: MIT
// Bytes that a decoded token reads.
#include "tools/active_bytes.h"

#include "base/safetensors.h"
#include "model/weights.h"

namespace hadal {
namespace {

int64_t stored_bytes(const Safetensors& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  return tensor ? tensor->bytes() : 0;
}

// The share of a tensor that one token reads.
double share(const TensorSpec& spec, const ModelConfig& config) {
  const double rows = spec.shape.empty() ? 1 : static_cast<double>(spec.shape.front());
  if (spec.storing == Storing::table_i64) return 1 / rows;
  switch (spec.part) {
    case Part::embedding:
      return 1 / rows;
    case Part::experts:
      return static_cast<double>(config.experts_per_token) / static_cast<double>(config.experts);
    case Part::engram_table:
      return static_cast<double>(config.engram.columns()) / rows;
    case Part::draft:
    case Part::vision:
    case Part::codes:
      return 0;
    default:
      return 1;
  }
}

}  // namespace

Result<int64_t> active_bytes(const std::string& folder, const ModelConfig& config) {
  TRY(const Safetensors file, Safetensors::open_folder(folder));
  double bytes = 0;
  for (const TensorSpec& spec : tensor_list(config)) {
    int64_t stored = stored_bytes(file, spec.name);
    if (spec.name.ends_with(".weight")) stored += stored_bytes(file, scale_name(spec.name));
    bytes += share(spec, config) * static_cast<double>(stored);
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace hadal
