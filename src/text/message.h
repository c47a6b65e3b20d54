// SPDX-License-Identifier: MIT
// A conversation, as the chat encodings see it.
//
//   TRY(std::vector<Message> messages, messages_from_json(request["messages"].dump()));
//   TRY(std::vector<std::string> tools, tools_from_json(request["tools"].dump()));
//   attach_tools(messages, tools);
//
// Plain values; the functions are stateless.  All strings are UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

enum class Role { system, user, assistant, tool, developer, latest_reminder };

// One part of a message's content.
struct Block {
  enum class Kind { text, image, tool_result, other };
  Kind kind = Kind::text;
  std::string type = "text";      // as the request spells it: "text", "image_url", "audio", ...
  std::string text = {};          // the text, or where the image comes from
  std::string call_id = {};       // tool_result: which call it answers
  std::vector<Block> parts = {};  // tool_result: its content
};

struct ToolCall {
  std::string id = {};
  std::string name = {};
  std::string arguments = {};  // JSON text, as received: not necessarily valid
};

struct Message {
  Role role = Role::user;
  std::vector<Block> content = {};
  std::string reasoning = {};             // assistant
  std::vector<ToolCall> tool_calls = {};  // assistant
  std::string call_id = {};               // tool
  std::vector<std::string> tools = {};    // system, developer: function schemas, one JSON text each
  std::string response_format = {};       // system, developer: JSON text, or empty
  std::string task = {};                  // "action", "query", ...; or empty
  bool without_eos = false;               // assistant: the turn goes on
};

Message text_message(Role role, std::string text);

// A million tokens of text are about 5 MB; images come inline.
inline constexpr size_t kMostMessageBytes = size_t{32} << 20;

// An OpenAI-style array of messages.  At most so many bytes, and 16,384 messages.
Result<std::vector<Message>> messages_from_json(std::string_view json,
                                                size_t most_bytes = kMostMessageBytes);

// An OpenAI-style array of tools ({"type": "function", "function": {...}}), each as the prompt
// will spell it.
Result<std::vector<std::string>> tools_from_json(std::string_view json,
                                                 size_t most_bytes = kMostMessageBytes);

// Puts tools where the encodings look for them: on the leading system message, which is made
// if there is none.
void attach_tools(std::vector<Message>& messages, std::vector<std::string> tools);

}  // namespace hadal
