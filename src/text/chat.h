// SPDX-License-Identifier: MIT
// Conversations to prompts, for V4 and V4.1.
//
//   TRY(Prompt prompt, write_chat(messages, {.dialect = Dialect::v41, .thinking = true}));
//   TRY(std::vector<int32_t> ids, encode_prompt(tokenizer, prompt));
//
// Nothing that a user, a tool or an earlier answer says can become a control token.  What comes
// back from the model is read by completion.h.  Stateless, any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "text/message.h"
#include "text/prompt.h"
#include "text/tokenizer.h"

namespace hadal {

enum class Dialect {
  v4_april,  // V4 Flash and Pro as first released
  v4_0731,   // V4-Flash-0731: other effort names
  v41,       // V4.1: <｜System｜>, images, numbered effort
};

struct ChatOptions {
  Dialect dialect = Dialect::v41;
  bool thinking = false;
  // Leaves the reasoning of finished turns out; without effect if any message has tools.
  bool drop_thinking = true;
  bool add_bos = true;
  // v4_april: none, high, max; v4_0731: low, high, max; v41: low, high, max or 1 to 100.
  // Empty: the dialect's default (nothing, low, high).
  std::string effort = {};
};

Result<Prompt> write_chat(const std::vector<Message>& messages, const ChatOptions& options);

// Both steps; for prompts without images.
Result<std::vector<int32_t>> encode_chat(const Tokenizer& tokenizer,
                                         const std::vector<Message>& messages,
                                         const ChatOptions& options);

}  // namespace hadal
