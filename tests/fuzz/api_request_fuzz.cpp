// SPDX-License-Identifier: MIT
// Bodies of requests as hostile input.  The first byte chooses the API.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "serve/chat_codec.h"
#include "serve/completion_codec.h"
#include "serve/messages_codec.h"
#include "serve/responses_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto body = hadal::parse_body(text);
  if (!body) return 0;
  switch (bytes[0] % 5) {
    case 0: {
      const auto call = hadal::read_chat_call(*body, hadal::Sees::pictures);
      if (call) CHECK(!call->messages.empty(), "a conversation without messages");
      break;
    }
    case 1:
      (void)hadal::read_completion_call(*body);
      break;
    case 2:
      (void)hadal::read_infill_call(*body);
      break;
    case 3: {
      const auto call = hadal::read_messages_call(*body, hadal::MessagesFor::answer,
                                                  {.sees = hadal::Sees::pictures});
      if (call) CHECK(call->max_tokens.value_or(0) > 0, "an answer of no length");
      break;
    }
    default: {
      const auto call = hadal::read_responses_call(*body, {.sees = hadal::Sees::pictures});
      if (call) CHECK(!call->messages.empty(), "a conversation without messages");
    }
  }
  return 0;
}
