// SPDX-License-Identifier: MIT
// The prompt format of V4.1 (model-spec 9.5): V4's, with <｜System｜>, images, and no developer.
#include "text/chat_parts.h"

namespace hadal {
namespace {

// A system message inside the conversation asks for an answer as a user's does.
bool counts_as_user(const std::vector<Message>& messages, size_t index) {
  Role role = messages[index].role;
  return role == Role::user || (role == Role::system && index > 0);
}

Status check_roles(const std::vector<Message>& messages) {
  for (size_t i = 0; i < messages.size(); ++i)
    if (messages[i].role == Role::developer)
      return fail("chat: messages[", i, "].role: V4.1 has no developer messages");
  return Ok{};
}

ptrdiff_t last_user_index(const std::vector<Message>& messages) {
  auto index = static_cast<ptrdiff_t>(messages.size()) - 1;
  while (index >= 0 && !counts_as_user(messages, static_cast<size_t>(index))) --index;
  return index;
}

// The placeholder in text would stand for an image that is not there.
Status check_no_placeholder(const std::vector<Block>& blocks, size_t index) {
  for (const Block& block : blocks) {
    if (block.kind == Block::Kind::text && block.text.find(kImage) != std::string::npos)
      return fail("chat: messages[", index, "]: the text contains \"", kImage,
                  "\", expected an image block instead");
    TRY_STATUS(check_no_placeholder(block.parts, index));
  }
  return Ok{};
}

Status write_message(Prompt& prompt, const ChatFrame& frame, size_t index) {
  const Message& message = frame.messages[index];
  TRY_STATUS(check_no_placeholder(message.content, index));
  switch (message.role) {
    case Role::system:
      if (index > 0) prompt.control(kSystem);  // the first one's stands before the effort line
      write_blocks(prompt, message.content, Images::placeholder);
      write_tools_and_format(prompt, message, dsml_names(frame.options.dialect));
      break;
    case Role::user:
      prompt.control(kUser);
      write_blocks(prompt, message.content, Images::placeholder);
      break;
    case Role::latest_reminder:
      prompt.control(kLatestReminder);
      write_blocks(prompt, message.content, Images::placeholder);
      break;
    case Role::assistant:
      write_assistant(prompt, frame, index);
      break;
    case Role::developer:
    case Role::tool:
      CHECK(false, "merged or refused before");
  }
  return write_turn_end(prompt, frame, index, counts_as_user(frame.messages, index));
}

}  // namespace

Result<Prompt> write_chat_v41(std::vector<Message> messages, const ChatOptions& options) {
  TRY_STATUS(check_roles(messages));
  bool drop_thinking = options.drop_thinking && !any_tools(messages);
  if (options.thinking && drop_thinking) {
    ptrdiff_t last_user = last_user_index(messages);
    messages = without_old_thinking(std::move(messages), last_user);
  }
  ChatFrame frame = {messages, options, drop_thinking, last_user_index(messages)};
  TRY(std::string effort, effort_text(options));

  Prompt prompt;
  if (options.add_bos) prompt.control(kBos);
  bool system_first = !messages.empty() && messages.front().role == Role::system;
  if (system_first || (options.thinking && !messages.empty())) prompt.control(kSystem);
  if (options.thinking && !messages.empty()) prompt.text(effort);
  for (size_t i = 0; i < messages.size(); ++i) TRY_STATUS(write_message(prompt, frame, i));
  return prompt;
}

}  // namespace hadal
