// SPDX-License-Identifier: MIT
// What recipes make of a configuration.
#include "model/recipe.h"

#include <algorithm>

namespace hadal {

Recipe recipe_of(std::string_view name) {
  const auto found = std::find(kRecipeNames.begin(), kRecipeNames.end(), name);
  CHECK(found != kRecipeNames.end(), name);
  return static_cast<Recipe>(found - kRecipeNames.begin());
}

Result<ModelConfig> in_recipe(const ModelConfig& config, Recipe recipe, std::string_view name) {
  ModelConfig small = config;
  if (config.weights == WeightFormat::bf16) {
    small.weights = WeightFormat::fp8;
    small.weight_block = 32;
  }
  if (recipe == Recipe::four_bits) small.weights = WeightFormat::fp4;
  return ModelConfig::parse(small.to_json(), name);  // which checks what formats ask of widths
}

Encoded encode_weight(const StoredTensor& wanted, const Shape& shape, const RowReader& read,
                      ThreadPool& pool) {
  CHECK(wanted.block_columns > 0, wanted.name, " has no scales");
  if (wanted.dtype == DType::i8) return encode_fp4(shape, read, pool);
  return encode_fp8(shape, read, wanted.block_rows, wanted.block_columns, pool);
}

}  // namespace hadal
