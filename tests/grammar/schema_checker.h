// SPDX-License-Identifier: MIT
// Whether a JSON value fits a schema: by definition, keyword by keyword, to judge grammars.
#pragma once

#include <nlohmann/json.hpp>
#include <regex>
#include <string>

namespace hadal {

class SchemaChecker {
 public:
  using Json = nlohmann::ordered_json;

  explicit SchemaChecker(const Json& root) : root_(root) {}
  bool fits(const Json& value) const { return fits(root_, value); }

 private:
  static size_t length(const std::string& text) {
    size_t count = 0;
    for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    return count;
  }

  static bool is_type(const Json& value, const std::string& type) {
    if (type == "number") return value.is_number();
    if (type == "integer") return value.is_number_integer();
    return value.type_name() == type;
  }

  bool fits(const Json& schema, const Json& value) const {
    if (schema.is_boolean()) return schema.get<bool>();
    if (schema.value("nullable", false) && value.is_null()) return true;
    for (const auto& [word, asked] : schema.items())
      if (!holds(schema, word, asked, value)) return false;
    return true;
  }

  bool holds(const Json& schema, const std::string& word, const Json& asked,
             const Json& value) const {
    const auto count = [&](const Json& options) {
      size_t fitting = 0;
      for (const Json& option : options) fitting += fits(option, value);
      return fitting;
    };
    if (word == "$ref")
      return fits(root_.at(Json::json_pointer(asked.get<std::string>().substr(1))), value);
    if (word == "anyOf") return count(asked) > 0;
    if (word == "oneOf") return count(asked) == 1;
    if (word == "allOf") return count(asked) == asked.size();
    if (word == "const") return value == asked;
    if (word == "enum") {
      for (const Json& option : asked)
        if (option == value) return true;
      return false;
    }
    if (word == "type") {
      if (asked.is_string()) return is_type(value, asked);
      for (const Json& type : asked)
        if (is_type(value, type)) return true;
      return false;
    }
    if (value.is_number()) return number_holds(word, asked, value);
    if (value.is_string()) return string_holds(word, asked, value);
    if (value.is_array()) return array_holds(schema, word, asked, value);
    if (value.is_object()) return object_holds(schema, word, asked, value);
    return true;
  }

  static bool number_holds(const std::string& word, const Json& asked, const Json& value) {
    if (word == "minimum") return value >= asked;
    if (word == "maximum") return value <= asked;
    if (word == "exclusiveMinimum") return value > asked;
    if (word == "exclusiveMaximum") return value < asked;
    return true;
  }

  static bool string_holds(const std::string& word, const Json& asked, const std::string& value) {
    if (word == "minLength") return length(value) >= asked.get<size_t>();
    if (word == "maxLength") return length(value) <= asked.get<size_t>();
    if (word == "pattern") return std::regex_search(value, std::regex(asked.get<std::string>()));
    return true;
  }

  bool array_holds(const Json& schema, const std::string& word, const Json& asked,
                   const Json& value) const {
    if (word == "minItems") return value.size() >= asked.get<size_t>();
    if (word == "maxItems") return value.size() <= asked.get<size_t>();
    const size_t listed = schema.contains("prefixItems") ? schema["prefixItems"].size() : 0;
    if (word == "prefixItems") {
      for (size_t i = 0; i < std::min(listed, value.size()); ++i)
        if (!fits(asked[i], value[i])) return false;
    } else if (word == "items") {
      for (size_t i = listed; i < value.size(); ++i)
        if (!fits(asked, value[i])) return false;
    }
    return true;
  }

  bool object_holds(const Json& schema, const std::string& word, const Json& asked,
                    const Json& value) const {
    if (word == "minProperties") return value.size() >= asked.get<size_t>();
    if (word == "maxProperties") return value.size() <= asked.get<size_t>();
    if (word == "required") {
      for (const Json& name : asked)
        if (!value.contains(name.get<std::string>())) return false;
    } else if (word == "properties") {
      for (const auto& [name, member] : asked.items())
        if (value.contains(name) && !fits(member, value[name])) return false;
    } else if (word == "additionalProperties") {
      for (const auto& [name, member] : value.items())
        if (!(schema.contains("properties") && schema["properties"].contains(name)) &&
            !fits(asked, member))
          return false;
    }
    return true;
  }

  const Json& root_;
};

}  // namespace hadal
