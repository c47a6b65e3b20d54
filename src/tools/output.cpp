// SPDX-License-Identifier: MIT
// Standard output.
#include "tools/output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hadal {

void Output::write(std::string_view text) {
  if (text.empty()) return;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    failed_ = true;
  in_line_ = text.back() != '\n';
}

void Output::write_line(std::string_view line) {
  if (in_line_) write("\n");
  write(line);
  write("\n");
}

Status Output::finish() {
  if (failed_ || std::fflush(stdout) != 0)
    return fail_machine("standard output: could not be written: ", std::strerror(errno));
  return Ok{};
}

void note_line(std::string_view text) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

}  // namespace hadal
