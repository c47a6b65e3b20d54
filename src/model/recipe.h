// SPDX-License-Identifier: MIT
// The same model in fewer bits: which formats, and a weight in one of them.
//
//   TRY(const ModelConfig small, in_recipe(config, Recipe::four_bits, folder));
//   for (const TensorSpec& spec : tensor_list(small)) …stored_tensors(spec, small)…
//
//   eight_bits   matrices of BF16 become FP8 in tiles of 32; what has fewer bits stays as it is
//   four_bits    experts and dense matrices (Storing::dense) become FP4 in blocks of 32, the rest
//   as
//                under eight_bits
//
// bench/README.md has the measurements that decided what stays in eight bits or BF16.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/weights.h"
#include "ops/weight_encoding.h"

namespace hadal {

enum class Recipe { eight_bits, four_bits };
inline const std::vector<std::string> kRecipeNames = {"8bit", "4bit"};  // as options spell them
Recipe recipe_of(std::string_view name);                                // one of them

// Fails where a width is no multiple of a block; `name` begins the message.
Result<ModelConfig> in_recipe(const ModelConfig& config, Recipe recipe, std::string_view name);

// A matrix as `wanted`, which has scales.
Encoded encode_weight(const StoredTensor& wanted, const Shape& shape, const RowReader& read,
                      ThreadPool& pool);

}  // namespace hadal
