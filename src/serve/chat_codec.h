// SPDX-License-Identifier: MIT
// Chat completions, in: the JSON of POST /v1/chat/completions.  Out: make_chat_writer().
//
//   TRY(ChatCall call, read_chat_call(body, Sees::text));
//
// Stateless, any thread.
#pragma once

#include "serve/text_call.h"

namespace hadal {

ApiResult<ChatCall> read_chat_call(const OrderedJson& body, Sees sees);

// Refuses, in DeepSeek's words, a turn of the assistant's that called tools and comes without what
// was thought before.  REQUIRES a body that was read.
ApiStatus check_reasoning_returned(const OrderedJson& body);

}  // namespace hadal
