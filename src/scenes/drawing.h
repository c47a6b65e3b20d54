// SPDX-License-Identifier: MIT
// Forms on a picture, with smooth edges, at any size.
//
//   Picture picture = blank(64, rgb_of(Ground::white));
//   draw_figure(picture, {Form::star, rgb_of(Colour::red), 32, 32, 8});   // in units of the board
//
// Pure functions of their arguments; any thread may use them.
#pragma once

#include <cstdint>

#include "media/picture.h"
#include "scenes/objects.h"

namespace hadal {

// A square picture of one colour.
Picture blank(int64_t side, const Rgb& colour);

// A form with its centre and half its width.  Units are those of the board (objects.h).
struct Ink {
  Form form = Form::circle;
  Rgb colour;
  double x = 0, y = 0, radius = 0;
};
void draw_figure(Picture& picture, const Ink& ink);

// How far a point is from the edge of a form of radius 1 around the origin (y downwards):
// negative inside.
double distance_to_edge(Form form, double x, double y);

}  // namespace hadal
