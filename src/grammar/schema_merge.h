// SPDX-License-Identifier: MIT
// Two JSON schemas that must both hold, as one; inside the room only.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

using SchemaJson = nlohmann::ordered_json;

// Words that say nothing about what is valid.
bool is_annotation(std::string_view keyword);

// The types that a schema names, "integer" beside "number" left out; all of them if it names none
// and none follows from its other keywords.
std::vector<std::string> schema_types(const SchemaJson& schema);

// Requires: objects (or false) without allOf and $ref.  What cannot be said in one schema is
// refused by name, at `path`.
Result<SchemaJson> merge_schemas(const SchemaJson& a, const SchemaJson& b, const std::string& path);

// Whether no value can fit both: other types, other constants, or a required member that tells
// them apart.
bool are_disjoint(const SchemaJson& a, const SchemaJson& b);

}  // namespace hadal
