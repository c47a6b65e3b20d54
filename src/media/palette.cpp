// SPDX-License-Identifier: MIT
// Median cut and error diffusion, over cells of 5 bits a channel.
#include "media/palette.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/result.h"

namespace hadal {
namespace {

constexpr size_t kMostColours = 256;
constexpr int kCellBits = 5;
constexpr int kCells = 1 << (3 * kCellBits);

uint32_t packed(const uint8_t* rgb) {
  return static_cast<uint32_t>(rgb[0] << 16 | rgb[1] << 8 | rgb[2]);
}

int cell_of(int red, int green, int blue) {
  constexpr int kDrop = 8 - kCellBits;
  return red >> kDrop << (2 * kCellBits) | green >> kDrop << kCellBits | blue >> kDrop;
}

// ---- choosing colours

// Every colour in the order of first sight, or nothing when there are too many.
std::optional<Palette> exact_palette(std::span<const Picture> frames) {
  std::unordered_map<uint32_t, bool> seen;
  Palette palette;
  for (const Picture& frame : frames)
    for (size_t i = 0; i < frame.rgb.size(); i += 3) {
      const uint8_t* rgb = &frame.rgb[i];
      if (!seen.emplace(packed(rgb), true).second) continue;
      if (palette.size() == kMostColours) return std::nullopt;
      palette.push_back({rgb[0], rgb[1], rgb[2]});
    }
  return palette;
}

struct Cell {
  int64_t count = 0;
  std::array<int64_t, 3> sum{};
  int mean(size_t channel) const { return static_cast<int>(sum[channel] / count); }
};

std::vector<Cell> histogram(std::span<const Picture> frames) {
  std::vector<Cell> cells(kCells);
  for (const Picture& frame : frames)
    for (size_t i = 0; i < frame.rgb.size(); i += 3) {
      const uint8_t* rgb = &frame.rgb[i];
      Cell& cell = cells[static_cast<size_t>(cell_of(rgb[0], rgb[1], rgb[2]))];
      ++cell.count;
      for (size_t c = 0; c < 3; ++c) cell.sum[c] += rgb[c];
    }
  std::erase_if(cells, [](const Cell& cell) { return cell.count == 0; });
  return cells;
}

// A range of cells, cut where half of its pixels lie on each side of its longest edge.
struct Box {
  size_t begin = 0, end = 0;
  size_t axis = 0;
  int64_t pixels = 0;
  int edge = 0;
  int64_t weight() const { return end - begin > 1 ? pixels * edge : 0; }
};

Box box_of(const std::vector<Cell>& cells, size_t begin, size_t end) {
  Box box = {begin, end};
  for (size_t i = begin; i < end; ++i) box.pixels += cells[i].count;
  for (size_t c = 0; c < 3; ++c) {
    int low = 255, high = 0;
    for (size_t i = begin; i < end; ++i) {
      low = std::min(low, cells[i].mean(c));
      high = std::max(high, cells[i].mean(c));
    }
    if (high - low > box.edge) {
      box.edge = high - low;
      box.axis = c;
    }
  }
  return box;
}

size_t median_of(std::vector<Cell>& cells, const Box& box) {
  const auto first = cells.begin() + static_cast<int64_t>(box.begin);
  const auto last = cells.begin() + static_cast<int64_t>(box.end);
  std::stable_sort(first, last, [&](const Cell& a, const Cell& b) {
    return a.mean(box.axis) < b.mean(box.axis);
  });
  int64_t below = 0;
  size_t cut = box.begin;
  while (cut < box.end - 1 && 2 * below < box.pixels) below += cells[cut++].count;
  return std::max(cut, box.begin + 1);
}

Colour mean_of(const std::vector<Cell>& cells, const Box& box) {
  Cell all;
  for (size_t i = box.begin; i < box.end; ++i) {
    all.count += cells[i].count;
    for (size_t c = 0; c < 3; ++c) all.sum[c] += cells[i].sum[c];
  }
  Colour colour{};
  for (size_t c = 0; c < 3; ++c)
    colour[c] = static_cast<uint8_t>((all.sum[c] + all.count / 2) / all.count);
  return colour;
}

Palette median_cut(std::vector<Cell> cells) {
  std::vector<Box> boxes = {box_of(cells, 0, cells.size())};
  const auto lighter = [](const Box& a, const Box& b) { return a.weight() < b.weight(); };
  while (boxes.size() < kMostColours) {
    const auto heaviest = std::max_element(boxes.begin(), boxes.end(), lighter);
    if (heaviest->weight() == 0) break;
    const Box box = *heaviest;
    const size_t cut = median_of(cells, box);
    *heaviest = box_of(cells, box.begin, cut);
    boxes.push_back(box_of(cells, cut, box.end));
  }
  Palette palette;
  for (const Box& box : boxes) palette.push_back(mean_of(cells, box));
  return palette;
}

// ---- finding colours

class Nearest {
 public:
  explicit Nearest(const Palette& palette) : palette_(palette), of_cell_(kCells, kUnknown) {
    for (size_t i = palette.size(); i-- > 0;)
      exact_[packed(palette[i].data())] = static_cast<uint8_t>(i);
  }

  uint8_t operator()(const Colour& colour) {
    const auto exact = exact_.find(packed(colour.data()));
    if (exact != exact_.end()) return exact->second;
    int16_t& known = of_cell_[static_cast<size_t>(cell_of(colour[0], colour[1], colour[2]))];
    if (known == kUnknown) known = search(colour);
    return static_cast<uint8_t>(known);
  }

 private:
  static constexpr int16_t kUnknown = -1;

  // Of the middle of the colour's cell, so that it does not matter who asks first.
  int16_t search(const Colour& colour) const {
    constexpr int kHigh = 0xff << (8 - kCellBits) & 0xff, kMiddle = 1 << (7 - kCellBits);
    int best = std::numeric_limits<int>::max();
    int16_t index = 0;
    for (size_t i = 0; i < palette_.size(); ++i) {
      int distance = 0;
      for (size_t c = 0; c < 3; ++c) {
        const int step = ((colour[c] & kHigh) | kMiddle) - palette_[i][c];
        distance += step * step;
      }
      if (distance >= best) continue;
      best = distance;
      index = static_cast<int16_t>(i);
    }
    return index;
  }

  const Palette& palette_;
  std::unordered_map<uint32_t, uint8_t> exact_;
  std::vector<int16_t> of_cell_;
};

}  // namespace

Palette palette_of(std::span<const Picture> frames) {
  CHECK(!frames.empty() && !frames.front().rgb.empty(), "no pixels");
  std::optional<Palette> exact = exact_palette(frames);
  return exact ? *exact : median_cut(histogram(frames));
}

Palette cube_palette() {
  constexpr int kSteps = 6;
  const auto level = [](int step) { return static_cast<uint8_t>(255 * step / (kSteps - 1)); };
  Palette palette;
  for (int red = 0; red < kSteps; ++red)
    for (int green = 0; green < kSteps; ++green)
      for (int blue = 0; blue < kSteps; ++blue)
        palette.push_back({level(red), level(green), level(blue)});
  return palette;
}

std::vector<uint8_t> indices_of(const Picture& picture, const Palette& palette) {
  Nearest nearest(palette);
  const int64_t width = picture.width;
  // Errors in sixteenths, of this row and the next, with a pixel of margin on both sides.
  std::vector<std::array<int, 3>> here(static_cast<size_t>(width) + 2), below(here.size());
  std::vector<uint8_t> indices;
  indices.reserve(static_cast<size_t>(width * picture.height));
  for (int64_t y = 0; y < picture.height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const auto at = static_cast<size_t>(x) + 1;
      Colour wanted{};
      for (size_t c = 0; c < 3; ++c)
        wanted[c] =
            static_cast<uint8_t>(std::clamp(picture.pixel(x, y)[c] + here[at][c] / 16, 0, 255));
      indices.push_back(nearest(wanted));
      for (size_t c = 0; c < 3; ++c) {
        const int error = wanted[c] - palette[indices.back()][c];
        here[at + 1][c] += error * 7;
        below[at - 1][c] += error * 3;
        below[at][c] += error * 5;
        below[at + 1][c] += error;
      }
    }
    std::swap(here, below);
    std::fill(below.begin(), below.end(), std::array<int, 3>{});
  }
  return indices;
}

}  // namespace hadal
