// SPDX-License-Identifier: MIT
// The prompt format of V4 (model-spec 9.2), both releases.
#include "text/chat_parts.h"

namespace hadal {
namespace {

bool is_user(const Message& message) {
  return message.role == Role::user || message.role == Role::developer;
}

ptrdiff_t last_user_index(const std::vector<Message>& messages) {
  auto index = static_cast<ptrdiff_t>(messages.size()) - 1;
  while (index >= 0 && !is_user(messages[static_cast<size_t>(index)])) --index;
  return index;
}

Status write_message(Prompt& prompt, const ChatFrame& frame, size_t index) {
  const Message& message = frame.messages[index];
  const DsmlNames& names = dsml_names(frame.options.dialect);
  switch (message.role) {
    case Role::system:
      write_blocks(prompt, message.content, Images::unsupported);
      write_tools_and_format(prompt, message, names);
      break;
    case Role::developer:
      if (message.content.empty())
        return fail("chat: messages[", index, "]: a developer message without content");
      prompt.control(kUser);
      write_blocks(prompt, message.content, Images::unsupported);
      write_tools_and_format(prompt, message, names);
      break;
    case Role::user:
      prompt.control(kUser);
      write_blocks(prompt, message.content, Images::unsupported);
      break;
    case Role::latest_reminder:
      prompt.control(kLatestReminder);
      write_blocks(prompt, message.content, Images::unsupported);
      break;
    case Role::assistant:
      write_assistant(prompt, frame, index);
      break;
    case Role::tool:
      CHECK(false, "tool messages are merged before");
  }
  return write_turn_end(prompt, frame, index, is_user(message));
}

}  // namespace

Result<Prompt> write_chat_v4(std::vector<Message> messages, const ChatOptions& options) {
  bool drop_thinking = options.drop_thinking && !any_tools(messages);
  if (options.thinking && drop_thinking) {
    ptrdiff_t last_user = last_user_index(messages);
    messages = without_old_thinking(std::move(messages), last_user);
  }
  ChatFrame frame = {messages, options, drop_thinking, last_user_index(messages)};
  TRY(std::string effort, effort_text(options));

  Prompt prompt;
  if (options.add_bos) prompt.control(kBos);
  if (options.thinking && !messages.empty()) prompt.text(effort);
  for (size_t i = 0; i < messages.size(); ++i) TRY_STATUS(write_message(prompt, frame, i));
  return prompt;
}

}  // namespace hadal
