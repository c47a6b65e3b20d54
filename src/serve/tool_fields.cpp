// SPDX-License-Identifier: MIT
// Tools in a request.
#include "serve/tool_fields.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

using Mode = ToolChoice::Mode;

ApiResult<Mode> read_mode(const std::string& word, const std::string& where) {
  if (word == "none") return Mode::none;
  if (word == "auto") return Mode::automatic;
  if (word == "required") return Mode::required;
  return bad_field(where, "found \"", word.substr(0, 40), "\", expected none, auto or required");
}

// The name stands in the tool, or in its function.
ApiResult<std::string> read_name(const OrderedJson& tool, const std::string& where) {
  if (!tool.is_object()) return bad_field(where, "found ", json_kind(tool), ", expected a tool");
  JsonFields inside(tool, where);
  TRY(const std::string type, inside.needed_text("type"));
  if (type != "function" && type != "custom")
    return bad_field(inside.path("type"), "found \"", type.substr(0, 40),
                     "\", expected function, custom or allowed_tools");
  TRY(const OrderedJson* const function, inside.object(type));
  if (!function) return inside.needed_text("name");
  JsonFields named(*function, inside.path("function"));
  return named.needed_text("name");
}

// {"type": "allowed_tools", "mode": "auto", "tools": […]}; chat completions wrap mode and tools
// once more.
ApiResult<ToolChoice> read_allowed(JsonFields& choice) {
  TRY(const OrderedJson* const wrapped, choice.object("allowed_tools"));
  if (wrapped) {
    JsonFields inside(*wrapped, choice.path("allowed_tools"));
    return read_allowed(inside);
  }
  TRY(const std::string mode, choice.needed_text("mode"));
  ToolChoice made;
  TRY(made.mode, read_mode(mode, choice.path("mode")));
  TRY(const OrderedJson* const tools, choice.array("tools"));
  if (!tools || tools->empty())
    return bad_field(choice.path("tools"), "is missing or empty, expected tools");
  made.names.emplace();
  for (size_t i = 0; i < tools->size(); ++i) {
    TRY(std::string name,
        read_name((*tools)[i], choice.path("tools") + "[" + std::to_string(i) + "]"));
    made.names->push_back(std::move(name));
  }
  return made;
}

}  // namespace

bool OfferedTools::held() const {
  const bool strict =
      std::any_of(tools.begin(), tools.end(), [](const CallTool& tool) { return tool.strict; });
  return !tools.empty() && (required || restricted || strict);
}

ApiResult<CallTool> read_tool(JsonFields& tool, std::string_view parameters) {
  CallTool made;
  TRY(made.name, tool.needed_text("name"));
  TRY(const OrderedJson* const schema, tool.object(parameters));
  if (schema) made.parameters = *schema;
  TRY(const std::optional<bool> strict, tool.flag("strict"));
  made.strict = strict.value_or(false);
  made.field = tool.path(parameters);
  return made;
}

ApiResult<ToolChoice> read_openai_choice(JsonFields& fields) {
  const OrderedJson& value = fields.any("tool_choice");
  const std::string where = fields.path("tool_choice");
  ToolChoice choice;
  if (value.is_null()) return choice;
  if (value.is_string()) {
    TRY(choice.mode, read_mode(value.get<std::string>(), where));
    return choice;
  }
  if (!value.is_object())
    return bad_field(where, "found ", json_kind(value), ", expected a string or an object");
  if (value.value("type", OrderedJson()) == "allowed_tools") {
    JsonFields inside(value, where);
    return read_allowed(inside);
  }
  choice.mode = Mode::required;
  TRY(std::string name, read_name(value, where));
  choice.names = {std::move(name)};
  return choice;
}

ApiStatus choose_tools(const ToolChoice& choice, const std::string& field,
                       std::vector<CallTool> tools, OfferedTools& offered) {
  CHECK(choice.mode != Mode::none, "no tools may be called");
  offered.required = choice.mode == Mode::required;
  if (offered.required && tools.empty()) return bad_field(field, "needs tools");
  if (!choice.names) {
    offered.tools = std::move(tools);
    return Ok{};
  }
  for (const std::string& name : *choice.names) {
    const auto found = std::find_if(tools.begin(), tools.end(),
                                    [&](const CallTool& tool) { return tool.name == name; });
    if (found == tools.end())
      return bad_field(field, "\"", name.substr(0, 80), "\" is none of the tools");
    offered.tools.push_back(*found);
  }
  offered.restricted = true;
  return Ok{};
}

}  // namespace hadal
