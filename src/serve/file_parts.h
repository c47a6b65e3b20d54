// SPDX-License-Identifier: MIT
// Files inside of conversations: parts of a message that carry a file or name one become what they
// stand for, before anything else reads the request.
//
//   TRY_STATUS(open_file_parts(body, files));          // messages, and the items of a response
//
//   OpenAI       {"type": "file", "file": {"file_id" or "file_data", "filename"}}
//                {"type": "input_file", "file_id" or "file_data", …}
//                {"type": "input_image" or "image_url", …, with "file_id"}
//                {"type": "input_video" or "video_url", …, with "file_id"}
//   Anthropic    {"type": "document" or "image", "source": {"type": "file", "file_id"}},
//                {"type": "document", "source": {"type": "text", "data"}}
//
// In a chat {"type": "input_image", "image_url"} becomes an image_url.
//
// Text becomes text under its name; a picture or clip becomes one with its data, and whether the
// model sees it is for others to say; any other file is refused by name.  Stateless; any thread.
#pragma once

#include <string>

#include "serve/form.h"

namespace hadal {

ApiStatus open_file_parts(OrderedJson& body, const FileReader& files);

}  // namespace hadal
