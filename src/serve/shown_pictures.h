// SPDX-License-Identifier: MIT
// Pictures that a conversation shows to a model that sees: from the parts of a request to
// embeddings within its prompt.
//
//   TRY_STATUS(take_pictures(call, Sees::pictures));            // chat completions
//   TRY(Block block, picture_block(url, where, call));          // other APIs, part by part
//   TRY(SeenPictures seen, look_at(call, views, partition, room));
//   TRY(SeenIds prompt, expand_pictures(ids, places, seen, placeholder));
//
// Stateless; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/sequence.h"
#include "serve/text_call.h"
#include "serve/view_cache.h"
#include "text/prompt.h"

namespace hadal {

// The pictures among the content of messages[i]; refused with their place where the model reads
// text only, like all that is neither text nor picture.
ApiStatus take_pictures(ChatCall& call, Sees sees);

// One picture: a URL that holds it, data:image/png;base64,…, as the block that stands for it.
ApiResult<Block> picture_block(const std::string& url, const std::string& where, ChatCall& call);
// … that came as base64.
ApiResult<Block> picture_block_of_base64(const std::string& base64, const std::string& where,
                                         ChatCall& call);

// What the viewer made of call.pictures, in their order.
using SeenPictures = std::vector<Tensor>;

// Refuses, by the place of the picture, what is none, and what does not fit `room` positions.
ApiResult<SeenPictures> look_at(const ChatCall& call, ViewCache& views,
                                const std::string& partition, int64_t room);

struct SeenIds {
  std::vector<int64_t> ids;
  GivenRows given;
  int64_t positions = 0;  // of pictures
};
// Makes room for the pictures of a prompt, whose images are numbers of pictures.
ApiResult<SeenIds> expand_pictures(const std::vector<int64_t>& ids,
                                   const std::vector<std::string>& places, const SeenPictures& seen,
                                   int64_t placeholder);

}  // namespace hadal
