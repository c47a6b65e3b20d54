// SPDX-License-Identifier: MIT
#include "scenes/board.h"

#include <algorithm>
#include <cmath>

namespace hadal {

namespace {

constexpr int64_t kLeastSide = 32, kMostSide = 4096;  // pixels
// Half of the way between two grounds, in one channel.
constexpr double kGroundTolerance = 60;
// A smoothed pixel that differs more belongs to a figure: thin parts keep half of the least
// contrast of 100; noise of 24 dB comes to 10 after smoothing.
constexpr float kContrast = 45;

// How much of the board's pixel `at` each of the picture's pixels covers, along one side.
struct Share {
  int64_t pixel;
  float weight;
};

std::vector<std::vector<Share>> shares_of(int64_t side) {
  const double scale = static_cast<double>(side) / kBoardSide;  // picture pixels a board pixel
  std::vector<std::vector<Share>> shares(kBoardSide);
  for (int64_t at = 0; at < kBoardSide; ++at) {
    const double begin = static_cast<double>(at) * scale, end = begin + scale;
    for (int64_t pixel = static_cast<int64_t>(begin); pixel < side; ++pixel) {
      const double left = std::max(begin, static_cast<double>(pixel));
      const double right = std::min(end, static_cast<double>(pixel + 1));
      if (right <= left) break;
      shares[static_cast<size_t>(at)].push_back(
          {pixel, static_cast<float>((right - left) / scale)});
    }
  }
  return shares;
}

// Each pixel of the board is the mean over its area of the picture.
std::vector<Difference> brought_to_size(const Picture& picture) {
  const std::vector<std::vector<Share>> shares = shares_of(picture.width);
  std::vector<Difference> pixels;
  pixels.reserve(kBoardSide * kBoardSide);
  for (const std::vector<Share>& rows : shares)
    for (const std::vector<Share>& columns : shares) {
      Difference sum = {};
      for (const Share& row : rows)
        for (const Share& column : columns) {
          const uint8_t* rgb = picture.pixel(column.pixel, row.pixel);
          const float weight = row.weight * column.weight;
          for (size_t c = 0; c < 3; ++c) sum[c] += weight * static_cast<float>(rgb[c]);
        }
      pixels.push_back(sum);
    }
  return pixels;
}

double middle_of(const std::vector<Difference>& pixels, size_t channel) {
  std::vector<float> values;
  for (const Difference& pixel : pixels) values.push_back(pixel[channel]);
  auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return static_cast<double>(*middle);
}

}  // namespace

Result<Board> Board::of(const Picture& picture) {
  if (picture.width != picture.height || picture.width < kLeastSide || picture.width > kMostSide)
    return fail("scene: a picture of ", picture.width, "×", picture.height,
                " pixels, expected a square of ", kLeastSide, " … ", kMostSide);
  CHECK(static_cast<int64_t>(picture.rgb.size()) == 3 * picture.width * picture.height);
  const std::vector<Difference> pixels = brought_to_size(picture);
  Board board;
  TRY_STATUS(board.find_ground(pixels));
  board.measure(pixels);
  return board;
}

Status Board::find_ground(const std::vector<Difference>& pixels) {
  ground_colour_ = {middle_of(pixels, 0), middle_of(pixels, 1), middle_of(pixels, 2)};
  double least = INFINITY;
  for (int64_t i = 0; i < kGrounds; ++i) {
    const double away = distance(rgb_of(static_cast<Ground>(i)), ground_colour_);
    if (away < least) ground_ = static_cast<Ground>(i);
    least = std::min(least, away);
  }
  if (least > kGroundTolerance)
    return fail("scene: most of the picture is (", ground_colour_.red, ", ", ground_colour_.green,
                ", ", ground_colour_.blue, "), which is no ground");
  return Ok{};
}

// Weights 1 2 1 both ways; borders are repeated.
void Board::measure(const std::vector<Difference>& pixels) {
  constexpr float kWeights[] = {0.25F, 0.5F, 0.25F};
  const auto near = [](int64_t at) { return std::clamp<int64_t>(at, 0, kBoardSide - 1); };
  for (int64_t y = 0; y < kBoardSide; ++y)
    for (int64_t x = 0; x < kBoardSide; ++x) {
      Difference sum = {-static_cast<float>(ground_colour_.red),
                        -static_cast<float>(ground_colour_.green),
                        -static_cast<float>(ground_colour_.blue)};
      for (int64_t dy = -1; dy <= 1; ++dy)
        for (int64_t dx = -1; dx <= 1; ++dx)
          for (size_t c = 0; c < 3; ++c)
            sum[c] +=
                kWeights[dx + 1] * kWeights[dy + 1] * pixels[index(near(x + dx), near(y + dy))][c];
      differences_.push_back(sum);
      contrasts_.push_back(std::hypot(sum[0], sum[1], sum[2]));
    }
}

std::vector<BoardPiece> Board::pieces() const {
  std::vector<BoardPiece> pieces;
  std::vector<uint8_t> seen(contrasts_.size());
  std::vector<std::pair<int64_t, int64_t>> waiting;
  const auto visit = [&](int64_t x, int64_t y) {
    if (x < 0 || y < 0 || x >= kBoardSide || y >= kBoardSide || seen[index(x, y)]) return;
    if (contrast(x, y) <= kContrast) return;
    seen[index(x, y)] = 1;
    waiting.emplace_back(x, y);
  };
  for (int64_t y = 0; y < kBoardSide; ++y)
    for (int64_t x = 0; x < kBoardSide; ++x) {
      visit(x, y);
      if (waiting.empty()) continue;
      BoardPiece piece{x, y, x, y, 0};
      while (!waiting.empty()) {
        const auto [px, py] = waiting.back();
        waiting.pop_back();
        piece = {std::min(piece.left, px), std::min(piece.top, py), std::max(piece.right, px),
                 std::max(piece.bottom, py), piece.area + 1};
        // Two steps far: a codec may tear a thin form by a pixel.
        for (int64_t dy = -2; dy <= 2; ++dy)
          for (int64_t dx = -2; dx <= 2; ++dx) visit(px + dx, py + dy);
      }
      pieces.push_back(piece);
    }
  return pieces;
}

}  // namespace hadal
