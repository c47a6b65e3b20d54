// SPDX-License-Identifier: MIT
// OpenAI's responses, in.
#include "serve/responses_codec.h"

#include <set>

#include "serve/custom_input.h"
#include "serve/sealed_text.h"
#include "serve/shown_pictures.h"

namespace hadal {
namespace {

// {"type": "input_image", "image_url": "data:…", "detail"}: pictures are seen at one size.
ApiResult<Block> read_image(JsonFields& part, const std::string& where, ChatCall& call) {
  TRY(const std::optional<std::string> detail, part.text("detail"));
  if (detail && *detail != "auto") call.ignored.push_back(where + ".detail");
  TRY(const std::string url, part.needed_text("image_url"));
  return picture_block(url, where + ".image_url", call);
}

// Content of a message: a string, or parts with text, or pictures and clips for a model that sees.
ApiResult<std::vector<Block>> read_parts(const OrderedJson& value, const std::string& where,
                                         Sees sees, ChatCall& call) {
  std::vector<Block> blocks;
  if (value.is_string()) {
    blocks.push_back({.text = value.get<std::string>()});
    return blocks;
  }
  if (!value.is_array())
    return bad_field(where, "found ", json_kind(value), ", expected a string or parts");
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string here = where + "[" + std::to_string(i) + "]";
    if (!value[i].is_object()) return bad_field(here, "expected an object");
    JsonFields part(value[i], here);
    TRY(const std::string type, part.needed_text("type"));
    if (type == "input_image" && sees == Sees::pictures) {
      TRY(Block picture, read_image(part, here, call));
      blocks.push_back(std::move(picture));
      continue;
    }
    if (is_clip_part(value[i]) && sees == Sees::pictures) {
      TRY(Block clip, clip_block(value[i], here, call));
      blocks.push_back(std::move(clip));
      continue;
    }
    if (type != "input_text" && type != "output_text" && type != "text" &&
        type != "reasoning_text" && type != "summary_text")
      return bad_field(here, "a part of type \"", type.substr(0, 40), "\", but ",
                       sees == Sees::text ? "the model that is served reads text"
                                          : "text, input_image or input_video is expected here");
    TRY(std::string text, part.needed_text("text"));
    blocks.push_back({.text = std::move(text)});
  }
  return blocks;
}

// Items of one turn of the assistant are one message: reasoning, text, calls.
class ItemReader {
 public:
  ItemReader(ChatCall& call, const ChatReading& reading)
      : call_(call), messages_(call.messages), sees_(reading.sees), secret_(reading.secret) {}

  ApiStatus read(const OrderedJson& value, const std::string& where) {
    if (!value.is_object()) return bad_field(where, "expected an object");
    JsonFields item(value, where);
    TRY(const std::optional<std::string> type, item.text("type"));
    if (!type || *type == "message") return read_message(item, where);
    if (*type == "reasoning") return read_reasoning(item, where);
    if (*type == "function_call") return read_call(item);
    if (*type == "custom_tool_call") return read_custom_call(item);
    if (*type == "function_call_output" || *type == "custom_tool_call_output")
      return read_output(item, where);
    return bad_field(where + ".type", "\"", type->substr(0, 40),
                     "\" is not supported; expected message, reasoning, function_call, "
                     "custom_tool_call or the output of one");
  }

 private:
  Message& assistant() {
    if (messages_.empty() || messages_.back().role != Role::assistant)
      messages_.push_back({.role = Role::assistant});
    return messages_.back();
  }

  ApiStatus read_message(JsonFields& item, const std::string& where) {
    TRY(const std::string role, item.needed_text("role"));
    const Sees sees = role == "assistant" ? Sees::text : sees_;
    TRY(std::vector<Block> blocks,
        read_parts(item.any("content"), where + ".content", sees, call_));
    if (role == "assistant") {
      Message& message = assistant();
      message.content.insert(message.content.end(), blocks.begin(), blocks.end());
      return Ok{};
    }
    if (role != "user" && role != "system" && role != "developer")
      return bad_field(where + ".role", "found \"", role.substr(0, 40),
                       "\", expected user, assistant, system or developer");
    Message message;
    message.role = role == "user" ? Role::user : Role::system;
    message.content = std::move(blocks);
    messages_.push_back(std::move(message));
    return Ok{};
  }

  ApiStatus read_reasoning(JsonFields& item, const std::string& where) {
    const OrderedJson& content = item.any("content");
    if (content.is_null() || content.empty()) return read_sealed(item);
    TRY(const std::vector<Block> blocks,
        read_parts(content, where + ".content", Sees::text, call_));
    for (const Block& block : blocks) assistant().reasoning += block.text;
    return Ok{};
  }

  // A summary beside it is not what was thought.
  ApiStatus read_sealed(JsonFields& item) {
    TRY(const std::optional<std::string> sealed, item.text("encrypted_content"));
    if (!sealed || sealed->empty()) return Ok{};
    const std::optional<std::string> thought = open_sealed_text(*sealed, secret_);
    if (!thought)
      return bad_field(item.path("encrypted_content"),
                       "was not made by this server, or was changed since");
    assistant().reasoning += *thought;
    return Ok{};
  }

  ApiStatus read_call(JsonFields& item) {
    TRY(std::string arguments, item.needed_text("arguments"));
    return add_call(item, std::move(arguments));
  }

  ApiStatus read_custom_call(JsonFields& item) {
    TRY(const std::string input, item.needed_text("input"));
    return add_call(item, CustomInput::arguments(input));
  }

  ApiStatus add_call(JsonFields& item, std::string arguments) {
    ToolCall call;
    TRY(call.id, item.needed_text("call_id"));
    TRY(call.name, item.needed_text("name"));
    call.arguments = std::move(arguments);
    calls_.insert(call.id);
    assistant().tool_calls.push_back(std::move(call));
    return Ok{};
  }

  ApiStatus read_output(JsonFields& item, const std::string& where) {
    Message message;
    message.role = Role::tool;
    TRY(message.call_id, item.needed_text("call_id"));
    if (!calls_.contains(message.call_id))
      return bad_field(where + ".call_id", "no call before it has the id \"",
                       message.call_id.substr(0, 80), "\"");
    TRY(message.content, read_parts(item.any("output"), where + ".output", sees_, call_));
    messages_.push_back(std::move(message));
    return Ok{};
  }

  ChatCall& call_;
  std::vector<Message>& messages_;
  const Sees sees_;
  const std::string& secret_;
  std::set<std::string> calls_;
};

ApiStatus read_input(JsonFields& fields, const ChatReading& reading, ChatCall& call) {
  TRY(const std::optional<std::string> instructions, fields.text("instructions"));
  if (instructions && !instructions->empty())
    call.messages.push_back(text_message(Role::system, *instructions));
  const OrderedJson& input = fields.any("input");
  if (input.is_string()) {
    call.messages.push_back(text_message(Role::user, input.get<std::string>()));
    return Ok{};
  }
  if (!input.is_array() || input.empty())
    return bad_field("input", "found ", json_kind(input), ", expected a string or items");
  ItemReader items(call, reading);
  for (size_t i = 0; i < input.size(); ++i)
    TRY_STATUS(items.read(input[i], "input[" + std::to_string(i) + "]"));
  if (call.messages.back().role == Role::assistant)
    return bad_field("input", "the last item is the assistant's, there is nothing to answer");
  return Ok{};
}

// {"type": "custom", "name", "description", "format"}: called with free text, which may be held to
// a regular expression.  The model is shown a function with one text.
ApiResult<CallTool> read_custom_tool(JsonFields& tool) {
  CallTool made;
  TRY(made.name, tool.needed_text("name"));
  made.field = tool.path("format");
  OrderedJson input = {{"type", "string"}};
  TRY(const OrderedJson* const format, tool.object("format"));
  if (format) {
    JsonFields inside(*format, tool.path("format"));
    TRY(const std::string type, inside.needed_text("type"));
    if (type == "grammar") {
      TRY(const std::string syntax, inside.needed_text("syntax"));
      if (syntax != "regex")
        return bad_field(inside.path("syntax"), "found \"", syntax.substr(0, 40),
                         "\", expected regex");
      TRY(const std::string definition, inside.needed_text("definition"));
      input["pattern"] = "^(?:" + definition + ")$";
      made.strict = true;
    } else if (type != "text") {
      return bad_field(inside.path("type"), "found \"", type.substr(0, 40),
                       "\", expected text or grammar");
    }
  }
  made.parameters = {{"type", "object"},
                     {"properties", {{"input", std::move(input)}}},
                     {"required", OrderedJson::array({"input"})}};
  return made;
}

ApiStatus read_tools(JsonFields& fields, ResponsesCall& call) {
  TRY(const OrderedJson* const tools, fields.array("tools"));
  TRY(const ToolChoice choice, read_openai_choice(fields));
  TRY(const std::optional<bool> parallel, fields.flag("parallel_tool_calls"));
  call.one_call = !parallel.value_or(true);
  if (choice.mode == ToolChoice::Mode::none) return Ok{};
  std::vector<CallTool> offered;
  if (!tools) return choose_tools(choice, "tool_choice", {}, call.tools);
  if (tools->size() > kMostTools)
    return bad_field("tools", tools->size(), " tools, expected at most ", kMostTools);
  std::vector<std::string> texts;
  for (size_t i = 0; i < tools->size(); ++i) {
    const std::string where = "tools[" + std::to_string(i) + "]";
    if (!(*tools)[i].is_object()) return bad_field(where, "expected an object");
    JsonFields tool((*tools)[i], where);
    TRY(const std::string type, tool.needed_text("type"));
    if (type != "function" && type != "custom")
      return bad_field(where + ".type", "\"", type.substr(0, 40),
                       "\" is not supported; expected function or custom");
    TRY(CallTool read, type == "custom" ? read_custom_tool(tool) : read_tool(tool, "parameters"));
    if (type == "custom") call.free_text.insert(read.name);
    OrderedJson function = {{"name", read.name}};
    TRY(const std::optional<std::string> about, tool.text("description"));
    if (about) function["description"] = *about;
    function["parameters"] = read.parameters.is_null() ? OrderedJson::object() : read.parameters;
    texts.push_back(python_json(function));
    offered.push_back(std::move(read));
  }
  attach_tools(call.messages, std::move(texts));
  return choose_tools(choice, "tool_choice", std::move(offered), call.tools);
}

// The thinking itself stands for its summary; nobody makes it shorter.
ApiStatus read_summary(JsonFields& reasoning, ResponsesCall& call) {
  TRY(const std::optional<std::string> summary, reasoning.text("summary"));
  if (!summary || *summary == "none") return Ok{};
  const std::string where = reasoning.path("summary");
  if (*summary != "auto" && *summary != "detailed" && *summary != "concise")
    return bad_field(where, "found \"", summary->substr(0, 40),
                     "\", expected auto, concise, detailed or none");
  if (*summary == "concise") call.ignored.push_back(where);
  call.summary = true;
  return Ok{};
}

// {"include": ["reasoning.encrypted_content"]}: what else it may name is not made here.
ApiStatus read_include(JsonFields& fields, ResponsesCall& call) {
  TRY(const OrderedJson* const include, fields.array("include"));
  if (!include) return Ok{};
  for (size_t i = 0; i < include->size(); ++i) {
    const std::string where = "include[" + std::to_string(i) + "]";
    if (!(*include)[i].is_string())
      return bad_field(where, "found ", json_kind((*include)[i]), ", expected a string");
    if ((*include)[i] == "reasoning.encrypted_content")
      call.sealed = true;
    else
      call.ignored.push_back(where);
  }
  return Ok{};
}

}  // namespace

ApiStatus refuse_memory(JsonFields& fields) {
  constexpr std::string_view kStateless =
      "nothing is kept on this server; send the whole conversation as input";
  TRY_STATUS(fields.only("previous_response_id", {}, kStateless));
  TRY_STATUS(fields.only("conversation", {}, kStateless));
  TRY_STATUS(fields.only("background", {false}, kStateless));
  TRY_STATUS(fields.only("store", {false}, kStateless));
  TRY_STATUS(fields.only("prompt", {}, kStateless));
  TRY_STATUS(fields.only("max_tool_calls", {}, "tools are run by the client"));
  TRY_STATUS(fields.only("top_logprobs", {0}, "use chat completions"));
  return Ok{};
}

ApiResult<ResponsesCall> read_responses_call(const OrderedJson& body, const ChatReading& reading) {
  JsonFields fields(body, "");
  ResponsesCall call;
  TRY_STATUS(read_common(fields, call));
  TRY_STATUS(refuse_memory(fields));
  TRY_STATUS(read_input(fields, reading, call));
  TRY_STATUS(read_tools(fields, call));
  TRY(call.max_tokens, fields.integer("max_output_tokens", 1, kMostTokens));
  TRY_STATUS(read_include(fields, call));
  TRY(const OrderedJson* const reasoning, fields.object("reasoning"));
  if (reasoning) {
    JsonFields inside(*reasoning, "reasoning");
    TRY_STATUS(read_effort(inside, "effort", call));
    TRY_STATUS(read_summary(inside, call));
    inside.tell_unread(call.ignored);
  }
  TRY(const OrderedJson* const text, fields.object("text"));
  if (text) {
    JsonFields inside(*text, "text");
    TRY_STATUS(read_format(inside, "format", call));
    TRY_STATUS(inside.only("verbosity", {"medium"}, "ask for it in the prompt"));
    inside.tell_unread(call.ignored);
  }
  TRY(call.user, read_user(fields));
  call.echoed = OrderedJson::object();
  for (const char* name : {"instructions", "max_output_tokens", "metadata", "parallel_tool_calls",
                           "reasoning", "temperature", "text", "tool_choice", "tools", "top_p"})
    if (fields.has(name)) call.echoed[name] = fields.any(name);
  fields.tell_unread(call.ignored);
  return call;
}

}  // namespace hadal
