// SPDX-License-Identifier: MIT
// Anthropic's messages, in: the JSON of POST /v1/messages and count_tokens.  Out:
// make_messages_writer().
//
// System blocks that begin "x-anthropic-billing-header:" are left out: Claude Code writes another
// one with each request, and a prompt that begins differently is read anew from its first token.
// Thinking that comes back counts if its signature is this server's; what another wrote must not
// pass for the model's own thoughts, and is left out and named.
// Stateless, any thread.
#pragma once

#include "serve/text_call.h"

namespace hadal {

enum class MessagesFor { answer, count };
ApiResult<ChatCall> read_messages_call(const OrderedJson& body, MessagesFor what,
                                       const ChatReading& reading);

}  // namespace hadal
