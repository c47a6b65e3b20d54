// SPDX-License-Identifier: MIT
// The block of calls, from the inside out: values, parameters, calls, the block.
//
//   \n\n<｜DSML｜ calls>\n
//   <｜DSML｜ invoke name="N">
//   \n<｜DSML｜ parameter name="K" string="true">VALUE</｜DSML｜ parameter>      any number of them
//   \n</｜DSML｜ invoke>
//   \n</｜DSML｜ calls>
//
// A value is ended by a control token, which its text cannot hold: nothing needs escaping.
#include "serve/call_form.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/json.h"
#include "grammar/json_schema.h"
#include "grammar/json_text.h"
#include "text/dsml_names.h"

namespace hadal {
namespace {

// As the services allow for names, with room; a name stands in quotes that nothing escapes.
constexpr size_t kLongestName = 256;

Status check_name(const std::string& name, const std::string& field) {
  const bool fits = !name.empty() && name.size() <= kLongestName &&
                    std::all_of(name.begin(), name.end(), [](char c) {
                      return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '<';
                    });
  if (fits) return Ok{};
  return fail(field, ": the tool or a parameter is named \"", printable(name), "\", expected 1 to ",
              kLongestName, " bytes without quotes, < and control characters");
}

// A value of a parameter: as plain text, as JSON, or one of both.
struct Value {
  std::optional<NodeId> text, json;
};

class CallWriter {
 public:
  CallWriter(Grammar& grammar, const CallForm& form)
      : grammar_(grammar), form_(form), names_(dsml_names(form.dialect)), text_(grammar, {}) {}

  Result<NodeId> block() {
    std::vector<NodeId> ways;
    for (const CallTool& tool : form_.tools) {
      TRY(const NodeId way, call(tool));
      ways.push_back(way);
    }
    const RuleId rule = grammar_.add_rule("call");
    grammar_.define(rule, grammar_.choice(std::move(ways)));
    const NodeId more = grammar_.sequence({grammar_.literal("\n"), grammar_.rule(rule)});
    const NodeId calls = grammar_.sequence(
        {grammar_.rule(rule), grammar_.repeat(more, 0, form_.one_call ? 0 : kNoMost)});
    const NodeId open = form_.begin == CallForm::Begin::whole
                            ? tag(kBeforeCalls, names_.calls, ">\n")
                            : grammar_.literal(std::string(names_.calls) + ">\n");
    return grammar_.sequence({open, calls, tag("\n</", names_.calls, ">")});
  }

 private:
  NodeId tag(std::string_view opener, std::string_view name, std::string_view end) {
    return grammar_.sequence({grammar_.literal(opener), grammar_.control(form_.marker),
                              grammar_.literal(std::string(name) + std::string(end))});
  }

  // A call without parameters may have an empty line, as the model was shown.
  Result<NodeId> call(const CallTool& tool) {
    TRY_STATUS(check_name(tool.name, tool.field));
    TRY(const NodeId inside, arguments(tool));
    const NodeId head = tag("<", names_.invoke, " name=\"" + tool.name + "\">");
    return grammar_.sequence({head, inside, tag("\n</", names_.invoke, ">")});
  }

  Result<NodeId> arguments(const CallTool& tool) {
    OrderedJson schema = tool.parameters;
    if (schema.is_null() || schema.empty())
      schema = {{"type", "object"}, {"properties", OrderedJson::object()}};
    const JsonSchemaOptions options{.name = tool.field};
    Grammar tried;  // what is begun and refused leaves its traces
    if (const auto held = add_json_members(tried, schema, options); !held) {
      if (tool.strict) return held.error();
      return loose_arguments(schema);
    }
    TRY(const std::vector<JsonSchemaMember> members, add_json_members(grammar_, schema, options));
    std::vector<NodeId> parts;
    bool needed = false;
    for (const JsonSchemaMember& member : members) {
      TRY_STATUS(check_name(member.name, tool.field));
      const NodeId part = parameter(member.name, {member.text, member.json});
      parts.push_back(member.required ? part : grammar_.optional(part));
      needed = needed || member.required;
    }
    return needed ? grammar_.sequence(std::move(parts)) : maybe_none(std::move(parts));
  }

  // The listed names with any values; one of any name if none are listed.
  NodeId loose_arguments(const OrderedJson& schema) {
    const NodeId any_text = grammar_.repeat(grammar_.characters(CharacterSet::all()), 0, kNoMost);
    const Value any{any_text, text_.any_value()};
    std::vector<NodeId> parts;
    const auto listed = schema.is_object() ? schema.find("properties") : schema.end();
    if (schema.is_object() && listed != schema.end() && listed->is_object())
      for (const auto& [name, unused] : listed->items())
        if (check_name(name, "")) parts.push_back(grammar_.optional(parameter(name, any)));
    if (parts.empty()) {
      const CharacterSet kept = CharacterSet({{0, 0x1f}, {'"', '"'}, {'<', '<'}}).complement();
      const NodeId name = grammar_.repeat(grammar_.characters(kept), 1, 64);
      parts.push_back(grammar_.optional(parameter(name, any)));
    }
    return maybe_none(std::move(parts));
  }

  NodeId maybe_none(std::vector<NodeId> parts) {
    const NodeId some = grammar_.sequence(std::move(parts));
    return grammar_.choice({grammar_.literal("\n"), some});
  }

  NodeId parameter(const std::string& name, const Value& value) {
    return parameter(grammar_.literal(name), value);
  }
  NodeId parameter(NodeId name, const Value& value) {
    std::vector<NodeId> ways;
    if (value.text)
      ways.push_back(grammar_.sequence({grammar_.literal("\" string=\"true\">"), *value.text}));
    if (value.json)
      ways.push_back(grammar_.sequence({grammar_.literal("\" string=\"false\">"), *value.json}));
    return grammar_.sequence({tag("\n<", names_.parameter, " name=\""), name,
                              grammar_.choice(std::move(ways)), tag("</", names_.parameter, ">")});
  }

  Grammar& grammar_;
  const CallForm& form_;
  const DsmlNames& names_;
  JsonText text_;
};

}  // namespace

Result<NodeId> add_calls(Grammar& grammar, const CallForm& form) {
  return CallWriter(grammar, form).block();
}

}  // namespace hadal
