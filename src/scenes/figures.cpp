// SPDX-License-Identifier: MIT
#include "scenes/figures.h"

#include <algorithm>
#include <cmath>

#include "scenes/board.h"
#include "scenes/fitting.h"

namespace hadal {

namespace {

constexpr int64_t kCrumb = 6;  // pixels; the smallest figure covers twenty
constexpr int64_t kCrumbsTogether = 12;
constexpr int64_t kMostPieces = 6;  // twice as many as any scene has
constexpr int64_t kWidest = 26;     // pixels; a large object smeared by five at each side
constexpr int64_t kMargin = 3;      // pixels of a piece's soft edge, which are no ground
// Blurred figures keep 0.9 and more; noise reaches 0.3.
constexpr double kLeastLikeness = 0.75;
constexpr double kColourTolerance = 90;  // between the measured shade and the colour it stands for
constexpr double kNoiseLimit = 15;       // of the smoothed ground, root mean square in one channel

Result<Figure> figure_of(const Board& board, const BoardPiece& piece) {
  const int64_t width = piece.right - piece.left + 1, height = piece.bottom - piece.top + 1;
  if (width > kWidest || height > kWidest)
    return fail("scene: a figure of ", width, "×", height, " units, expected at most ", kWidest);
  const FormFit fit = best_fit(board, piece);
  if (fit.likeness < kLeastLikeness)
    return fail("scene: a figure that is ", std::lround(100 * fit.likeness), " % a ",
                word(fit.colour), " ", word(fit.form), ", expected ",
                std::lround(100 * kLeastLikeness), " %");
  if (distance(fit.shade, rgb_of(fit.colour)) > kColourTolerance)
    return fail("scene: a ", word(fit.form), " in (", std::lround(fit.shade.red), ", ",
                std::lround(fit.shade.green), ", ", std::lround(fit.shade.blue),
                "), which is no colour of ours");
  return Figure{fit.form, fit.colour, fit.x, fit.y, fit.radius, fit.likeness, fit.of_form};
}

bool is_near(const BoardPiece& piece, int64_t x, int64_t y) {
  return x >= piece.left - kMargin && x <= piece.right + kMargin && y >= piece.top - kMargin &&
         y <= piece.bottom + kMargin;
}

// The ground between the pieces must be calm.
Status check_ground(const Board& board, const std::vector<BoardPiece>& pieces) {
  double sum = 0;
  int64_t pixels = 0;
  for (int64_t y = 0; y < kBoardSide; ++y)
    for (int64_t x = 0; x < kBoardSide; ++x) {
      if (std::any_of(pieces.begin(), pieces.end(),
                      [&](const BoardPiece& piece) { return is_near(piece, x, y); }))
        continue;
      for (float value : board.difference(x, y)) sum += static_cast<double>(value * value);
      ++pixels;
    }
  const double noise = pixels == 0 ? 0 : std::sqrt(sum / static_cast<double>(3 * pixels));
  if (noise > kNoiseLimit)
    return fail("scene: a ground with noise of ", std::lround(noise), ", expected at most ",
                kNoiseLimit);
  return Ok{};
}

}  // namespace

Size size_of(double radius) {
  return radius < std::sqrt(kSmallRadius * kLargeRadius) ? Size::small : Size::large;
}

Result<SceneSight> look_at(const Picture& picture) {
  TRY(Board board, Board::of(picture));
  std::vector<BoardPiece> pieces = board.pieces();
  int64_t crumbs = 0;
  std::erase_if(pieces, [&](const BoardPiece& piece) {
    if (piece.area >= kCrumb) return false;
    crumbs += piece.area;
    return true;
  });
  if (crumbs > kCrumbsTogether) return fail("scene: crumbs of ", crumbs, " pixels on the ground");
  if (static_cast<int64_t>(pieces.size()) > kMostPieces)
    return fail("scene: ", pieces.size(), " figures, expected at most ", kMostPieces);
  TRY_STATUS(check_ground(board, pieces));
  SceneSight sight{board.ground(), {}};
  for (const BoardPiece& piece : pieces) {
    TRY(Figure figure, figure_of(board, piece));
    sight.figures.push_back(figure);
  }
  return sight;
}

}  // namespace hadal
