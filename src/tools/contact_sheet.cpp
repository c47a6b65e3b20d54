// SPDX-License-Identifier: MIT
#include "tools/contact_sheet.h"

#include <algorithm>

namespace hadal {

Picture contact_sheet(const std::vector<Picture>& pictures, int64_t columns) {
  constexpr int64_t kBorder = 1;  // pixels on each side of a cell
  constexpr uint8_t kTable = 96;
  if (pictures.empty()) return {};
  int64_t width = 0, height = 0;
  for (const Picture& picture : pictures) {
    width = std::max(width, picture.width + 2 * kBorder);
    height = std::max(height, picture.height + 2 * kBorder);
  }
  const int64_t count = static_cast<int64_t>(pictures.size());
  columns = std::min(columns, count);
  Picture sheet(columns * width, (count + columns - 1) / columns * height);
  std::fill(sheet.rgb.begin(), sheet.rgb.end(), kTable);
  for (int64_t i = 0; i < count; ++i) {
    const Picture& picture = pictures[static_cast<size_t>(i)];
    for (int64_t y = 0; y < picture.height; ++y)
      std::copy_n(picture.pixel(0, y), 3 * picture.width,
                  sheet.pixel(i % columns * width + kBorder, i / columns * height + kBorder + y));
  }
  return sheet;
}

}  // namespace hadal
