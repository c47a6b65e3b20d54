// SPDX-License-Identifier: MIT
// Conversations with a model that says what a picture or clip shows and does nothing else with it,
// as models/nano.
//
//   if (shows_picture(call)) {
//     TRY(const ShownPicture shown, read_described(call));
//   } else {
//     TRY_STATUS(leave_out_described(call));        // now it is text alone
//   }
#pragma once

#include <string>
#include <vector>

#include "serve/text_call.h"

namespace hadal {

// Whether the last message, the user's, has a picture or clip in it.
bool shows_picture(const ChatCall& call);

// The one picture or clip of the last message.  A 400 for several, for words beside it that ask for
// more than what it shows ("Describe it", "What is in this picture?" or none at all do not), and
// for a tool that must be called.
// REQUIRES shows_picture(call).
ApiResult<ShownPicture> read_described(const ChatCall& call);

// Fields that change nothing in a description: tools, thinking, what was said before.
std::vector<std::string> not_heeded(const OrderedJson& body, const ChatCall& call);

// Takes pictures and clips away that an answer was given to: it says all that the model knows of
// them.  Names what it took; a 400 for those that nobody described.
ApiStatus leave_out_described(ChatCall& call);

}  // namespace hadal
