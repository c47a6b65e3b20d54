// SPDX-License-Identifier: MIT
// One dot a needle.
#include "tools/needle_plot.h"

#include <array>
#include <cstdio>

namespace hadal {
namespace {

constexpr double kPlotWidth = 880, kPlotHeight = 260;  // of the picture, in its own units
constexpr double kPlotLeft = 60, kPlotRight = 40, kPlotTop = 40, kPlotBottom = 44;

template <typename... Values>
std::string drawn(const char* format, Values... values) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

}  // namespace

std::string needle_plot(const std::string& title, int64_t tokens,
                        const std::vector<NeedleAnswer>& answers) {
  const double width = kPlotWidth - kPlotLeft - kPlotRight;
  const double height = kPlotHeight - kPlotTop - kPlotBottom, floor = kPlotHeight - kPlotBottom;
  std::string svg =
      drawn("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %g %g'>\n", kPlotWidth,
            kPlotHeight) +
      "<style>text{font:12px sans-serif;fill:#444}.title{font-size:15px;fill:#111}"
      ".grid{stroke:#e4e4e4}</style>\n<rect width='100%' height='100%' fill='#fff'/>\n" +
      drawn("<text class='title' x='%g' y='24'>%s</text>\n", kPlotLeft, title.c_str());
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const double x = kPlotLeft + width * quarter / 4, y = floor - height * quarter / 4;
    svg += drawn("<line class='grid' x1='%.1f' y1='%g' x2='%.1f' y2='%g'/>", x, kPlotTop, x, floor);
    svg += drawn("<text x='%.1f' y='%g' text-anchor='middle'>%lld</text>", x, floor + 18,
                 static_cast<long long>(tokens * quarter / 4));
    svg += drawn("<line class='grid' x1='%g' y1='%.1f' x2='%g' y2='%.1f'/>", kPlotLeft, y,
                 kPlotWidth - kPlotRight, y);
    svg += drawn("<text x='%g' y='%.1f' text-anchor='end'>%.2f</text>\n", kPlotLeft - 8, y + 4,
                 quarter / 4.0);
  }
  svg += drawn("<text x='%g' y='%g' text-anchor='middle'>token where the needle stands</text>",
               kPlotLeft + width / 2, kPlotHeight - 8);
  svg += drawn(
      "<text x='16' y='%g' text-anchor='middle' transform='rotate(-90 16 %g)'>probability of "
      "its value</text>\n",
      kPlotTop + height / 2, kPlotTop + height / 2);
  for (const NeedleAnswer& answer : answers)
    svg +=
        drawn("<circle cx='%.1f' cy='%.1f' r='4' fill='%s'/>\n",
              kPlotLeft + width * static_cast<double>(answer.place) / static_cast<double>(tokens),
              floor - height * answer.probability, answer.found ? "#2d8a4e" : "#c8502d");
  return svg + "</svg>\n";
}

}  // namespace hadal
