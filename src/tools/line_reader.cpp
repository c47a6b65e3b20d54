// SPDX-License-Identifier: MIT
// Lines from standard input.
#include "tools/line_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace hadal {

LineReader::Got LineReader::next(std::string& line) {
  size_t searched = 0;
  while (true) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return Got::line;
    }
    if (ended_) {
      line = std::exchange(buffer_, "");
      return line.empty() ? Got::end : Got::line;
    }
    searched = buffer_.size();
    std::array<char, 4096> bytes{};
    const ssize_t count = read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) return Got::interrupt;
    if (count <= 0) ended_ = true;
    if (count > 0) buffer_.append(bytes.data(), static_cast<size_t>(count));
  }
}

}  // namespace hadal
