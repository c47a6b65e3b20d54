// SPDX-License-Identifier: MIT
// What `hadal generate` does without a prompt: says which model it runs, and shows some answers,
// and a picture and a clip where the model draws.
//
// Prompts come from prompts.txt in the model's folder: one a line; "chat: " before a question to
// the assistant, "draw: " before what a picture shows, "film: " before what a clip shows; # begins
// a comment.  Without the file a usual sentence is continued.
#pragma once

#include <string>

#include "base/result.h"
#include "tools/options.h"
#include "tools/studio.h"

namespace hadal {

struct Demonstration {
  SamplingChoice sampling;
  std::string folder = ".";  // for picture.png and clip.gif
  bool quiet = false;
};

// A studio without a visual tokenizer shows text alone.
Result<int> demonstrate(Studio& studio, const Demonstration& choice);

}  // namespace hadal
