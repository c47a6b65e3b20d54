// SPDX-License-Identifier: MIT
// Lines from standard input, told apart from Ctrl-C and the end.
//
//   LineReader lines;
//   switch (lines.next(line)) { case LineReader::Got::line: … }
//
// std::getline cannot tell an interrupted read from the end of the input.
#pragma once

#include <string>

namespace hadal {

class LineReader {
 public:
  enum class Got { line, interrupt, end };
  // Without the newline; a last line may lack one.
  Got next(std::string& line);

 private:
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace hadal
