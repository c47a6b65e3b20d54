// SPDX-License-Identifier: MIT
// What is to be seen in a picture: its ground and the figures on it, read from the pixels alone.
//
//   TRY(SceneSight sight, look_at(picture));
//   for (const Figure& figure : sight.figures) …       // from the top, then from the left
//
// How: the picture is brought to 64 × 64.  Its middle colour must be a ground.  What differs from
// it falls into connected pieces.  Into every piece all six forms are fitted, over radius, place
// and softness of the edge, each with the colour that leaves the least squared difference; the
// best one is what the piece is.  A codec that blurs, shifts by a pixel or adds noise of 24 dB is
// seen through.
//
// Refused: a picture without a ground, or noisy all over; pieces too large, too many, of no
// colour of ours or like no form; crumbs beside the figures.  So noise, stripes, smears and
// photographs are no scene.  A picture of the ground alone is a sight without figures.
// Tested by tests/scenes/still_check_test.cpp.  Pure functions; any thread may use them.
#pragma once

#include <vector>

#include "base/result.h"
#include "media/picture.h"
#include "scenes/objects.h"

namespace hadal {

struct Figure {
  Form form = Form::circle;
  Colour colour = Colour::red;
  double x = 0, y = 0, radius = 0;  // centre and half the width, in units of the board
  double likeness = 0;              // share of the piece's energy that the form explains, 0 … 1
  FormLikeness of_form = {};        // the same of every form
};

struct SceneSight {
  Ground ground = Ground::white;
  std::vector<Figure> figures;
};

// REQUIRES a picture whose bytes fit its size (media/picture.h).
Result<SceneSight> look_at(const Picture& picture);

// The size that a radius stands for: the boundary is the geometric mean of small and large.
Size size_of(double radius);

}  // namespace hadal
