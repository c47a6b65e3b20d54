// SPDX-License-Identifier: MIT
// A page as a browser showed it: its frames, and its text at the start and after every click.
//
//   TRY(PageRecording recording, PageRecording::open("pages/0007"));
//   PageVerdict verdict = judge_page(asked, answer);     // two recordings under one script
//   if (!verdict.right()) … verdict.problem
//
// Files beside NAME.html, written by models/nano/visual/record.mjs:
//   NAME.ppm     frames, each "P6 WIDTH HEIGHT 255" and its pixels, one after another
//   NAME.states  JSON: the body's outerHTML at the start and after each click
// They are hostile: bounded and checked.  Pure functions; any thread may use them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "media/picture.h"

namespace hadal {

struct PageRecording {
  static Result<PageRecording> open(const std::string& name);

  Clip clip;
  std::vector<std::string> states;
};

// Frames one after another, as above.  `name` begins the message of a failure.
Result<Clip> parse_ppm_frames(std::string_view bytes, std::string_view name);

// What is right about an answer.  A page of the same look whose button does nothing has dom and
// interaction wrong where the recording shows clicks.
struct PageVerdict {
  bool dom = false;          // the same elements, attributes and words at the start
  bool pixels = false;       // every frame looks the same (35 dB and more)
  bool interaction = false;  // the same page after every click
  std::string problem;       // empty when all is right

  bool right() const { return dom && pixels && interaction; }
};
PageVerdict judge_page(const PageRecording& asked, const PageRecording& answer);

}  // namespace hadal
