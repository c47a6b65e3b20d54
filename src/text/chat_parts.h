// SPDX-License-Identifier: MIT
// What the dialects' encoders share; inside the room only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat.h"
#include "text/dsml_names.h"

namespace hadal {

// The text that opens a thinking prompt; empty if this effort has none.
Result<std::string> effort_text(const ChatOptions& options);

// Tool messages become tool_result blocks of user messages, neighbouring user messages are
// joined, and results stand in the order of the calls they answer (model-spec 9.2, step 1).
std::vector<Message> with_tools_merged(const std::vector<Message>& messages);

// Without the reasoning and the developer messages of finished turns (9.2, step 2).
std::vector<Message> without_old_thinking(std::vector<Message> messages, ptrdiff_t last_user);

// "## Tools" to the end of the section, one schema a line.
void write_tools(Prompt& prompt, const std::vector<std::string>& tools, const DsmlNames& names);
// "\n\n" and the tools, "\n\n" and the response format: whichever the message has.
void write_tools_and_format(Prompt& prompt, const Message& message, const DsmlNames& names);
void write_calls(Prompt& prompt, const std::vector<ToolCall>& calls, const DsmlNames& names);
// Blocks with an empty line between.
enum class Images { placeholder, unsupported };
void write_blocks(Prompt& prompt, const std::vector<Block>& blocks, Images images);

// The control token of a task, or empty if there is no such task.
std::string_view task_token(std::string_view task);

Result<Prompt> write_chat_v4(std::vector<Message> messages, const ChatOptions& options);
Result<Prompt> write_chat_v41(std::vector<Message> messages, const ChatOptions& options);

// Where the encoder stands in the conversation, and what holds for all of it.
struct ChatFrame {
  const std::vector<Message>& messages;
  const ChatOptions& options;
  bool drop_thinking;   // after looking for tools
  ptrdiff_t last_user;  // index of the last message that counts as the user's, or -1
};

bool any_tools(const std::vector<Message>& messages);
void write_assistant(Prompt& prompt, const ChatFrame& frame, size_t index);
// What follows a message when the model, or a recorded answer, speaks next.
Status write_turn_end(Prompt& prompt, const ChatFrame& frame, size_t index, bool counts_as_user);

}  // namespace hadal
