// SPDX-License-Identifier: MIT
// A picture as 64 × 64 smoothed differences from its ground: what the readers of scenes look at.
//
//   TRY(Board board, Board::of(picture));
//   board.difference(x, y)               // red, green and blue
//   board.contrast(x, y)                 // the length of that
//   board.pieces()                       // connected pixels that do
//
// May be read from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/objects.h"

namespace hadal {

constexpr int64_t kBoardSide = 64;  // pixels, one a unit

using Difference = std::array<float, 3>;  // red, green, blue

// Pixels that hang together, by the box around them.
struct BoardPiece {
  int64_t left = 0, top = 0, right = 0, bottom = 0;  // inclusive
  int64_t area = 0;                                  // pixels
};

class Board {
 public:
  // Refuses pictures that are not square, too small or large, or of no ground.
  static Result<Board> of(const Picture& picture);

  Ground ground() const { return ground_; }
  // The ground as it was measured: a codec may have moved it a little.
  const Rgb& ground_colour() const { return ground_colour_; }
  // The pixel less the ground, smoothed over 3 × 3 pixels: noise falls to a third.
  const Difference& difference(int64_t x, int64_t y) const { return differences_[index(x, y)]; }
  float contrast(int64_t x, int64_t y) const { return contrasts_[index(x, y)]; }

  std::vector<BoardPiece> pieces() const;

 private:
  static size_t index(int64_t x, int64_t y) { return static_cast<size_t>(y * kBoardSide + x); }
  Status find_ground(const std::vector<Difference>& pixels);
  void measure(const std::vector<Difference>& pixels);

  Ground ground_ = Ground::white;
  Rgb ground_colour_;
  std::vector<Difference> differences_;
  std::vector<float> contrasts_;  // their lengths
};

}  // namespace hadal
