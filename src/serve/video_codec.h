// SPDX-License-Identifier: MIT
// Videos in the words of OpenAI's videos API: requests in, jobs out.
//
//   TRY(VideoCall call, read_video_call(form, artist.limits()));
//   OrderedJson body = video_json(job, "nano", 0.4);
#pragma once

#include <optional>
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

// A remix of a finished video: its size, length and first frame, and another prompt.  The bytes of
// the frame are for who has the file.
ApiResult<VideoCall> read_remix(const Form& form, const ArtLimits& limits, const VideoJob& source);
// More of a finished video: {"video": {"id"}, "prompt", "seconds"}, of which `id` reads the first.
ApiResult<std::string> read_source_id(const Form& form);
ApiResult<VideoCall> read_extension(const Form& form, const ArtLimits& limits,
                                    const VideoJob& source);
// A finished video painted over: {"video": {"id"}, "prompt", "strength"}.
ApiResult<VideoCall> read_video_edit(const Form& form, const ArtLimits& limits,
                                     const VideoJob& source);
// A clip that the client brought, as {"video": {"file_id"}}, a data URL or a file of the form; none
// if a finished video is named.
ApiResult<std::optional<std::string>> read_sent_clip(const Form& form, const FileReader& files);
// The same as an edit of a finished video, but for size, num_frames (or seconds) and fps, which may
// be asked for: so many frames, evenly over the whole clip.  Its bytes are for who has them.
ApiResult<VideoCall> read_clip_edit(const Form& form, const ArtLimits& limits,
                                    const MediaInfo& clip);

// Of the whole video, with those of the one that it extends.
int64_t all_frames(const VideoJob& job);

// `part` is how much of a running job is painted, 0 to 1.
OrderedJson video_json(const VideoJob& job, const std::string& model, double part);

// "video/mp4".
std::string media_type(FileKind kind);

}  // namespace hadal
