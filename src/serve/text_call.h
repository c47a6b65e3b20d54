// SPDX-License-Identifier: MIT
// What requests for text have in common, whatever API they speak.
//
// A field that changes the answer and cannot be honoured is refused by name.  Fields that nobody
// here knows are let through, as every server does, but the reply's header x-hadal-ignored-fields
// names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "media/read.h"
#include "serve/answer_forms.h"
#include "serve/json_fields.h"
#include "serve/tool_fields.h"
#include "serve/worker.h"
#include "text/message.h"

namespace hadal {

struct TextCall {
  std::string model;
  std::string user;        // a partition of the cache within a key
  std::string cache_salt;  // … within a user: what was read with another is not found again
  bool stream = false;
  bool stream_usage = false;
  int64_t answers = 1;  // to each prompt
  std::optional<int64_t> max_tokens;
  std::optional<double> temperature, top_p;
  int64_t top_k = 0;
  double min_p = 0;
  std::optional<uint64_t> seed;
  Penalties penalties;
  std::vector<std::string> stops;
  bool logprobs = false;
  int64_t top_logprobs = 0;
  AskedForm form;  // that the answer is held to
  std::vector<std::string> ignored;
};

// A picture or clip of a conversation, and where it stands in the request.
struct ShownPicture {
  std::string where;
  std::string bytes;
  std::optional<ClipPart> part = std::nullopt;  // of a clip
};

// What the model that is served can be shown.
enum class Sees { text, pictures };

// How a conversation is read that holds what was thought before.
struct ChatReading {
  Sees sees = Sees::text;
  std::string secret = {};  // that thoughts were signed and sealed with
};

struct ChatCall : TextCall {
  std::vector<Message> messages;       // with their tools
  std::vector<ShownPicture> pictures;  // blocks of images name one by its number
  std::optional<bool> thinking;        // absent: as the model is used
  std::string effort;                  // "", "low", "high", "max", or "1" to "100"
  bool continues = false;              // the last message is the beginning of the answer
  OfferedTools tools;                  // that the answer may call; the messages show them
  bool one_call = false;               // the answer ends after its first tool call
};

using TextPrompt = std::variant<std::string, std::vector<int64_t>>;

struct CompletionCall : TextCall {
  std::vector<TextPrompt> prompts;    // at least one
  std::optional<std::string> suffix;  // fill in between prompt and suffix
  bool echo = false;
};

// model, stream, temperature, top_p, top_k, min_p, seed, user: spelled alike everywhere.
ApiStatus read_common(JsonFields& fields, TextCall& call);
// … in OpenAI's chat and completions: n, penalties, stop, stream_options; and what is refused.
ApiStatus read_openai(JsonFields& fields, TextCall& call);
// A user's own partition of a key: user_id, or user, as OpenAI had it before.
ApiResult<std::string> read_user(JsonFields& fields);
// Refuses one that is longer than a partition's name may be.
ApiStatus check_user(const std::string& user, const std::string& where);
// {"extra": {"top_k": 5, "grammar": …}}: what goes beyond OpenAI's fields moves to the top, where
// it would stand else; strangers stay.
ApiStatus open_extra(OrderedJson& body);
// A string, or up to 16 of them.
ApiResult<std::vector<std::string>> read_stops(JsonFields& fields, std::string_view name);

// OpenAI's response_format, which other APIs have under other names: {"type": "text"},
// {"type": "json_object"} or {"type": "json_schema", "json_schema": {"schema": …}}; the schema may
// also stand beside the type.
ApiStatus read_format(JsonFields& fields, std::string_view name, TextCall& call);
// vLLM's guided_json, guided_regex, guided_choice, guided_grammar and structured_outputs;
// llama.cpp's json_schema and grammar.
ApiStatus read_guides(JsonFields& fields, TextCall& call);

// The words of all APIs to those of the chat encodings; "none" switches thinking off.
ApiStatus read_effort(JsonFields& fields, std::string_view name, ChatCall& call);

inline constexpr int64_t kMostTokens = int64_t{1} << 30;  // the context decides long before

}  // namespace hadal
