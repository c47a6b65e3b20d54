// SPDX-License-Identifier: MIT
// Jobs in the words of stable-diffusion.cpp's server: orders in, their state and their end out.
//
//   TRY(SdcppCall call, read_img_gen(body, artist.limits()));
//   reply_json(exchange, sdcpp_accepted_json(job), ignored_headers(call.ignored), 202);
//
// What would make another picture and cannot be honoured is refused by name; what only says how
// that program would go about it is listed in x-hadal-ignored-fields.  A job makes one picture or
// one clip.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serve/artist.h"
#include "serve/json_fields.h"
#include "serve/video_store.h"

namespace hadal {

struct SdcppCall {
  ArtOrder order;
  std::vector<std::string> ignored;
};

// A given picture is painted over, so great a part of its cells as `strength` says.
ApiResult<SdcppCall> read_img_gen(const OrderedJson& body, const ArtLimits& limits);
// … and here begins the clip.
ApiResult<SdcppCall> read_vid_gen(const OrderedJson& body, const ArtLimits& limits);

OrderedJson sdcpp_accepted_json(const VideoJob& job);
// `bytes`: the file of a finished job; `place`: in the queue, of one that waits.
OrderedJson sdcpp_job_json(const VideoJob& job, std::string_view bytes, int64_t place);
OrderedJson sdcpp_capabilities(const std::string& model, const ArtLimits& limits,
                               int64_t longest_queue);

}  // namespace hadal
