// SPDX-License-Identifier: MIT
// Pictures and clips that a conversation shows to a model that sees: from the parts of a request
// to embeddings within its prompt.
//
//   TRY_STATUS(take_pictures(messages, Sees::pictures, call));  // chat completions
//   TRY(Block block, picture_block(url, where, call));          // other APIs, part by part
//   TRY(SeenPictures seen, look_at(call, views, partition, room));
//   show_frames(seen, messages);                                // one block a picture or frame
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

// The pictures and clips among the content of messages[i], which `messages` says in full; refused
// with their place where the model reads text only, like all that is neither text nor picture.
ApiStatus take_pictures(const OrderedJson& messages, Sees sees, ChatCall& call);

// One picture: a URL that holds it, data:image/png;base64,…, as the block that stands for it.
ApiResult<Block> picture_block(const std::string& url, const std::string& where, ChatCall& call);
// … that came as base64.
ApiResult<Block> picture_block_of_base64(const std::string& base64, const std::string& where,
                                         ChatCall& call);

bool is_clip_part(const OrderedJson& part);
// A clip: {"video_url": URL or {"url", "fps", "start", "end"}}, where the numbers may also stand
// beside a URL.
ApiResult<ShownPicture> read_clip_part(const OrderedJson& part, const std::string& where,
                                       std::vector<std::string>& ignored);
ApiResult<Block> clip_block(const OrderedJson& part, const std::string& where, ChatCall& call);

// What the viewer made of call.pictures, in their order: of a clip its frames.
using SeenPictures = std::vector<std::vector<SeenFrame>>;

// Refuses, by the place of the picture, what is none, and what does not fit `room` positions.
ApiResult<SeenPictures> look_at(const ChatCall& call, ViewCache& views,
                                const std::string& partition, int64_t room);

// Puts what was seen of each picture in its block's place: a clip becomes frames under their times.
void show_frames(const SeenPictures& seen, std::vector<Message>& messages);

struct SeenIds {
  std::vector<int64_t> ids;
  GivenRows given;
  int64_t positions = 0;  // of pictures
};
// Makes room for the pictures of a prompt, whose images are numbers of frames.
ApiResult<SeenIds> expand_pictures(const std::vector<int64_t>& ids,
                                   const std::vector<std::string>& places, const SeenPictures& seen,
                                   int64_t placeholder);

}  // namespace hadal
