// SPDX-License-Identifier: MIT
#include "tools/figures_text.h"

#include <cstdio>

namespace hadal {

std::string formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// 284.3B, 529.5M, 446.1k
std::string count_text(double count) {
  if (count >= 999.95e9) return formatted("%.3fT", count / 1e12);
  if (count >= 999.95e6) return formatted("%.1fB", count / 1e9);
  if (count >= 999.95e3) return formatted("%.1fM", count / 1e6);
  if (count >= 1e3) return formatted("%.1fk", count / 1e3);
  return formatted("%.0f", count);
}

std::string decimal_bytes(double bytes) {
  if (bytes >= 999.95e6) return formatted("%.1f GB", bytes / 1e9);
  if (bytes >= 999.95e3) return formatted("%.1f MB", bytes / 1e6);
  if (bytes >= 1e3) return formatted("%.1f kB", bytes / 1e3);
  return formatted("%.0f B", bytes);
}

std::string share_text(double part, double whole) {
  return whole > 0 ? formatted("%.1f %%", 100 * part / whole) : "–";
}

std::string padded(std::string text, size_t width) {
  size_t shown = 0;  // characters, not bytes: "–" is three bytes
  for (char c : text) shown += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  text.append(shown < width ? width - shown : 1, ' ');
  return text;
}

std::string left_padded(const std::string& text, size_t width) {
  return std::string(text.size() < width ? width - text.size() : 0, ' ') + text;
}

}  // namespace hadal
