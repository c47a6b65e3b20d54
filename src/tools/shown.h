// SPDX-License-Identifier: MIT
// Pictures and videos that a prompt shows to a model that sees.
//
//   TRY(Shown shown, read_shown(files, config.vision));
//   talk.add_user(shown_blocks(shown, text));
//   TRY(const std::vector<int64_t> ids, talk.prompt());        // a placeholder an image
//   TRY(const SeenPrompt seen, look_at(shown, ids, open, quiet));
//   open.session->extend(seen.ids, nullptr, seen.given);
//
// A video is shown as pictures, each under the time it was taken at.  What is taken:
//   2 frames a second, fewer where more than 64 would come: they are spread over the whole clip;
//   of these, the ones that show something new (media/keyframes.h);
//   no larger than min_pixels, the smallest size that the model is made for.
// Two a second show what lasts half a second; 64 frames of the smallest size are some 12,000
// positions with the published configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "media/picture.h"
#include "media/read.h"
#include "model/cache.h"
#include "model/vision.h"
#include "text/message.h"
#include "tools/open_model.h"

namespace hadal {

inline constexpr double kVideoFps = 2;
inline constexpr int64_t kVideoFrames = 64;

struct ShownFiles {
  std::vector<std::string> images, videos;
  bool empty() const { return images.empty() && videos.empty(); }
};

struct Shown {
  struct Item {
    std::string label;  // stands before the picture; empty: nothing
    ImagePlan plan;
    Picture picture;  // fitted into the plan
    Tensor rows;      // what the encoder made of it; empty before look_at()
  };
  std::vector<Item> items;
};

// A still, or a frame, made ready for a model.
Result<Shown::Item> shown_picture(const Picture& picture, std::string label,
                                  const VisionConfig& config);
// What is read of a clip so that it can be shown; refuses a part that the clip does not have, and
// a rate that takes more than kVideoFrames.
Result<ReadRequest> frames_to_show(const MediaInfo& info, const ClipPart& part);
// The new frames of a clip that begins at `start` seconds, under their times ("[1:02.5]").
Result<std::vector<Shown::Item>> shown_clip(const Clip& clip, double start,
                                            const VisionConfig& config);

// Images first, then videos, each in the order given.
Result<Shown> read_shown(const ShownFiles& files, const VisionConfig& config);

// The content of a user's message: what is shown, then the text.
std::vector<Block> shown_blocks(const Shown& shown, const std::string& text);

struct SeenPrompt {
  std::vector<int64_t> ids;
  GivenRows given;
};

// Makes room for the pictures in `ids` and runs the encoder on those that it has not seen yet.
// Refuses, before it does, what the session does not hold.
Result<SeenPrompt> look_at(Shown& shown, const std::vector<int64_t>& ids, const OpenModel& open,
                           bool quiet);

}  // namespace hadal
