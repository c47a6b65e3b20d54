// SPDX-License-Identifier: MIT
// Chat completions, in.
#include "serve/chat_codec.h"

#include <algorithm>
#include <limits>

#include "serve/shown_pictures.h"
#include "text/chat.h"

namespace hadal {
namespace {

// The server has held the body to its limit, of which this is a part.
constexpr size_t kAnySize = std::numeric_limits<size_t>::max();

ApiStatus read_tools(JsonFields& fields, ChatCall& call) {
  TRY(const OrderedJson* const tools, fields.array("tools"));
  TRY(const ToolChoice choice, read_openai_choice(fields));
  TRY(const std::optional<bool> parallel, fields.flag("parallel_tool_calls"));
  call.one_call = !parallel.value_or(true);
  TRY_STATUS(fields.only("functions", {OrderedJson::array()}, "use tools"));
  TRY_STATUS(fields.only("function_call", {"none", "auto"}, "use tool_choice"));
  if (choice.mode == ToolChoice::Mode::none) return Ok{};
  std::vector<CallTool> offered;
  if (!tools) return choose_tools(choice, fields.path("tool_choice"), {}, call.tools);
  if (tools->size() > kMostTools)
    return bad_field(fields.path("tools"), tools->size(), " tools, expected at most ", kMostTools);
  for (size_t i = 0; i < tools->size(); ++i) {
    const std::string where = fields.path("tools") + "[" + std::to_string(i) + "]";
    const OrderedJson& tool = (*tools)[i];
    if (!tool.is_object() || tool.value("type", OrderedJson("function")) != "function")
      return bad_field(where, "expected a tool of type function");
    JsonFields inside(tool, where);
    TRY(const OrderedJson* const function, inside.object("function"));
    if (!function) return bad_field(where + ".function", "is missing");
    JsonFields function_fields(*function, where + ".function");
    TRY(CallTool read, read_tool(function_fields, "parameters"));
    offered.push_back(std::move(read));
  }
  TRY(std::vector<std::string> texts, tools_from_json(tools->dump(), kAnySize));
  attach_tools(call.messages, std::move(texts));
  return choose_tools(choice, fields.path("tool_choice"), std::move(offered), call.tools);
}

// {"thinking": {"type": "enabled"}}, and vLLM's way of saying it.
ApiStatus read_thinking(JsonFields& fields, ChatCall& call) {
  TRY(const OrderedJson* const thinking, fields.object("thinking"));
  if (thinking) {
    JsonFields inside(*thinking, fields.path("thinking"));
    TRY(const std::string type, inside.needed_text("type"));
    if (type != "enabled" && type != "disabled" && type != "adaptive")
      return bad_field(inside.path("type"), "found \"", type.substr(0, 40),
                       "\", expected enabled or disabled");
    call.thinking = type != "disabled";
    inside.tell_unread(call.ignored);
  }
  TRY(const OrderedJson* const arguments, fields.object("chat_template_kwargs"));
  if (arguments) {
    JsonFields inside(*arguments, fields.path("chat_template_kwargs"));
    for (const char* name : {"thinking", "enable_thinking"}) {
      TRY(const std::optional<bool> enabled, inside.flag(name));
      if (enabled && !call.thinking) call.thinking = *enabled;
    }
    inside.tell_unread(call.ignored);  // as templates do with what they do not know
  }
  return read_effort(fields, "reasoning_effort", call);
}

// {"role": "assistant", "content": "It begins", "prefix": true}
ApiStatus read_prefix(const OrderedJson& messages, ChatCall& call) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!messages[i].is_object() || !messages[i].contains("prefix")) continue;
    const OrderedJson& prefix = messages[i]["prefix"];
    const std::string where = "messages[" + std::to_string(i) + "].prefix";
    if (!prefix.is_boolean()) return bad_field(where, "found ", json_kind(prefix));
    if (!prefix.get<bool>()) continue;
    if (i + 1 != messages.size() || call.messages.back().role != Role::assistant)
      return bad_field(where, "only the last message may be continued, an assistant's");
    call.continues = true;
    call.messages.back().without_eos = true;
  }
  return Ok{};
}

// {"name": "ann"}: the prompt says who speaks by roles alone.
bool names_speakers(const OrderedJson& messages) {
  return std::any_of(messages.begin(), messages.end(), [](const OrderedJson& message) {
    return message.is_object() && !message.value("name", OrderedJson()).is_null();
  });
}

// {"image_url": {"url", "detail": "low"}}: pictures are seen at one size.
bool names_detail(const OrderedJson& messages) {
  const auto detailed = [](const OrderedJson& part) {
    if (!part.is_object() || !part.contains("image_url")) return false;
    const OrderedJson& inside = part["image_url"];
    return inside.is_object() && inside.value("detail", OrderedJson("auto")) != OrderedJson("auto");
  };
  return std::any_of(messages.begin(), messages.end(), [&](const OrderedJson& message) {
    if (!message.is_object() || !message.contains("content")) return false;
    const OrderedJson& content = message["content"];
    return content.is_array() && std::any_of(content.begin(), content.end(), detailed);
  });
}

// Messages, tools, thinking and what else shapes the prompt.
ApiStatus read_prompt(JsonFields& fields, Sees sees, ChatCall& call) {
  TRY(const OrderedJson* const messages, fields.array("messages"));
  if (!messages || messages->empty())
    return bad_field(fields.path("messages"), "is missing or empty, expected a conversation");
  TRY(call.messages, messages_from_json(messages->dump(), kAnySize));
  if (names_speakers(*messages)) call.ignored.emplace_back("messages.name");
  TRY_STATUS(take_pictures(*messages, sees, call));
  TRY_STATUS(read_prefix(*messages, call));
  if (call.messages.back().role == Role::assistant && !call.continues)
    return bad_field("messages", "the last one is the assistant's; \"prefix\": true continues it");
  TRY_STATUS(read_tools(fields, call));
  return read_thinking(fields, call);
}

}  // namespace

ApiStatus check_reasoning_returned(const OrderedJson& body) {
  const OrderedJson& messages = body.at("messages");
  const auto has = [](const OrderedJson& message, const char* name) {
    return message.contains(name) && !message[name].is_null();
  };
  for (size_t i = 0; i < messages.size(); ++i) {
    const OrderedJson& message = messages[i];
    if (message.value("role", OrderedJson()) != "assistant") continue;
    if (!has(message, "tool_calls") || message["tool_calls"].empty()) continue;
    if (has(message, "reasoning_content") || has(message, "reasoning")) continue;
    const std::string where = "messages[" + std::to_string(i) + "].reasoning_content";
    return ApiError{.message =
                        "The `reasoning_content` in the thinking mode must be passed back to "
                        "the API. " +
                        where + ": is missing beside tool_calls",
                    .param = where};
  }
  return Ok{};
}

ApiResult<ChatCall> read_chat_call(const OrderedJson& body, Sees sees) {
  JsonFields fields(body, "");
  ChatCall call;
  TRY_STATUS(read_openai(fields, call));
  TRY_STATUS(read_prompt(fields, sees, call));
  TRY_STATUS(read_format(fields, "response_format", call));
  TRY(const std::optional<int64_t> newer, fields.integer("max_completion_tokens", 1, kMostTokens));
  TRY(const std::optional<int64_t> older, fields.integer("max_tokens", 1, kMostTokens));
  call.max_tokens = newer ? newer : older;
  TRY(const std::optional<bool> logprobs, fields.flag("logprobs"));
  call.logprobs = logprobs.value_or(false);
  TRY(const std::optional<int64_t> top, fields.integer("top_logprobs", 0, 20));
  call.top_logprobs = top.value_or(0);
  if (call.top_logprobs > 0 && !call.logprobs)
    return bad_field("top_logprobs", "needs logprobs: true");
  TRY_STATUS(fields.only("modalities", {OrderedJson::array({"text"})}, "answers are text"));
  TRY_STATUS(fields.only("audio", {}, "answers are text"));
  TRY_STATUS(fields.only("verbosity", {"medium"}, "ask for it in the prompt"));
  TRY_STATUS(fields.only("web_search_options", {}, "nothing is fetched from the network"));
  TRY_STATUS(fields.only("add_generation_prompt", {true}, "answers begin where the prompt ends"));
  TRY_STATUS(fields.only("continue_final_message", {false}, "use \"prefix\": true"));
  TRY_STATUS(fields.only("chat_template", {}, "the prompt's form is the model's own"));
  // What open_extra() left there is known to nobody.
  TRY(const OrderedJson* const extra, fields.object("extra"));
  if (extra) JsonFields(*extra, "extra").tell_unread(call.ignored);
  fields.tell_unread(call.ignored);
  if (!call.pictures.empty() && names_detail(body["messages"]))
    call.ignored.emplace_back("messages.detail");
  return call;
}

}  // namespace hadal
