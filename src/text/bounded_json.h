// SPDX-License-Identifier: MIT
// JSON from outside: size, depth and width are bounded before anything is built from it.
//
//   TRY(Json file, parse_bounded_json(text, "tokenizer.json", {.max_bytes = 64 << 20}));
//   std::string spelled = python_json(schema);     // as Python's json.dumps(ensure_ascii=False)
//
// Stateless, any thread.  No exception of the JSON library leaves these functions.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hadal {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

struct BoundedJsonLimits {
  size_t max_bytes = size_t{8} << 20;
  int max_depth = 64;
  // Members or elements of one object or array.  An ordered object is searched linearly for each
  // new key, so its width must stay small.
  size_t max_width = 4096;
};

Result<Json> parse_bounded_json(std::string_view text, std::string_view name,
                                BoundedJsonLimits limits);
Result<OrderedJson> parse_ordered_json(std::string_view text, std::string_view name,
                                       BoundedJsonLimits limits);

// The spelling of Python's json.dumps with ensure_ascii=False: ", " and ": " between things,
// non-ASCII kept, floats as repr() writes them.
std::string python_json(const OrderedJson& value);
std::string python_json_string(std::string_view text);

// "an array", "a string", ...: for messages.
std::string with_article(std::string_view noun);
template <typename Value>
std::string json_kind(const Value& value) {
  return with_article(value.type_name());
}

}  // namespace hadal
