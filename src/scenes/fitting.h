// SPDX-License-Identifier: MIT
// Which form, where, how large and in which colour explains a piece of a board best.
//
//   FormFit fit = best_fit(board, piece);
//   if (fit.likeness < 0.8) …                          // it is none of our forms
//
// A form of colour k over pixels' differences d from the ground, covering each by a, leaves
// Σ|d − ak|².  All forms and colours are tried over radius, place and blur; what
// leaves least is the answer, and the likeness is the share of Σ|d|² that it takes away.
// Pure functions; any thread may use them.
#pragma once

#include "scenes/board.h"
#include "scenes/objects.h"

namespace hadal {

struct FormFit {
  Form form = Form::circle;
  Colour colour = Colour::red;
  double x = 0, y = 0, radius = 0;  // units
  size_t blur = 0;                  // of CoverTables::kBlurs
  double explained = -1e30;         // squared difference that it takes away
  double likeness = 0;              // 0 … 1; below 0 when it makes things worse
  Rgb shade;                        // the colour that would have left least, of any colours
  FormLikeness of_form = {};        // the likeness of every form; of three of them fitted finely
};

FormFit best_fit(const Board& board, const BoardPiece& piece);

}  // namespace hadal
