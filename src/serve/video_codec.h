// SPDX-License-Identifier: MIT
// Videos in the words of OpenAI's videos API: requests in, jobs out.
//
//   TRY(VideoCall call, read_video_call(form, artist.limits()));
//   OrderedJson body = video_json(job, "nano", 0.4);
#pragma once

#include <string>
#include <vector>

#include "serve/artist.h"
#include "serve/form.h"
#include "serve/video_store.h"

namespace hadal {

struct VideoCall {
  ArtOrder order;
  std::string model, user;
  std::vector<std::string> ignored;
};

ApiResult<VideoCall> read_video_call(const Form& form, const ArtLimits& limits,
                                     const FileReader& files);

// `part` is how much of a running job is painted, 0 to 1.
OrderedJson video_json(const VideoJob& job, const std::string& model, double part);

// "video/mp4".
std::string media_type(FileKind kind);

}  // namespace hadal
