// SPDX-License-Identifier: MIT
// From a schema to nodes.  A schema is flattened first (references with neighbours and allOf become
// one schema), then its alternatives, then its types are written.
#include "grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/json.h"
#include "grammar/json_formats.h"
#include "grammar/json_numbers.h"
#include "grammar/json_text.h"
#include "grammar/regex.h"
#include "grammar/schema_merge.h"

namespace hadal {
namespace {

using Json = SchemaJson;

constexpr int kDeepest = 100;             // schemas within schemas, references not counted
constexpr int kMostMerges = 64;           // references and allOf within each other
constexpr int64_t kMostValues = 1 << 19;  // JSON values looked at: schemas are copied to be merged
constexpr int64_t kMostNodes = 1 << 19;   // of the grammar
constexpr size_t kMostPrefixItems = 256;  // each is written inside the one before
constexpr size_t kLongestName = 512;      // beside which other names are written

constexpr std::array<std::string_view, 26> kKnown = {"type",
                                                     "enum",
                                                     "const",
                                                     "properties",
                                                     "required",
                                                     "items",
                                                     "prefixItems",
                                                     "minItems",
                                                     "maxItems",
                                                     "additionalProperties",
                                                     "minLength",
                                                     "maxLength",
                                                     "pattern",
                                                     "format",
                                                     "minProperties",
                                                     "maxProperties",
                                                     "minimum",
                                                     "maximum",
                                                     "exclusiveMinimum",
                                                     "exclusiveMaximum",
                                                     "anyOf",
                                                     "oneOf",
                                                     "allOf",
                                                     "$ref",
                                                     "nullable",
                                                     "multipleOf"};

bool is_known(std::string_view word) {
  return std::find(kKnown.begin(), kKnown.end(), word) != kKnown.end();
}

bool is_reference(const Json& schema) {
  return schema.is_object() && schema.contains("$ref");
}

// Whether anything beside these keywords says what is valid.
bool says_more(const Json& schema, std::initializer_list<std::string_view> than) {
  for (const auto& [word, value] : schema.items())
    if (!is_annotation(word) && std::find(than.begin(), than.end(), word) == than.end())
      return true;
  return false;
}

Json without(Json schema, std::initializer_list<const char*> words) {
  for (const char* word : words) schema.erase(word);
  return schema;
}

std::string decimal_text(double value) {
  std::array<char, 512> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed).ptr;
  return {text.data(), end};
}

std::string decimal_text(const Json& number) {
  return number.is_number_integer() ? number.dump() : decimal_text(number.get<double>());
}

class SchemaReader {
 public:
  SchemaReader(Grammar& grammar, const Json& root, const JsonSchemaOptions& options)
      : grammar_(grammar), root_(root), options_(options), text_(grammar, options.avoided) {}

  Result<NodeId> read() {
    TRY(const NodeId node, value(root_, options_.name, 0));
    TRY_STATUS(finish_references());
    return node;
  }

  Result<std::vector<JsonSchemaMember>> read_members() {
    TRY(const Json schema, flatten(root_, options_.name, 0, Reference::follow));
    const std::vector<std::string> types = schema_types(schema);
    if (!schema.is_object() || types != std::vector<std::string>{"object"} ||
        says_more(schema, {"type", "properties", "required", "additionalProperties"}))
      return fail(options_.name, ": expected an object with properties and nothing else");
    TRY_STATUS(check_properties(schema, options_.name));
    std::vector<JsonSchemaMember> members;
    const Json properties = properties_of(schema);
    for (const auto& [name, member] : properties.items()) {
      TRY(JsonSchemaMember made, read_member(name, member));
      made.required = is_required(schema, name);
      members.push_back(std::move(made));
    }
    TRY_STATUS(finish_references());
    return members;
  }

 private:
  enum class Reference { keep, follow };
  enum class Writing { json, plain };

  template <typename... Parts>
  static Error refuse(const std::string& path, const Parts&... parts) {
    return fail(printable(path), ": ", parts...);
  }

  Status charge(const Json& json, const std::string& path) {
    std::vector<const Json*> todo = {&json};
    while (!todo.empty()) {
      const Json& next = *todo.back();
      todo.pop_back();
      if (++values_ > kMostValues || grammar_.size() > kMostNodes)
        return refuse(path,
                      "the schema is too large once its references and alternatives are "
                      "written out");
      if (next.is_structured())
        for (const Json& part : next) todo.push_back(&part);
    }
    return Ok{};
  }

  // ---- References ----

  Result<const Json*> find(const Json& reference, const std::string& path) const {
    if (!reference.is_string()) return refuse(path, "$ref is no string");
    const std::string& text = reference.get_ref<const std::string&>();
    if (text != "#" && !text.starts_with("#/"))
      return refuse(path, "$ref \"", printable(text), "\": expected one within the document, #/…");
    const Json* at = &root_;
    for (size_t begin = 2; text != "#" && begin <= text.size();) {
      const size_t end = std::min(text.find('/', begin), text.size());
      std::string name = text.substr(begin, end - begin);
      for (const auto& [code, c] : {std::pair{"~1", "/"}, std::pair{"~0", "~"}})
        for (size_t i = 0; (i = name.find(code, i)) != std::string::npos; ++i)
          name.replace(i, 2, c);
      const bool is_index = !name.empty() && name.size() < 7 &&
                            name.find_first_not_of("0123456789") == std::string::npos;
      if (at->is_object() && at->contains(name))
        at = &(*at)[name];
      else if (at->is_array() && is_index && std::stoul(name) < at->size())
        at = &(*at)[std::stoul(name)];
      else
        return refuse(path, "$ref \"", printable(text), "\" leads nowhere");
      begin = end + 1;
    }
    return at;
  }

  // The rule of what a reference means; it is written later, so that schemas may be recursive.
  Result<NodeId> reference(const Json& schema, const std::string& path) {
    TRY(const Json* const target, find(schema["$ref"], path));
    const auto [place, is_new] = rules_.try_emplace(target, -1);
    if (is_new) {
      place->second = grammar_.add_rule(printable(schema["$ref"].get<std::string>()));
      waiting_.push_back({place->second, target, schema["$ref"].get<std::string>()});
    }
    return grammar_.rule(place->second);
  }

  Status finish_references() {
    while (!waiting_.empty()) {
      const Waiting next = std::move(waiting_.back());
      waiting_.pop_back();
      TRY(const NodeId node, value(*next.schema, next.path, 0));
      grammar_.define(next.rule, node);
    }
    return Ok{};
  }

  // ---- Flattening ----

  Status check_keywords(const Json& schema, const std::string& path) const {
    if (schema.is_boolean()) return Ok{};
    if (!schema.is_object())
      return refuse(path, "found ", schema.type_name(),
                    ", expected a schema: an object or a boolean");
    for (const auto& [word, value] : schema.items())
      if (!is_known(word) && !is_annotation(word))
        return refuse(path, "\"", printable(word), "\" is not supported");
    return Ok{};
  }

  // One schema without allOf; without $ref too, unless it says nothing else and may be kept.
  Result<Json> flatten(const Json& schema, const std::string& path, int merges,
                       Reference reference) {
    if (merges > kMostMerges)
      return refuse(path, "$ref and allOf lead deeper than ", kMostMerges, " schemas");
    TRY_STATUS(check_keywords(schema, path));
    TRY_STATUS(charge(schema, path));
    if (schema == false) return Json(false);
    if (schema == true) return Json::object();
    if (is_reference(schema) && reference == Reference::keep && !says_more(schema, {"$ref"}))
      return Json{{"$ref", schema["$ref"]}};
    Json flat = without(schema, {"$ref", "allOf", "nullable", "$defs", "definitions"});
    if (schema.contains("nullable")) {
      if (!schema["nullable"].is_boolean()) return refuse(path, "nullable is no boolean");
      if (schema["nullable"] == true && flat.contains("type")) {
        if (!flat["type"].is_array()) flat["type"] = Json::array({flat["type"]});
        flat["type"].push_back("null");
      }
    }
    TRY_STATUS(check_shapes(flat, path));
    if (is_reference(schema)) {
      TRY(const Json* const target, find(schema["$ref"], path));
      TRY(const Json other, flatten(*target, path, merges + 1, Reference::follow));
      TRY(flat, merge_schemas(flat, other, path));
    }
    if (!schema.contains("allOf")) return flat;
    if (!schema["allOf"].is_array()) return refuse(path, "allOf is no array");
    for (const Json& part : schema["allOf"]) {
      TRY(const Json other, flatten(part, path + "/allOf", merges + 1, Reference::follow));
      TRY(flat, merge_schemas(flat, other, path));
      TRY_STATUS(charge(flat, path));
    }
    return flat;
  }

  // What merging and writing take for granted.
  static Status check_shapes(const Json& schema, const std::string& path) {
    const auto is_list_of_names = [](const Json& list) {
      return list.is_array() && std::all_of(list.begin(), list.end(),
                                            [](const Json& name) { return name.is_string(); });
    };
    static constexpr std::array<std::string_view, 6> kTypes = {"object", "array",   "string",
                                                               "number", "boolean", "null"};
    const auto is_type = [](const Json& type) {
      return type.is_string() &&
             (type == "integer" || std::find(kTypes.begin(), kTypes.end(),
                                             type.get_ref<const std::string&>()) != kTypes.end());
    };
    for (const auto& [word, value] : schema.items()) {
      bool fits = true;
      if (word == "type")
        fits = value.is_array() ? std::all_of(value.begin(), value.end(), is_type) : is_type(value);
      else if (word == "properties")
        fits = value.is_object();
      else if (word == "required")
        fits = is_list_of_names(value);
      else if (word == "enum" || word == "anyOf" || word == "oneOf" || word == "prefixItems")
        fits = value.is_array() && !value.empty();
      else if (word == "pattern" || word == "format")
        fits = value.is_string();
      else if (word.ends_with("imum") || word == "multipleOf")
        fits = value.is_number();
      else if (word.starts_with("min") || word.starts_with("max"))
        fits = value.is_number_integer() && value >= 0 && value <= int64_t{1} << 40;
      else if (word == "additionalProperties" || word == "items")
        fits = value.is_object() || value.is_boolean();
      if (!fits)
        return refuse(path, printable(word), " is ", printable(value.dump(-1, ' ', true)),
                      ", which cannot stand there");
    }
    return Ok{};
  }

  // ---- Values ----

  Result<NodeId> value(const Json& schema, const std::string& path, int depth) {
    if (depth > kDeepest) return refuse(path, "nested deeper than ", kDeepest, " schemas");
    TRY(const Json flat, flatten(schema, path, 0, Reference::keep));
    if (is_reference(flat)) return reference(flat, path);
    return flat_value(flat, path, depth, Writing::json);
  }

  Result<NodeId> flat_value(const Json& schema, const std::string& path, int depth,
                            Writing writing) {
    if (schema == false) return grammar_.choice({});
    for (const char* word : {"anyOf", "oneOf"})
      if (schema.contains(word)) return alternatives(schema, word, path, depth, writing);
    if (schema.contains("enum") || schema.contains("const")) return constant(schema, path, writing);
    std::vector<NodeId> ways;
    for (const std::string& type : schema_types(schema)) {
      TRY(const NodeId way, of_type(type, schema, path, depth, writing));
      ways.push_back(way);
    }
    return grammar_.choice(std::move(ways));
  }

  Result<NodeId> alternatives(const Json& schema, const char* word, const std::string& path,
                              int depth, Writing writing) {
    const Json base = without(schema, {word});
    std::vector<Json> options;
    for (size_t i = 0; i < schema[word].size(); ++i) {
      const std::string here = path + "/" + word + "/" + std::to_string(i);
      const Json& option = schema[word][i];
      const bool alone = !says_more(base, {}) && writing == Writing::json;
      if (alone && word == std::string_view("anyOf")) {
        options.push_back(option);
        continue;
      }
      TRY(Json flat, flatten(option, here, 1, Reference::follow));
      TRY(flat, merge_schemas(base, flat, here));
      TRY_STATUS(charge(flat, here));
      options.push_back(std::move(flat));
    }
    if (word == std::string_view("oneOf")) TRY_STATUS(check_disjoint(options, path));
    std::vector<NodeId> ways;
    for (size_t i = 0; i < options.size(); ++i) {
      const std::string here = path + "/" + word + "/" + std::to_string(i);
      if (writing == Writing::json) {
        TRY(const NodeId way, value(options[i], here, depth + 1));
        ways.push_back(way);
      } else {
        if (depth > kDeepest) return refuse(here, "nested deeper than ", kDeepest, " schemas");
        TRY(const NodeId way, flat_value(options[i], here, depth + 1, writing));
        ways.push_back(way);
      }
    }
    return grammar_.choice(std::move(ways));
  }

  static Status check_disjoint(const std::vector<Json>& options, const std::string& path) {
    constexpr size_t kMostOptions = 256;  // each is compared with each
    if (options.size() > kMostOptions)
      return refuse(path, "oneOf of ", options.size(), " schemas, expected at most ", kMostOptions);
    for (size_t i = 0; i < options.size(); ++i)
      for (size_t k = 0; k < i; ++k)
        if (!are_disjoint(options[i], options[k]))
          return refuse(path, "oneOf: a value may fit its schemas ", k, " and ", i,
                        "; expected types, constants or a required member that tell them apart, "
                        "or anyOf");
    return Ok{};
  }

  Result<NodeId> constant(const Json& schema, const std::string& path, Writing writing) {
    if (says_more(schema, {"enum", "const", "type"}))
      return refuse(path, "enum and const beside other keywords are not supported");
    std::vector<NodeId> ways;
    const Json values = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
    for (const Json& constant : values) {
      if (schema.contains("const") && constant != schema["const"]) continue;
      if (!fits_type(constant, schema)) continue;
      if (writing == Writing::json) {
        ways.push_back(text_.value(constant));
        continue;
      }
      const std::string& plain = constant.get_ref<const std::string&>();
      for (const CharacterSet::Range& range : options_.avoided.ranges())
        for (char32_t point = range.first; point <= range.last; ++point)
          if (plain.find(utf8_of(point)) != std::string::npos)
            return refuse(path, "a constant holds ", utf8_of(point), ", which cannot be written");
      ways.push_back(grammar_.literal(plain));
    }
    return grammar_.choice(std::move(ways));
  }

  static bool fits_type(const Json& value, const Json& schema) {
    if (!schema.contains("type")) return true;
    const std::vector<std::string> types = schema_types(schema);
    const auto has = [&](std::string_view type) {
      return std::find(types.begin(), types.end(), type) != types.end();
    };
    if (!value.is_number()) return has(value.type_name());
    const bool is_whole =
        value.is_number_integer() || value.get<double>() == std::floor(value.get<double>());
    return has("number") || (is_whole && has("integer"));
  }

  Result<NodeId> of_type(const std::string& type, const Json& schema, const std::string& path,
                         int depth, Writing writing) {
    if (type == "object") return object(schema, path, depth);
    if (type == "array") return array(schema, path, depth);
    if (type == "string") return string(schema, path, writing);
    if (type == "integer") return integer(schema, path);
    if (type == "number") return number(schema, path);
    if (type == "boolean")
      return grammar_.choice({grammar_.literal("true"), grammar_.literal("false")});
    return grammar_.literal("null");
  }

  // ---- Objects and arrays ----

  static Json properties_of(const Json& schema) {
    return schema.contains("properties") ? schema["properties"] : Json::object();
  }
  static bool is_required(const Json& schema, const std::string& name) {
    return schema.contains("required") &&
           std::find(schema["required"].begin(), schema["required"].end(), Json(name)) !=
               schema["required"].end();
  }

  // Members that are required and not listed have no place in the order.
  static Status check_properties(const Json& schema, const std::string& path) {
    if (!schema.contains("required")) return Ok{};
    const Json properties = properties_of(schema);
    for (const Json& name : schema["required"])
      if (!properties.contains(name.get_ref<const std::string&>()))
        return refuse(path, "requires \"", printable(name.get_ref<const std::string&>()),
                      "\", which properties does not list");
    return Ok{};
  }

  Result<NodeId> object(const Json& schema, const std::string& path, int depth) {
    TRY_STATUS(check_properties(schema, path));
    const Json properties = properties_of(schema);
    const bool counted = schema.contains("minProperties") || schema.contains("maxProperties");
    if (!says_more(schema, {"type"})) return text_.any_object();
    // A rule of its own: it may be written in several places.
    const RuleId rule = grammar_.add_rule(printable(path));
    std::vector<JsonText::Member> members;
    std::vector<std::string> names;
    for (const auto& [name, member] : properties.items()) {
      const std::string here = path + "/properties/" + name;
      TRY(const NodeId node, value(member, here, depth + 1));
      names.push_back(name);
      if (member == false && !is_required(schema, name)) continue;
      members.push_back({grammar_.sequence({text_.quoted(name), grammar_.literal(":"),
                                            text_.small_blank(), node}),
                         is_required(schema, name)});
    }
    TRY(const std::optional<NodeId> further, further_member(schema, names, path, depth));
    if (counted) {
      if (!members.empty() || !further)
        return refuse(path, "minProperties and maxProperties beside properties are not supported");
      TRY(const NodeId map, counted_map(schema, *further, path));
      grammar_.define(rule, map);
    } else {
      grammar_.define(rule, text_.object(members, further));
    }
    return grammar_.rule(rule);
  }

  // A member that is not listed, if there may be any.
  Result<std::optional<NodeId>> further_member(const Json& schema,
                                               const std::vector<std::string>& names,
                                               const std::string& path, int depth) {
    const bool asked = schema.contains("additionalProperties");
    if (asked ? schema["additionalProperties"] == false : !names.empty())
      return std::optional<NodeId>();
    for (const std::string& name : names)
      if (name.size() > kLongestName)
        return refuse(path, "a name of ", name.size(),
                      " bytes beside additionalProperties, at most ", kLongestName);
    NodeId member = text_.any_value();
    if (asked && schema["additionalProperties"].is_object()) {
      TRY(member, value(schema["additionalProperties"], path + "/additionalProperties", depth + 1));
    }
    const NodeId name = names.empty() ? text_.any_string() : text_.name_other_than(names);
    return std::optional(
        grammar_.sequence({name, grammar_.literal(":"), text_.small_blank(), member}));
  }

  // A name may be written twice, so nothing can be said of how many different ones there are,
  // but for none and some.
  Result<NodeId> counted_map(const Json& schema, NodeId member, const std::string& path) {
    const int64_t least = count_of(schema, "minProperties", 0);
    const int64_t most = count_of(schema, "maxProperties", kNoMost);
    if (least > 1) return refuse(path, "minProperties of more than 1 is not supported");
    const NodeId close = grammar_.sequence({text_.blank(), grammar_.literal("}")});
    std::vector<NodeId> ways;
    if (least == 0) ways.push_back(grammar_.sequence({grammar_.literal("{"), close}));
    if (most != 0)
      ways.push_back(grammar_.sequence(
          {grammar_.literal("{"), text_.blank(), text_.list(member, 1, most), close}));
    return grammar_.choice(std::move(ways));
  }

  static int64_t count_of(const Json& schema, const char* word, int64_t otherwise) {
    return schema.contains(word) ? schema[word].get<int64_t>() : otherwise;
  }

  Result<NodeId> array(const Json& schema, const std::string& path, int depth) {
    if (!says_more(schema, {"type"})) return text_.any_array();
    const RuleId rule = grammar_.add_rule(printable(path));
    const int64_t least = count_of(schema, "minItems", 0);
    const int64_t most = count_of(schema, "maxItems", kNoMost);
    if (most != kNoMost && most < least)
      return refuse(path, "minItems is ", least, " and maxItems ", most);
    std::vector<NodeId> elements;
    if (schema.contains("prefixItems")) {
      const Json& prefix = schema["prefixItems"];
      if (prefix.size() > kMostPrefixItems)
        return refuse(path, prefix.size(), " prefixItems, expected at most ", kMostPrefixItems);
      for (size_t i = 0; i < prefix.size(); ++i) {
        if (most != kNoMost && static_cast<int64_t>(i) >= most) break;
        TRY(const NodeId element,
            value(prefix[i], path + "/prefixItems/" + std::to_string(i), depth + 1));
        elements.push_back(element);
      }
    }
    std::optional<NodeId> further;
    if (schema.contains("items")) {
      if (schema["items"] != false) {
        TRY(further, value(schema["items"], path + "/items", depth + 1));
      }
    } else if (elements.empty() || least > static_cast<int64_t>(elements.size())) {
      further = text_.any_value();
    }
    if (!further && least > static_cast<int64_t>(elements.size()))
      return refuse(path, "minItems is ", least, ", but there can be only ", elements.size());
    if (std::max(least, most) > (1 << 17)) return refuse(path, "more elements than can be counted");
    grammar_.define(rule, text_.array(elements, least, further, most));
    return grammar_.rule(rule);
  }

  // ---- Strings and numbers ----

  Result<NodeId> string(const Json& schema, const std::string& path, Writing writing) {
    const bool counted = schema.contains("minLength") || schema.contains("maxLength");
    const int shapes = (schema.contains("pattern") ? 1 : 0) + (schema.contains("format") ? 1 : 0) +
                       (counted ? 1 : 0);
    if (shapes > 1)
      return refuse(path, "only one of pattern, format and a length can be held at once");
    if (shapes == 0 && writing == Writing::json) return text_.any_string();
    NodeId inside = -1;
    if (schema.contains("pattern") || schema.contains("format")) {
      TRY(inside, patterned(schema, path, writing));
    } else {
      const int64_t least = count_of(schema, "minLength", 0);
      const int64_t most = count_of(schema, "maxLength", kNoMost);
      if (most != kNoMost && most < least)
        return refuse(path, "minLength is ", least, " and maxLength ", most);
      const NodeId character = writing == Writing::json
                                   ? text_.character()
                                   : grammar_.characters(options_.avoided.complement());
      inside = grammar_.repeat(character, least, most);
    }
    if (writing == Writing::plain) return inside;
    const NodeId quote = grammar_.literal("\"");
    const RuleId rule = grammar_.add_rule(printable(path));
    grammar_.define(rule, grammar_.sequence({quote, inside, quote}));
    return grammar_.rule(rule);
  }

  Result<NodeId> patterned(const Json& schema, const std::string& path, Writing writing) {
    const bool is_pattern = schema.contains("pattern");
    std::string pattern;
    if (is_pattern) {
      pattern = schema["pattern"].get<std::string>();
    } else {
      const std::string format = schema["format"].get<std::string>();
      pattern = format_pattern(format);
      if (pattern.empty())
        return refuse(path, "format \"", printable(format), "\" is not supported; expected one of ",
                      known_formats());
    }
    const std::string name = printable(path) + "/pattern";
    const SpellCharacters spell = [this, writing](Grammar& grammar, const CharacterSet& set) {
      return writing == Writing::json ? text_.spell(set)
                                      : grammar.characters(set.without(options_.avoided));
    };
    return add_regex(grammar_, pattern,
                     {.match = is_pattern ? RegexMatch::search : RegexMatch::whole,
                      .spell = spell,
                      .name = name});
  }

  Result<NodeId> integer(const Json& schema, const std::string& path) {
    if (schema.contains("multipleOf") && schema["multipleOf"] != 1)
      return refuse(path, "multipleOf is not supported");
    int64_t least = std::numeric_limits<int64_t>::min() + 1;
    int64_t most = std::numeric_limits<int64_t>::max();
    const auto bound = [&](const char* word, bool lower, bool open) -> Status {
      if (!schema.contains(word)) return Ok{};
      const Json& number = schema[word];
      int64_t whole = 0;
      bool exact = true;
      if (number.is_number_integer()) {
        if (number.is_number_unsigned() && number.get<uint64_t>() > INT64_MAX)
          return refuse(path, word, " is beyond 64 bits");
        whole = number.get<int64_t>();
      } else {
        const double value = number.get<double>();
        if (!(std::abs(value) < 9e18)) return refuse(path, word, " is beyond 64 bits");
        whole = static_cast<int64_t>(lower ? std::ceil(value) : std::floor(value));
        exact = static_cast<double>(whole) == value;
      }
      if (open && exact && (whole == (lower ? INT64_MAX : INT64_MIN)))
        return refuse(path, word, " leaves no number of 64 bits");
      if (open && exact) whole += lower ? 1 : -1;
      (lower ? least : most) = lower ? std::max(least, whole) : std::min(most, whole);
      return Ok{};
    };
    TRY_STATUS(bound("minimum", true, false));
    TRY_STATUS(bound("exclusiveMinimum", true, true));
    TRY_STATUS(bound("maximum", false, false));
    TRY_STATUS(bound("exclusiveMaximum", false, true));
    const RuleId rule = grammar_.add_rule(printable(path));
    grammar_.define(rule, integer_between(grammar_, least, most));
    return grammar_.rule(rule);
  }

  Result<NodeId> number(const Json& schema, const std::string& path) {
    if (schema.contains("multipleOf")) {
      if (schema["multipleOf"] == 1) return integer(schema, path);
      return refuse(path, "multipleOf is not supported");
    }
    NumberBounds bounds;
    const auto tighter = [&](const char* closed, const char* open, bool lower) {
      std::optional<std::string> bound;
      bool left_out = false;
      if (schema.contains(closed)) bound = decimal_text(schema[closed]);
      const bool is_tighter =
          schema.contains(open) &&
          (!schema.contains(closed) ||
           (lower ? schema[open] >= schema[closed] : schema[open] <= schema[closed]));
      if (is_tighter) {
        bound = decimal_text(schema[open]);
        left_out = true;
      }
      (lower ? bounds.least : bounds.most) = bound;
      (lower ? bounds.above_least : bounds.below_most) = left_out;
    };
    tighter("minimum", "exclusiveMinimum", true);
    tighter("maximum", "exclusiveMaximum", false);
    if (!bounds.least && !bounds.most) return text_.number();
    const RuleId rule = grammar_.add_rule(printable(path));
    grammar_.define(rule, number_between(grammar_, bounds));
    return grammar_.rule(rule);
  }

  // ---- Members on their own ----

  Result<JsonSchemaMember> read_member(const std::string& name, const Json& schema) {
    const std::string path = options_.name + "/properties/" + name;
    TRY(const Json flat, flatten(schema, path, 0, Reference::follow));
    JsonSchemaMember member{name, false, std::nullopt, std::nullopt};
    TRY(const Json text, merge_schemas(flat, Json::object({{"type", "string"}}), path));
    TRY(const bool writes_text, admits(text, "string", path, 0));
    if (writes_text) {
      TRY(member.text, flat_value(text, path, 0, Writing::plain));
    }
    const Json others = Json::array({"object", "array", "number", "boolean", "null"});
    TRY(const Json json, merge_schemas(flat, Json::object({{"type", others}}), path));
    bool writes_json = false;
    for (const Json& type : others) {
      TRY(const bool writes, admits(json, type.get<std::string>(), path, 0));
      writes_json = writes_json || writes;
    }
    if (writes_json) {
      TRY(member.json, flat_value(json, path, 0, Writing::json));
    }
    return member;
  }

  // Whether a flat schema may admit values of a type.
  Result<bool> admits(const Json& schema, const std::string& type, const std::string& path,
                      int depth) {
    if (schema == false || depth > kDeepest) return false;
    std::vector<std::string> types = schema_types(schema);
    for (std::string& name : types)
      if (name == "integer") name = "number";
    if (std::find(types.begin(), types.end(), type) == types.end()) return false;
    for (const char* word : {"anyOf", "oneOf"}) {
      if (!schema.contains(word)) continue;
      for (const Json& option : schema[word]) {
        TRY(const Json flat, flatten(option, path, 1, Reference::follow));
        TRY(const Json merged, merge_schemas(without(schema, {word}), flat, path));
        TRY(const bool writes, admits(merged, type, path, depth + 1));
        if (writes) return true;
      }
      return false;
    }
    if (!schema.contains("enum") && !schema.contains("const")) return true;
    const Json values = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
    return std::any_of(values.begin(), values.end(), [&](const Json& value) {
      return (value.is_number() ? "number" : value.type_name()) == type && fits_type(value, schema);
    });
  }

  struct Waiting {
    RuleId rule = 0;
    const Json* schema = nullptr;
    std::string path;
  };

  Grammar& grammar_;
  const Json& root_;
  const JsonSchemaOptions& options_;
  JsonText text_;
  std::map<const Json*, RuleId> rules_;  // of what references mean
  std::vector<Waiting> waiting_;
  int64_t values_ = 0;
};

}  // namespace

Result<NodeId> add_json_schema(Grammar& grammar, const nlohmann::ordered_json& schema,
                               const JsonSchemaOptions& options) {
  return SchemaReader(grammar, schema, options).read();
}

Result<Grammar> json_schema_grammar(const nlohmann::ordered_json& schema) {
  Grammar grammar;
  const RuleId root = grammar.add_rule("root");
  TRY(const NodeId node, add_json_schema(grammar, schema, {}));
  grammar.define(root, node);
  return grammar;
}

Result<Grammar> json_object_grammar() {
  Grammar grammar;
  const RuleId root = grammar.add_rule("root");
  grammar.define(root, JsonText(grammar, {}).any_object());
  return grammar;
}

Result<std::vector<JsonSchemaMember>> add_json_members(Grammar& grammar,
                                                       const nlohmann::ordered_json& schema,
                                                       const JsonSchemaOptions& options) {
  return SchemaReader(grammar, schema, options).read_members();
}

}  // namespace hadal
