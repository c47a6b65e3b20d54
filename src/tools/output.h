// SPDX-License-Identifier: MIT
// Standard output, which carries the answer and nothing else.
//
//   Output out;
//   out.write(piece);            // at once: streams are watched by people and programs
//   TRY_STATUS(out.finish());    // a full disk or a closed pipe is told here
#pragma once

#include <string_view>

#include "base/result.h"

namespace hadal {

class Output {
 public:
  void write(std::string_view text);
  void write_line(std::string_view line);  // on a line of its own
  Status finish();

 private:
  bool in_line_ = false;  // what was written last is no line's end
  bool failed_ = false;
};

// One line on stderr for people: speed, hints.
void note_line(std::string_view text);

}  // namespace hadal
