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

// Shared with /apply-template: messages, tools, thinking and what else shapes the prompt.
ApiStatus read_chat_prompt(JsonFields& fields, Sees sees, ChatCall& call);

}  // namespace hadal
