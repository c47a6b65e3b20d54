// SPDX-License-Identifier: MIT
// Responses that are drawn: a model that draws was given the tool {"type": "image_generation"}.
//
//   if (asks_for_picture(body)) {
//     TRY(PictureResponseCall call, read_picture_response(body, artist.limits()));
//     std::unique_ptr<PictureWriter> writer = make_picture_response_writer(facts, call);
//
// Whether to use the tool is not the model's to decide: given it, it draws; tool_choice "none" lets
// it write.  The prompt is the last item, the user's; a picture in it is gone on from, as by
// images/edits.  The tool's own fields order the picture (size, output_format, partial_images, …).
// What stands before the last item is not read, and named in x-hadal-ignored-fields.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/image_codec.h"
#include "serve/reply_writer.h"

namespace hadal {

bool asks_for_picture(const OrderedJson& body);

struct PictureResponseCall {
  ImageCall image;
  OrderedJson echoed;  // fields that the reply repeats
};

// REQUIRES a body that asks for one, its file parts opened (file_parts.h).
ApiResult<PictureResponseCall> read_picture_response(const OrderedJson& body,
                                                     const ArtLimits& limits);

std::unique_ptr<PictureWriter> make_picture_response_writer(ReplyFacts facts,
                                                            const PictureResponseCall& call);

}  // namespace hadal
