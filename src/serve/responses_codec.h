// SPDX-License-Identifier: MIT
// OpenAI's responses, in: the JSON of POST /v1/responses, without a memory on the server's side.
// Out: make_responses_writer().
//
// Stateless, any thread.
#pragma once

#include <set>
#include <string>

#include "serve/text_call.h"

namespace hadal {

struct ResponsesCall : ChatCall {
  OrderedJson echoed;               // fields that the reply repeats
  std::set<std::string> free_text;  // tools of type custom, by name
  bool summary = false;             // what was thought is told as its own summary
  bool sealed = false;              // … and sealed, to come back with the next request
};

// Fields that would need a memory of earlier answers.
ApiStatus refuse_memory(JsonFields& fields);

ApiResult<ResponsesCall> read_responses_call(const OrderedJson& body, const ChatReading& reading);

}  // namespace hadal
