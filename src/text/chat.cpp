// SPDX-License-Identifier: MIT
// Conversations to prompts: the door to the dialects.
#include "text/chat.h"

#include "text/chat_parts.h"

namespace hadal {

Result<Prompt> write_chat(const std::vector<Message>& messages, const ChatOptions& options) {
  std::vector<Message> merged = with_tools_merged(messages);
  return options.dialect == Dialect::v41 ? write_chat_v41(std::move(merged), options)
                                         : write_chat_v4(std::move(merged), options);
}

Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer,
                                         const std::vector<Message>& messages,
                                         const ChatOptions& options) {
  TRY(Prompt prompt, write_chat(messages, options));
  return encode_prompt(tokenizer, prompt);
}

}  // namespace hadal
