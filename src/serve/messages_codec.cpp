// SPDX-License-Identifier: MIT
// Anthropic's messages, in.
#include "serve/messages_codec.h"

#include <map>

#include "serve/api_key.h"
#include "serve/shown_pictures.h"

namespace hadal {
namespace {

constexpr std::string_view kBilling = "x-anthropic-billing-header:";

std::string indexed(const std::string& where, size_t i) {
  return where + "[" + std::to_string(i) + "]";
}

// Who reads: what the model sees, what its thoughts were signed with, and where its pictures go.
struct BlockReading {
  Sees sees = Sees::text;
  std::string_view secret;
  ChatCall& call;
};

// {"type": "base64", "media_type", "data"}, or a URL that holds it: {"type": "url", "url"}.
ApiResult<Block> read_image(JsonFields& block, const std::string& where,
                            const BlockReading& reading) {
  TRY(const OrderedJson* const source, block.object("source"));
  if (!source) return bad_field(where + ".source", "is missing");
  JsonFields inside(*source, where + ".source");
  TRY(const std::string type, inside.needed_text("type"));
  if (type == "base64") {
    TRY(const std::string data, inside.needed_text("data"));
    return picture_block_of_base64(data, where + ".source.data", reading.call);
  }
  if (type != "url")
    return bad_field(where + ".source.type", "found \"", type.substr(0, 40),
                     "\", expected base64, url or file");
  TRY(const std::string url, inside.needed_text("url"));
  return picture_block(url, where + ".source.url", reading.call);
}

ApiResult<std::vector<Block>> read_blocks(const OrderedJson& value, const std::string& where,
                                          const BlockReading& reading) {
  std::vector<Block> blocks;
  if (value.is_null()) return blocks;
  if (value.is_string()) {
    blocks.push_back({.text = value.get<std::string>()});
    return blocks;
  }
  if (!value.is_array())
    return bad_field(where, "found ", json_kind(value), ", expected a string or blocks");
  for (size_t i = 0; i < value.size(); ++i) {
    const std::string here = indexed(where, i);
    if (!value[i].is_object()) return bad_field(here, "found ", json_kind(value[i]));
    JsonFields block(value[i], here);
    TRY(const std::string type, block.needed_text("type"));
    if (type == "image" && reading.sees == Sees::pictures) {
      TRY(Block picture, read_image(block, here, reading));
      blocks.push_back(std::move(picture));
      continue;
    }
    if (type != "text")
      return bad_field(here, "a block of type \"", type.substr(0, 40), "\", but ",
                       reading.sees == Sees::text ? "the model that is served reads text"
                                                  : "text or image is expected here");
    TRY(std::string text, block.needed_text("text"));
    blocks.push_back({.text = std::move(text)});
  }
  return blocks;
}

ApiStatus read_system(JsonFields& fields, ChatCall& call) {
  TRY(std::vector<Block> blocks,
      read_blocks(fields.any("system"), "system", {Sees::text, {}, call}));
  std::erase_if(blocks, [](const Block& block) { return block.text.starts_with(kBilling); });
  if (blocks.empty()) return Ok{};
  Message system;
  system.role = Role::system;
  system.content = std::move(blocks);
  call.messages.push_back(std::move(system));
  return Ok{};
}

ApiStatus read_tool_use(JsonFields& block, Message& message) {
  ToolCall call;
  TRY(call.id, block.needed_text("id"));
  TRY(call.name, block.needed_text("name"));
  TRY(const OrderedJson* const input, block.object("input"));
  call.arguments = input ? python_json(*input) : "{}";
  message.tool_calls.push_back(std::move(call));
  return Ok{};
}

ApiStatus read_thought(JsonFields& block, const std::string& where, const BlockReading& reading,
                       Message& message) {
  TRY(const std::string thinking, block.needed_text("thinking"));
  TRY(const std::optional<std::string> signature, block.text("signature"));
  if (same_hash(signature.value_or(""), signature_of(thinking, reading.secret)))
    message.reasoning += thinking;
  else
    reading.call.ignored.push_back(where + ".thinking");
  return Ok{};
}

// The prompt has no place for it but the result's own words.
void say_that_it_failed(std::vector<Block>& parts) {
  if (parts.empty() || parts.front().kind != Block::Kind::text) {
    parts.insert(parts.begin(), Block{.text = "Error"});
    return;
  }
  std::string& text = parts.front().text;
  if (!text.starts_with("Error") && !text.starts_with("error")) text.insert(0, "Error: ");
}

ApiResult<Block> read_tool_result(JsonFields& block, const std::string& where,
                                  const BlockReading& reading) {
  Block result{.kind = Block::Kind::tool_result, .type = "tool_result"};
  TRY(result.call_id, block.needed_text("tool_use_id"));
  TRY(result.parts, read_blocks(block.any("content"), where + ".content", reading));
  TRY(const std::optional<bool> failed, block.flag("is_error"));
  if (failed.value_or(false)) say_that_it_failed(result.parts);
  return result;
}

ApiStatus read_block(const OrderedJson& value, const std::string& where,
                     const BlockReading& reading, Message& message) {
  if (!value.is_object()) return bad_field(where, "found ", json_kind(value));
  JsonFields block(value, where);
  TRY(const std::string type, block.needed_text("type"));
  const bool assistant = message.role == Role::assistant;
  if (type == "text") {
    TRY(std::string text, block.needed_text("text"));
    message.content.push_back({.text = std::move(text)});
  } else if (type == "image" && !assistant && reading.sees == Sees::pictures) {
    TRY(Block picture, read_image(block, where, reading));
    message.content.push_back(std::move(picture));
  } else if (type == "tool_use" && assistant) {
    TRY_STATUS(read_tool_use(block, message));
  } else if (type == "thinking" && assistant) {
    TRY_STATUS(read_thought(block, where, reading, message));
  } else if (type == "redacted_thinking" && assistant) {
    return Ok{};  // nobody but its writer can read it
  } else if (type == "tool_result" && !assistant) {
    TRY(Block result, read_tool_result(block, where, reading));
    message.content.push_back(std::move(result));
  } else {
    return bad_field(where, "a block of type \"", type.substr(0, 40), "\" cannot stand here");
  }
  return Ok{};
}

ApiStatus read_messages(JsonFields& fields, const ChatReading& reading, ChatCall& call) {
  TRY(const OrderedJson* const messages, fields.array("messages"));
  if (!messages || messages->empty()) return bad_field("messages", "is missing or empty");
  for (size_t i = 0; i < messages->size(); ++i) {
    const std::string where = indexed("messages", i);
    if (!(*messages)[i].is_object()) return bad_field(where, "expected an object");
    JsonFields inside((*messages)[i], where);
    TRY(const std::string role, inside.needed_text("role"));
    if (role != "user" && role != "assistant" && role != "system")
      return bad_field(where + ".role", "found \"", role.substr(0, 40),
                       "\", expected user or assistant");
    Message message;
    message.role = role == "user" ? Role::user : role == "system" ? Role::system : Role::assistant;
    const OrderedJson& content = inside.any("content");
    if (content.is_string()) {
      message.content.push_back({.text = content.get<std::string>()});
    } else if (content.is_array()) {
      for (size_t j = 0; j < content.size(); ++j)
        TRY_STATUS(read_block(content[j], indexed(where + ".content", j),
                              {reading.sees, reading.secret, call}, message));
    } else {
      return bad_field(where + ".content", "found ", json_kind(content),
                       ", expected a string or blocks");
    }
    call.messages.push_back(std::move(message));
  }
  if (call.messages.back().role == Role::assistant) {
    call.continues = true;
    call.messages.back().without_eos = true;
  }
  return Ok{};
}

// {"type": "auto"}, "any", "none", or "tool" with its name.
ApiResult<ToolChoice> read_choice(JsonFields& fields, ChatCall& call) {
  using Mode = ToolChoice::Mode;
  static const std::map<std::string, Mode, std::less<>> kModes = {{"auto", Mode::automatic},
                                                                  {"none", Mode::none},
                                                                  {"any", Mode::required},
                                                                  {"tool", Mode::required}};
  TRY(const OrderedJson* const choice, fields.object("tool_choice"));
  ToolChoice made;
  if (!choice) return made;
  JsonFields inside(*choice, "tool_choice");
  TRY(const std::string type, inside.needed_text("type"));
  const auto mode = kModes.find(type);
  if (mode == kModes.end())
    return bad_field("tool_choice.type", "found \"", type.substr(0, 40),
                     "\", expected auto, any, tool or none");
  made.mode = mode->second;
  if (type == "tool") {
    TRY(std::string name, inside.needed_text("name"));
    made.names = {std::move(name)};
  }
  TRY(const std::optional<bool> single, inside.flag("disable_parallel_tool_use"));
  call.one_call = single.value_or(false);
  return made;
}

// {"name", "description", "input_schema"} to what the prompt spells.
ApiStatus read_tools(JsonFields& fields, ChatCall& call) {
  TRY(const OrderedJson* const tools, fields.array("tools"));
  TRY(const ToolChoice choice, read_choice(fields, call));
  if (choice.mode == ToolChoice::Mode::none) return Ok{};
  if (!tools) return choose_tools(choice, "tool_choice", {}, call.tools);
  std::vector<CallTool> offered;
  if (tools->size() > kMostTools)
    return bad_field("tools", tools->size(), " tools, expected at most ", kMostTools);
  std::vector<std::string> texts;
  for (size_t i = 0; i < tools->size(); ++i) {
    const std::string where = indexed("tools", i);
    if (!(*tools)[i].is_object()) return bad_field(where, "expected an object");
    JsonFields tool((*tools)[i], where);
    TRY(const std::optional<std::string> type, tool.text("type"));
    if (type && *type != "custom")
      return bad_field(where + ".type", "\"", type->substr(0, 40),
                       "\" runs on Anthropic's servers; expected a tool with input_schema");
    TRY(CallTool read, read_tool(tool, "input_schema"));
    if (read.parameters.is_null()) return bad_field(where + ".input_schema", "is missing");
    OrderedJson function = {{"name", read.name}};
    TRY(const std::optional<std::string> about, tool.text("description"));
    if (about) function["description"] = *about;
    function["parameters"] = read.parameters;
    texts.push_back(python_json(function));
    offered.push_back(std::move(read));
  }
  attach_tools(call.messages, std::move(texts));
  return choose_tools(choice, "tool_choice", std::move(offered), call.tools);
}

ApiStatus read_thinking(JsonFields& fields, ChatCall& call) {
  call.thinking = false;
  TRY(const OrderedJson* const thinking, fields.object("thinking"));
  if (thinking) {
    JsonFields inside(*thinking, "thinking");
    TRY(const std::string type, inside.needed_text("type"));
    if (type != "enabled" && type != "adaptive" && type != "disabled")
      return bad_field("thinking.type", "found \"", type.substr(0, 40),
                       "\", expected enabled, adaptive or disabled");
    call.thinking = type != "disabled";
    inside.tell_unread(call.ignored);
  }
  TRY(const OrderedJson* const output, fields.object("output_config"));
  if (!output) return Ok{};
  JsonFields inside(*output, "output_config");
  TRY_STATUS(read_format(inside, "format", call));
  TRY_STATUS(read_effort(inside, "effort", call));
  inside.tell_unread(call.ignored);
  return Ok{};
}

}  // namespace

ApiResult<ChatCall> read_messages_call(const OrderedJson& body, MessagesFor what,
                                       const ChatReading& reading) {
  JsonFields fields(body, "");
  ChatCall call;
  TRY_STATUS(read_common(fields, call));
  TRY(call.max_tokens, fields.integer("max_tokens", 1, kMostTokens));
  if (what == MessagesFor::answer && !call.max_tokens)
    return bad_field("max_tokens", "is missing, expected a whole number");
  TRY_STATUS(read_system(fields, call));
  TRY_STATUS(read_messages(fields, reading, call));
  TRY_STATUS(read_tools(fields, call));
  TRY_STATUS(read_thinking(fields, call));
  TRY(call.stops, read_stops(fields, "stop_sequences"));
  TRY(const OrderedJson* const metadata, fields.object("metadata"));
  if (metadata) {
    JsonFields inside(*metadata, "metadata");
    TRY(const std::optional<std::string> user, inside.text("user_id"));
    call.user = user.value_or("");
    TRY_STATUS(check_user(call.user, "metadata.user_id"));
  }
  // Anthropic's own service knows them; none of them changes an answer here.
  for (const char* name : {"cache_control", "service_tier", "container", "mcp_servers"})
    fields.any(name);
  fields.tell_unread(call.ignored);
  return call;
}

}  // namespace hadal
