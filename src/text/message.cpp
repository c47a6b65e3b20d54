// SPDX-License-Identifier: MIT
// OpenAI-style JSON to messages.
#include "text/message.h"

#include <map>

#include "text/bounded_json.h"

namespace hadal {
namespace {

BoundedJsonLimits limits_of(size_t most_bytes) {
  return {.max_bytes = most_bytes, .max_depth = 64, .max_width = 16384};
}

const OrderedJson& member(const OrderedJson& object, const char* key) {
  static const OrderedJson missing;
  if (!object.is_object()) return missing;
  auto found = object.find(key);
  return found == object.end() ? missing : *found;
}

// Missing and null read as the empty string.
Result<std::string> string_member(const OrderedJson& object, const char* key,
                                  const std::string& where) {
  const OrderedJson& value = member(object, key);
  if (value.is_null()) return std::string();
  if (!value.is_string())
    return fail(where, ".", key, ": found ", json_kind(value), ", expected a string");
  return value.get<std::string>();
}

Result<std::vector<Block>> read_content(const OrderedJson& content, const std::string& where);

Result<Block> read_block(const OrderedJson& value, const std::string& where) {
  if (value.is_string()) return Block{.text = value.get<std::string>()};
  if (!value.is_object())
    return fail(where, ": found ", json_kind(value), ", expected a content block");
  Block block;
  TRY(block.type, string_member(value, "type", where));
  if (block.type == "text") {
    TRY(block.text, string_member(value, "text", where));
  } else if (block.type == "image_url" || block.type == "image") {
    block.kind = Block::Kind::image;
    const OrderedJson& source = member(value, block.type.c_str());
    if (source.is_object()) {
      TRY(block.text, string_member(source, "url", where + "." + block.type));
    } else {
      TRY(block.text, string_member(value, block.type.c_str(), where));
    }
  } else if (block.type == "tool_result") {
    block.kind = Block::Kind::tool_result;
    TRY(block.call_id, string_member(value, "tool_use_id", where));
    TRY(block.parts, read_content(member(value, "content"), where + ".content"));
  } else {
    block.kind = Block::Kind::other;
  }
  return block;
}

Result<std::vector<Block>> read_content(const OrderedJson& content, const std::string& where) {
  std::vector<Block> blocks;
  if (content.is_null()) return blocks;
  if (content.is_string()) {
    blocks.push_back({.text = content.get<std::string>()});
    return blocks;
  }
  if (!content.is_array())
    return fail(where, ": found ", json_kind(content), ", expected a string or an array");
  for (size_t i = 0; i < content.size(); ++i) {
    TRY(Block block, read_block(content[i], detail::join_text(where, "[", i, "]")));
    blocks.push_back(std::move(block));
  }
  return blocks;
}

Result<std::vector<ToolCall>> read_calls(const OrderedJson& list, const std::string& where) {
  std::vector<ToolCall> calls;
  if (list.is_null()) return calls;
  if (!list.is_array()) return fail(where, ": found ", json_kind(list), ", expected an array");
  for (size_t i = 0; i < list.size(); ++i) {
    std::string here = detail::join_text(where, "[", i, "]");
    const OrderedJson& function = member(list[i], "function");
    if (!function.is_object() || !member(function, "name").is_string())
      return fail(here, ".function: expected an object with a name");
    ToolCall call;
    TRY(call.id, string_member(list[i], "id", here));
    call.name = member(function, "name").get<std::string>();
    const OrderedJson& arguments = member(function, "arguments");
    if (arguments.is_string())
      call.arguments = arguments.get<std::string>();
    else
      call.arguments = arguments.is_null() ? "{}" : python_json(arguments);
    calls.push_back(std::move(call));
  }
  return calls;
}

Result<std::vector<std::string>> read_tools(const OrderedJson& list, const std::string& where) {
  std::vector<std::string> tools;
  if (list.is_null()) return tools;
  if (!list.is_array()) return fail(where, ": found ", json_kind(list), ", expected an array");
  for (size_t i = 0; i < list.size(); ++i) {
    const OrderedJson& function = member(list[i], "function");
    if (!function.is_object())
      return fail(where, "[", i, "].function: found ", json_kind(function), ", expected an object");
    tools.push_back(python_json(function));
  }
  return tools;
}

Result<Role> read_role(const OrderedJson& value, const std::string& where) {
  static const std::map<std::string, Role> roles = {
      {"system", Role::system},       {"user", Role::user},
      {"assistant", Role::assistant}, {"tool", Role::tool},
      {"developer", Role::developer}, {"latest_reminder", Role::latest_reminder},
  };
  TRY(std::string name, string_member(value, "role", where));
  auto found = roles.find(name);
  if (found == roles.end())
    return fail(where, ".role: found ", python_json_string(name.substr(0, 40)),
                ", expected system, user, assistant, tool, developer or latest_reminder");
  return found->second;
}

Result<Message> read_message(const OrderedJson& value, const std::string& where) {
  Message message;
  TRY(message.role, read_role(value, where));
  TRY(message.content, read_content(member(value, "content"), where + ".content"));
  TRY(message.reasoning, string_member(value, "reasoning", where));
  if (message.reasoning.empty()) {
    TRY(message.reasoning, string_member(value, "reasoning_content", where));
  }
  TRY(message.tool_calls, read_calls(member(value, "tool_calls"), where + ".tool_calls"));
  TRY(message.call_id, string_member(value, "tool_call_id", where));
  TRY(message.tools, read_tools(member(value, "tools"), where + ".tools"));
  const OrderedJson& format = member(value, "response_format");
  if (!format.is_null()) message.response_format = python_json(format);
  TRY(message.task, string_member(value, "task", where));
  message.without_eos = member(value, "wo_eos") == true;
  return message;
}

}  // namespace

Message text_message(Role role, std::string text) {
  Message message;
  message.role = role;
  message.content.push_back({.text = std::move(text)});
  return message;
}

Result<std::vector<Message>> messages_from_json(std::string_view json, size_t most_bytes) {
  TRY(OrderedJson list, parse_ordered_json(json, "messages", limits_of(most_bytes)));
  if (!list.is_array()) return fail("messages: found ", json_kind(list), ", expected an array");
  std::vector<Message> messages;
  for (size_t i = 0; i < list.size(); ++i) {
    TRY(Message message, read_message(list[i], detail::join_text("messages[", i, "]")));
    messages.push_back(std::move(message));
  }
  return messages;
}

Result<std::vector<std::string>> tools_from_json(std::string_view json, size_t most_bytes) {
  TRY(OrderedJson list, parse_ordered_json(json, "tools", limits_of(most_bytes)));
  return read_tools(list, "tools");
}

void attach_tools(std::vector<Message>& messages, std::vector<std::string> tools) {
  if (tools.empty()) return;
  if (messages.empty() || messages.front().role != Role::system)
    messages.insert(messages.begin(), Message{.role = Role::system});
  messages.front().tools = std::move(tools);
}

}  // namespace hadal
