// SPDX-License-Identifier: MIT
// Chat completions whose answer is a picture or a clip: "modalities": ["text", "image"].
//
//   TRY(const ChatArt art, read_modalities(body, {.pictures = true}));
//   TRY(PictureChatCall call, read_picture_chat(body, artist.limits(), art));
//   std::unique_ptr<PictureWriter> writer = make_picture_chat_writer(facts);
//
// The caption is the last message, the user's; a picture in it is gone on from, as by images/edits.
// The fields that order a picture are those of the images API (size, seed, guidance_scale, …), or
// of the videos API.  What went before it is not read, and named in x-hadal-ignored-fields.
//
// Pictures come in message.images as data URLs, as routers send them; a clip is a job, named with
// the address of its file: megabytes have no place in a delta.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/image_codec.h"
#include "serve/reply_writer.h"
#include "serve/text_call.h"

namespace hadal {

enum class ChatArt { none, picture, clip };

struct ChatArts {
  bool pictures = false, clips = false;  // that can be made
};

// A 400 that names the modality if it is none of the model's.
ApiResult<ChatArt> read_modalities(const OrderedJson& body, const ChatArts& possible);

struct PictureChatCall {
  ArtOrder order;
  std::string model, user;
  bool stream = false, stream_usage = false;
  std::vector<std::string> ignored;
};

// REQUIRES an art.  Of a body whose file parts are opened (file_parts.h).
ApiResult<PictureChatCall> read_picture_chat(const OrderedJson& body, const ArtLimits& limits,
                                             ChatArt art);

std::unique_ptr<PictureWriter> make_picture_chat_writer(ReplyFacts facts);
// The answer that names a job: its id, and where its file will be.
std::string clip_chat_whole(const ReplyFacts& facts, const std::string& id);
std::string clip_chat_stream(const ReplyFacts& facts, const std::string& id);

}  // namespace hadal
