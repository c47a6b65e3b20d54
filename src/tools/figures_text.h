// SPDX-License-Identifier: MIT
// Numbers as people read them, and columns of them.
#pragma once

#include <cstddef>
#include <string>

namespace hadal {

std::string formatted(const char* format, double value);  // printf's format of one double
std::string count_text(double count);                     // 1.002T, 284.3B, 529.5M, 446.1k, 12
std::string decimal_bytes(double bytes);                  // 510.3 GB, 2.7 MB, 24.6 kB, 890 B
std::string share_text(double part, double whole);        // "12.5 %"; a dash of nothing
// By characters, not bytes; what is too long keeps one space after it.
std::string padded(std::string text, size_t width);
std::string left_padded(const std::string& text, size_t width);

}  // namespace hadal
