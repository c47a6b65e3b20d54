// SPDX-License-Identifier: MIT
// Stop strings: bytes that end an answer and are never shown, however tokens cut them up.
//
//   StopStrings stops({"\nUser:", "###"});
//   std::string shown = stops.add(piece);   // what surely is not part of a stop string
//   if (stops.found()) …                    // the rest of the answer is dropped
//   shown = stops.flush();                  // at the end: what was held back in vain
//
// Held back is at most the longest stop string less one byte.  Of several stop strings the one
// that is complete first counts, so that nothing depends on the cuts.  One answer, one object, one
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hadal {

class StopStrings {
 public:
  // Empty strings are left out: they would stop everything.
  explicit StopStrings(std::vector<std::string> stops);

  std::string add(std::string_view piece);
  std::string flush();
  bool found() const { return found_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace hadal
