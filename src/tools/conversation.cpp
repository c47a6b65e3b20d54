// SPDX-License-Identifier: MIT
// A conversation and its way into ids, and into a file.
#include "tools/conversation.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "model/visual_sequence.h"

namespace hadal {
namespace {

using nlohmann::json;

// Eight digits and a comma for each of a million tokens, twice over.
constexpr int64_t kLongestNote = int64_t{32} << 20;

std::string text_of(const Message& message) {
  std::string text;
  for (const Block& block : message.content) text += block.text;
  return text;
}

const char* role_name(Role role) {
  return role == Role::system ? "system" : role == Role::assistant ? "assistant" : "user";
}

// A list of ids under `key`; absent counts as empty.
Result<std::vector<int64_t>> ids_under(const json& object, const char* key,
                                       const ModelConfig& config) {
  std::vector<int64_t> ids;
  if (!object.contains(key)) return ids;
  if (!object[key].is_array()) return fail("conversation: ", key, " is no list");
  for (const json& id : object[key]) {
    const bool known = id.is_number_unsigned() && id.get<uint64_t>() <= INT64_MAX &&
                       CellIds(config).is_known(id.get<int64_t>());
    if (!known)
      return fail("conversation: ", key, " holds ", printable(id.dump()), ", expected a token id");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

}  // namespace

Conversation::Conversation(const Tokenizer& tokenizer, ChatOptions options,
                           const ModelConfig& config)
    : tokenizer_(&tokenizer), options_(std::move(options)), config_(&config) {}

std::string Conversation::text_of_ids(std::span<const int64_t> ids) {
  std::string text;
  std::vector<int32_t> words;
  const auto end_words = [&] {
    text += tokenizer_->decode(words);
    words.clear();
  };
  SequenceReader reader;
  const auto in_text = [&] { return reader.expects() == SequenceReader::Expects::text; };
  for (int64_t id : ids) {
    const bool was_text = in_text();
    reader.read(config_->visual, id, CellIds(*config_).is_cell(id));
    if (was_text && in_text()) words.push_back(static_cast<int32_t>(id));
    if (!was_text || in_text()) continue;
    end_words();
    text += "\uFFFC" + std::to_string(++pictures_);
  }
  end_words();
  return text;
}

void Conversation::set_system(std::string text) {
  if (!messages_.empty() && messages_.front().role == Role::system)
    messages_.erase(messages_.begin());
  if (!text.empty()) messages_.insert(messages_.begin(), text_message(Role::system, text));
}

void Conversation::add_user(std::string text) {
  messages_.push_back(text_message(Role::user, std::move(text)));
}

void Conversation::add_user(std::vector<Block> content) {
  messages_.push_back({.role = Role::user, .content = std::move(content)});
}

void Conversation::take_back_user() {
  if (!messages_.empty() && messages_.back().role == Role::user) messages_.pop_back();
}

void Conversation::add_answer(std::vector<int64_t> ids) {
  std::vector<int64_t> reasoning;
  const std::optional<int32_t> think_end = tokenizer_->id_of(kThinkEnd);
  if (options_.thinking && think_end) {
    const auto end = std::find(ids.begin(), ids.end(), *think_end);
    reasoning.assign(ids.begin(), end);
    ids.erase(ids.begin(), end == ids.end() ? end : end + 1);
  }
  std::string thought = text_of_ids(reasoning);
  Message answer = text_message(Role::assistant, text_of_ids(ids));
  answer.reasoning = std::move(thought);
  remember(answer.reasoning, std::move(reasoning));
  remember(text_of(answer), std::move(ids));
  messages_.push_back(std::move(answer));
}

void Conversation::clear() {
  std::erase_if(messages_, [](const Message& message) { return message.role != Role::system; });
  spelled_.clear();
}

int64_t Conversation::turns() const {
  return std::count_if(messages_.begin(), messages_.end(),
                       [](const Message& message) { return message.role == Role::user; });
}

void Conversation::remember(const std::string& text, std::vector<int64_t> ids) {
  if (!text.empty()) spelled_[text] = std::move(ids);
}

std::vector<int64_t> Conversation::run_ids(const std::string& text) const {
  const auto known = spelled_.find(text);
  if (known != spelled_.end()) return known->second;
  const std::vector<int32_t> ids = tokenizer_->encode(text);
  return {ids.begin(), ids.end()};
}

// As encode_prompt(), but for runs that the model itself has written.
Result<std::vector<int64_t>> Conversation::prompt() const {
  TRY(const Prompt prompt, write_chat(messages_, options_));
  std::vector<int64_t> ids;
  for (const PromptPiece& piece : prompt.pieces) {
    std::vector<int64_t> run;
    if (piece.is_control) {
      const std::optional<int32_t> id = tokenizer_->id_of(piece.text);
      if (!id) return fail("chat: the tokenizer has no token ", piece.text);
      run = {*id};
    } else {
      run = run_ids(piece.text);
    }
    ids.insert(ids.end(), run.begin(), run.end());
  }
  return ids;
}

std::string Conversation::to_json() const {
  json messages = json::array();
  for (const Message& message : messages_) {
    json entry = {{"role", role_name(message.role)}, {"ids", run_ids(text_of(message))}};
    if (!message.reasoning.empty()) entry["reasoning"] = run_ids(message.reasoning);
    messages.push_back(std::move(entry));
  }
  return json{{"messages", std::move(messages)},
              {"thinking", options_.thinking},
              {"effort", options_.effort}}
      .dump();
}

Status Conversation::from_json(const std::string& text) {
  TRY(const json document, parse_json(text, "conversation", {.bytes = kLongestNote, .depth = 8}));
  if (!document.is_object() || !document.contains("messages") || !document["messages"].is_array() ||
      !document.contains("thinking") || !document["thinking"].is_boolean() ||
      !document.contains("effort") || !document["effort"].is_string())
    return fail("conversation: expected messages, thinking and effort");
  Conversation read(*tokenizer_, options_, *config_);
  read.options_.thinking = document["thinking"].get<bool>();
  read.options_.effort = document["effort"].get<std::string>();
  for (const json& entry : document["messages"]) {
    if (!entry.is_object() || !entry.contains("role") || !entry["role"].is_string())
      return fail("conversation: a message has no role");
    TRY(std::vector<int64_t> ids, ids_under(entry, "ids", *config_));
    TRY(std::vector<int64_t> reasoning, ids_under(entry, "reasoning", *config_));
    const std::string role = entry["role"].get<std::string>();
    if (role != "system" && role != "user" && role != "assistant")
      return fail("conversation: role \"", printable(role),
                  "\", expected system, user or assistant");
    std::string thought = read.text_of_ids(reasoning);
    Message message = text_message(role == "system" ? Role::system
                                   : role == "user" ? Role::user
                                                    : Role::assistant,
                                   read.text_of_ids(ids));
    message.reasoning = std::move(thought);
    if (role == "assistant") {
      read.remember(message.reasoning, std::move(reasoning));
      read.remember(text_of(message), std::move(ids));
    }
    read.messages_.push_back(std::move(message));
  }
  *this = std::move(read);
  return Ok{};
}

}  // namespace hadal
