// SPDX-License-Identifier: MIT
// A conversation, kept so that what the model has read stays a prefix of what it will read.
//
//   Conversation talk(tokenizer, {.dialect = Dialect::v41});
//   talk.add_user("Hello");
//   TRY(std::vector<int64_t> ids, talk.prompt());
//   talk.add_answer(generated_ids);
//
// Answers are kept as the ids that were sampled: the same text may be spelled with other tokens,
// and the cache holds these.  A picture in an answer is an object replacement character and its
// number in the text, a span of cells in the ids.  Text is bytes, UTF-8 or not.  One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "text/chat.h"
#include "text/tokenizer.h"

namespace hadal {

class Conversation {
 public:
  // Both are lent.
  Conversation(const Tokenizer& tokenizer, ChatOptions options, const ModelConfig& config);

  void set_system(std::string text);  // empty: none
  void add_user(std::string text);
  void add_user(std::vector<Block> content);  // text and images, in order
  void take_back_user();                      // the last message, if it is the user's
  // Ids as sampled, without the token that ended the answer and without half a span.
  void add_answer(std::vector<int64_t> ids);
  void clear();  // all but the system text

  Result<std::vector<int64_t>> prompt() const;
  const ChatOptions& options() const { return options_; }
  int64_t turns() const;  // of the user

  // For session files: text of ours, and hostile when it is read back.
  std::string to_json() const;
  Status from_json(const std::string& text);

 private:
  std::string text_of_ids(std::span<const int64_t> ids);
  std::vector<int64_t> run_ids(const std::string& text) const;
  void remember(const std::string& text, std::vector<int64_t> ids);

  const Tokenizer* tokenizer_;
  ChatOptions options_;
  const ModelConfig* config_;
  int64_t pictures_ = 0;
  std::vector<Message> messages_;
  std::map<std::string, std::vector<int64_t>> spelled_;  // runs of answers, as sampled
};

}  // namespace hadal
