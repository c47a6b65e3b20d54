// SPDX-License-Identifier: MIT
#include "scenes/fitting.h"

#include <algorithm>
#include <cmath>

#include "scenes/cover_tables.h"

namespace hadal {

namespace {

constexpr int64_t kMargin = 3;    // pixels around a piece; the next one is six away at least
constexpr size_t kFinalists = 3;  // forms that are fitted finely

class Fitter {
 public:
  Fitter(const Board& board, const BoardPiece& piece)
      : board_(board),
        left_(std::max<int64_t>(piece.left - kMargin, 0)),
        top_(std::max<int64_t>(piece.top - kMargin, 0)),
        right_(std::min(piece.right + kMargin, kBoardSide - 1)),
        bottom_(std::min(piece.bottom + kMargin, kBoardSide - 1)) {
    for (int64_t y = top_; y <= bottom_; ++y)
      for (int64_t x = left_; x <= right_; ++x)
        for (float value : board.difference(x, y)) energy_ += static_cast<double>(value * value);
    const Rgb& ground = board.ground_colour();
    for (size_t c = 0; c < kColours; ++c) {
      const Rgb colour = rgb_of(static_cast<Colour>(c));
      contrasts_[c] = {colour.red - ground.red, colour.green - ground.green,
                       colour.blue - ground.blue};
    }
  }

  // Completes a guess of form, place, radius and softness.
  void judge(FormFit& fit) const {
    double ad[3] = {}, aa = 0;
    sum_cover(fit, ad, aa);
    if (aa == 0) return;
    fit.explained = -1e30;
    for (size_t c = 0; c < kColours; ++c) {
      const Rgb& k = contrasts_[c];
      const double explained = 2 * (k.red * ad[0] + k.green * ad[1] + k.blue * ad[2]) -
                               (k.red * k.red + k.green * k.green + k.blue * k.blue) * aa;
      if (explained <= fit.explained) continue;
      fit.explained = explained;
      fit.colour = static_cast<Colour>(c);
    }
    fit.likeness = fit.explained / energy_;
    const Rgb& ground = board_.ground_colour();
    fit.shade = {ground.red + ad[0] / aa, ground.green + ad[1] / aa, ground.blue + ad[2] / aa};
  }

 private:
  void sum_cover(const FormFit& fit, double (&ad)[3], double& aa) const {
    const CoverTables& tables = CoverTables::get();
    std::array<size_t, kBoardSide> places;
    for (int64_t x = left_; x <= right_; ++x)
      places[static_cast<size_t>(x)] =
          CoverTables::place((static_cast<double>(x) + 0.5 - fit.x) / fit.radius);
    float red = 0, green = 0, blue = 0, squares = 0;
    for (int64_t y = top_; y <= bottom_; ++y) {
      const float* row =
          tables.row(fit.form, fit.blur, (static_cast<double>(y) + 0.5 - fit.y) / fit.radius);
      for (int64_t x = left_; x <= right_; ++x) {
        const float cover = row[places[static_cast<size_t>(x)]];
        const Difference& difference = board_.difference(x, y);
        red += cover * difference[0];
        green += cover * difference[1];
        blue += cover * difference[2];
        squares += cover * cover;
      }
    }
    ad[0] = static_cast<double>(red);
    ad[1] = static_cast<double>(green);
    ad[2] = static_cast<double>(blue);
    aa = static_cast<double>(squares);
  }

  const Board& board_;
  int64_t left_, top_, right_, bottom_;
  double energy_ = 0;
  std::array<Rgb, kColours> contrasts_;
};

// The best of a guess and its neighbours one step away in radius and place.
FormFit stepped(const Fitter& fitter, const FormFit& middle, double step,
                std::initializer_list<size_t> blurs) {
  FormFit best = middle;
  for (size_t blur : blurs)
    for (double radius : {-step, 0.0, step})
      for (double dy : {-step, 0.0, step})
        for (double dx : {-step, 0.0, step}) {
          FormFit fit = middle;
          fit.blur = blur;
          fit.radius = std::clamp(middle.radius + radius, 2.0, 12.0);
          fit.x += dx;
          fit.y += dy;
          fitter.judge(fit);
          if (fit.explained > best.explained) best = fit;
        }
  return best;
}

// The smoothed piece is about a pixel wider on each side than the form.
FormFit first_guess(Form form, const BoardPiece& piece) {
  const double width = static_cast<double>(piece.right - piece.left + 1);
  const double height = static_cast<double>(piece.bottom - piece.top + 1);
  FormFit fit;
  fit.form = form;
  fit.x = static_cast<double>(piece.left) + width / 2;
  fit.y = static_cast<double>(piece.top) + height / 2;
  fit.radius = std::clamp(std::max(width, height) / 2 - 0.5, 2.0, 12.0);
  return fit;
}

bool explains_more(const FormFit& a, const FormFit& b) {
  return a.explained > b.explained;
}

}  // namespace

FormFit best_fit(const Board& board, const BoardPiece& piece) {
  const Fitter fitter(board, piece);
  std::vector<FormFit> fits;
  for (int64_t form = 0; form < kForms; ++form)
    fits.push_back(stepped(fitter, first_guess(static_cast<Form>(form), piece), 1.0, {0, 2}));
  std::sort(fits.begin(), fits.end(), explains_more);
  FormLikeness of_form;
  for (size_t i = 0; i < fits.size(); ++i) {
    FormFit& fit = fits[i];
    if (i < kFinalists) {
      fit = stepped(fitter, fit, 0.5, {0, 1, 2, 3});
      fit = stepped(fitter, fit, 0.25, {fit.blur});
    }
    of_form[static_cast<size_t>(fit.form)] = fit.likeness;
  }
  FormFit best = *std::min_element(fits.begin(), fits.begin() + kFinalists, explains_more);
  best.of_form = of_form;
  return best;
}

}  // namespace hadal
