// SPDX-License-Identifier: MIT
// Merging keyword by keyword.
#include "grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/json.h"

namespace hadal {
namespace {

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 7> kObjectWords = {
    "properties",    "required",      "additionalProperties", "minProperties",
    "maxProperties", "propertyNames", "patternProperties"};
constexpr std::array<std::string_view, 5> kArrayWords = {"items", "prefixItems", "minItems",
                                                         "maxItems", "uniqueItems"};
constexpr std::array<std::string_view, 4> kStringWords = {"pattern", "format", "minLength",
                                                          "maxLength"};
constexpr std::array<std::string_view, 5> kNumberWords = {"minimum", "maximum", "exclusiveMinimum",
                                                          "exclusiveMaximum", "multipleOf"};
constexpr std::array<std::string_view, 4> kLeast = {"minimum", "exclusiveMinimum", "minLength",
                                                    "minItems"};
constexpr std::array<std::string_view, 5> kMost = {"maximum", "exclusiveMaximum", "maxLength",
                                                   "maxItems", "maxProperties"};

// The values of enum or const; null if there are none.
SchemaJson constants(const SchemaJson& schema) {
  if (schema.contains("const")) return SchemaJson::array({schema["const"]});
  if (schema.contains("enum") && schema["enum"].is_array()) return schema["enum"];
  return nullptr;
}

bool holds(const SchemaJson& list, const SchemaJson& value) {
  return std::any_of(list.begin(), list.end(),
                     [&](const SchemaJson& element) { return element == value; });
}

bool requires_member(const SchemaJson& schema, const std::string& name) {
  return schema.contains("required") && schema["required"].is_array() &&
         holds(schema["required"], name);
}

// Type names both allow.  An integer is a number.
SchemaJson common_types(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson common = SchemaJson::array();
  const std::vector<std::string> left = schema_types(a), right = schema_types(b);
  const auto has = [](const std::vector<std::string>& types, std::string_view type) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  for (const std::string& type : left)
    if (has(right, type) || (type == "integer" && has(right, "number"))) common.push_back(type);
  if (has(right, "integer") && has(left, "number") && !has(left, "integer"))
    common.push_back("integer");
  return common;
}

SchemaJson both(const SchemaJson& a, const SchemaJson& b) {
  if (a == b) return a;
  return {{"allOf", SchemaJson::array({a, b})}};
}

SchemaJson merged_constants(const SchemaJson& a, const SchemaJson& b) {
  SchemaJson common = SchemaJson::array();
  for (const SchemaJson& value : a)
    if (holds(b, value)) common.push_back(value);
  return common;
}

// What one schema says about members that it does not list, said about those the other lists.
void apply_additional(const SchemaJson& from, const SchemaJson& listed, SchemaJson& properties) {
  if (!from.contains("additionalProperties") || from["additionalProperties"] == true) return;
  for (const auto& [name, member] : listed.items()) {
    if (from.contains("properties") && from["properties"].contains(name)) continue;
    properties[name] = from["additionalProperties"] == false
                           ? SchemaJson(false)
                           : both(member, from["additionalProperties"]);
  }
}

void merge_objects(const SchemaJson& a, const SchemaJson& b, SchemaJson& merged) {
  const SchemaJson none = SchemaJson::object();
  const auto part = [&](const SchemaJson& schema, const char* name) -> const SchemaJson& {
    return schema.contains(name) ? schema[name] : none;
  };
  SchemaJson properties = part(a, "properties");
  for (const auto& [name, member] : part(b, "properties").items())
    properties[name] = properties.contains(name) ? both(properties[name], member) : member;
  apply_additional(a, part(b, "properties"), properties);
  apply_additional(b, part(a, "properties"), properties);
  if (!properties.empty()) merged["properties"] = std::move(properties);
  if (a.contains("required") && b.contains("required")) {
    merged["required"] = a["required"];
    for (const SchemaJson& name : b["required"])
      if (!holds(merged["required"], name)) merged["required"].push_back(name);
  }
  if (a.contains("additionalProperties") && b.contains("additionalProperties")) {
    const SchemaJson &left = a["additionalProperties"], &right = b["additionalProperties"];
    const bool closed = left == false || right == false;
    merged["additionalProperties"] = closed          ? SchemaJson(false)
                                     : left == true  ? right
                                     : right == true ? left
                                                     : both(left, right);
  }
}

}  // namespace

bool is_annotation(std::string_view keyword) {
  static constexpr std::array<std::string_view, 15> kWords = {
      "title",     "description",      "default",        "examples",    "example",    "$schema",
      "$id",       "$comment",         "$defs",          "definitions", "deprecated", "readOnly",
      "writeOnly", "contentMediaType", "contentEncoding"};
  return is_one_of(kWords, keyword) || keyword.starts_with("x-");
}

std::vector<std::string> schema_types(const SchemaJson& schema) {
  std::vector<std::string> types;
  if (!schema.is_object()) return types;
  const auto add = [&](const SchemaJson& type) {
    if (type.is_string()) types.push_back(type.get<std::string>());
  };
  if (schema.contains("type")) {
    if (schema["type"].is_array())
      for (const SchemaJson& type : schema["type"]) add(type);
    else
      add(schema["type"]);
  } else {
    const auto any = [&](const auto& words) {
      return std::any_of(words.begin(), words.end(),
                         [&](std::string_view word) { return schema.contains(std::string(word)); });
    };
    if (any(kObjectWords)) types.push_back("object");
    if (any(kArrayWords)) types.push_back("array");
    if (any(kStringWords)) types.push_back("string");
    if (any(kNumberWords)) types.push_back("number");
    if (types.empty()) types = {"object", "array", "string", "number", "boolean", "null"};
  }
  std::sort(types.begin(), types.end());
  types.erase(std::unique(types.begin(), types.end()), types.end());
  const bool numbers = std::find(types.begin(), types.end(), "number") != types.end();
  if (numbers) std::erase(types, "integer");
  return types;
}

Result<SchemaJson> merge_schemas(const SchemaJson& a, const SchemaJson& b,
                                 const std::string& path) {
  if (a == false || b == false) return SchemaJson(false);
  SchemaJson merged = a;
  for (const auto& [word, value] : b.items())
    if (!merged.contains(word)) merged[word] = value;
  // Where one says nothing of types, the other's are meant.
  if (a.contains("type") && b.contains("type")) merged["type"] = common_types(a, b);
  const SchemaJson left = constants(a), right = constants(b);
  if (!left.is_null() && !right.is_null()) {
    merged.erase("const");
    merged["enum"] = merged_constants(left, right);
  }
  merge_objects(a, b, merged);
  for (const auto& [word, value] : b.items()) {
    if (!a.contains(word) || a[word] == value || is_annotation(word)) continue;
    const SchemaJson& other = a[word];
    if (is_one_of(kLeast, word) || word == "minProperties") {
      merged[word] = value < other ? other : value;
    } else if (is_one_of(kMost, word)) {
      merged[word] = value < other ? value : other;
    } else if (word == "items") {
      merged[word] = both(other, value);
    } else if (word == "pattern" || word == "format" || word == "multipleOf" ||
               word == "prefixItems" || word == "anyOf" || word == "oneOf") {
      return fail(path, ": two different ", printable(word), " cannot be held at once");
    }
  }
  return merged;
}

bool are_disjoint(const SchemaJson& a, const SchemaJson& b) {
  if (!a.is_object() || !b.is_object()) return a == false || b == false;
  const SchemaJson left = constants(a), right = constants(b);
  if (!left.is_null() && !right.is_null()) return merged_constants(left, right).empty();
  // Constants have types, whether those are named or not.
  const auto typed = [](const SchemaJson& schema, const SchemaJson& values) {
    if (values.is_null() || schema.contains("type")) return schema;
    SchemaJson types = SchemaJson::array();
    for (const SchemaJson& value : values)
      types.push_back(value.is_number() ? "number" : value.type_name());
    return SchemaJson{{"type", types}};
  };
  const SchemaJson left_typed = typed(a, left), right_typed = typed(b, right);
  if (left_typed.contains("anyOf") || left_typed.contains("oneOf") || left_typed.contains("$ref") ||
      right_typed.contains("anyOf") || right_typed.contains("oneOf") ||
      right_typed.contains("$ref"))
    return false;
  const SchemaJson common = common_types(left_typed, right_typed);
  if (common.empty()) return true;
  if (common != SchemaJson::array({"object"}) || !a.contains("properties") ||
      !b.contains("properties"))
    return false;
  for (const auto& [name, member] : a["properties"].items()) {
    if (!b["properties"].contains(name)) continue;
    if (!requires_member(a, name) || !requires_member(b, name)) continue;
    const SchemaJson& other = b["properties"][name];
    if (member.is_object() && other.is_object() && are_disjoint(member, other)) return true;
  }
  return false;
}

}  // namespace hadal
