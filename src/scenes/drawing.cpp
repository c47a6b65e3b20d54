// SPDX-License-Identifier: MIT
// Forms as distances to their edges: a pixel is covered as far as the edge lies outside it.
#include "scenes/drawing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "base/result.h"

namespace hadal {

namespace {

struct Point {
  double x, y;
};

constexpr Point kSquare[] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}};
// Equilateral, two wide, its box centred.
constexpr Point kTriangle[] = {{0, -0.866}, {1, 0.866}, {-1, 0.866}};
// Arms two thirds of the radius wide: thin ones vanish where a codec blurs.
constexpr double kArm = 0.34;
constexpr Point kCross[] = {{-kArm, -1},   {kArm, -1},   {kArm, -kArm}, {1, -kArm},
                            {1, kArm},     {kArm, kArm}, {kArm, 1},     {-kArm, 1},
                            {-kArm, kArm}, {-1, kArm},   {-1, -kArm},   {-kArm, -kArm}};
// Five points on radius 1.05, so that it is two wide, with hollows at 0.44 of that.
constexpr Point kStar[] = {
    {0, -1.05}, {0.2716, -0.3738}, {0.9986, -0.3245}, {0.4394, 0.1428},   {0.6172, 0.8495},
    {0, 0.462}, {-0.6172, 0.8495}, {-0.4394, 0.1428}, {-0.9986, -0.3245}, {-0.2716, -0.3738}};

constexpr Point kDiamond[] = {{0, -1}, {0.7, 0}, {0, 1}, {-0.7, 0}};
constexpr Point kPentagon[] = {
    {0, -1}, {0.9511, -0.309}, {0.5878, 0.809}, {-0.5878, 0.809}, {-0.9511, -0.309}};
constexpr Point kHexagon[] = {{-0.5, -0.866}, {0.5, -0.866}, {1, 0},
                              {0.5, 0.866},   {-0.5, 0.866}, {-1, 0}};
constexpr Point kHole[] = {{-0.5, -0.5}, {0.5, -0.5}, {0.5, 0.5}, {-0.5, 0.5}};
constexpr Point kBar[] = {{-1, -0.4}, {1, -0.4}, {1, 0.4}, {-1, 0.4}};
constexpr Point kPole[] = {{-0.4, -1}, {0.4, -1}, {0.4, 1}, {-0.4, 1}};
constexpr Point kArrow[] = {{0, -1},    {0.9, 0},   {0.35, 0}, {0.35, 1},
                            {-0.35, 1}, {-0.35, 0}, {-0.9, 0}};
constexpr Point kChevron[] = {{0, -0.8}, {1, 0.2}, {1, 0.9}, {0, -0.05}, {-1, 0.9}, {-1, 0.2}};

double squared_distance(Point p, Point a, Point b) {
  const Point along = {b.x - a.x, b.y - a.y}, to = {p.x - a.x, p.y - a.y};
  const double t = std::clamp(
      (to.x * along.x + to.y * along.y) / (along.x * along.x + along.y * along.y), 0.0, 1.0);
  const double x = to.x - t * along.x, y = to.y - t * along.y;
  return x * x + y * y;
}

// Distance to a closed line of corners; inside by the even-odd rule.
double distance_to_polygon(std::span<const Point> corners, Point p) {
  double nearest = std::numeric_limits<double>::infinity();
  bool inside = false;
  for (size_t i = 0; i < corners.size(); ++i) {
    const Point a = corners[i], b = corners[(i + 1) % corners.size()];
    nearest = std::min(nearest, squared_distance(p, a, b));
    if ((a.y > p.y) != (b.y > p.y) && p.x < a.x + (p.y - a.y) * (b.x - a.x) / (b.y - a.y))
      inside = !inside;
  }
  return inside ? -std::sqrt(nearest) : std::sqrt(nearest);
}

uint8_t blend(uint8_t under, double over, double share) {
  return static_cast<uint8_t>(std::lround(under + (over - under) * share));
}

}  // namespace

double distance_to_edge(Form form, double x, double y) {
  switch (form) {
    case Form::circle:
      return std::hypot(x, y) - 1;
    case Form::square:
      return distance_to_polygon(kSquare, {x, y});
    case Form::triangle:
      return distance_to_polygon(kTriangle, {x, y});
    case Form::star:
      return distance_to_polygon(kStar, {x, y});
    case Form::ring:
      return std::abs(std::hypot(x, y) - 0.75) - 0.25;
    case Form::cross:
      return distance_to_polygon(kCross, {x, y});
    case Form::diamond:
      return distance_to_polygon(kDiamond, {x, y});
    case Form::pentagon:
      return distance_to_polygon(kPentagon, {x, y});
    case Form::hexagon:
      return distance_to_polygon(kHexagon, {x, y});
    case Form::frame:
      return std::max(distance_to_polygon(kSquare, {x, y}), -distance_to_polygon(kHole, {x, y}));
    case Form::dome:
      return std::max(std::hypot(x, y - 0.5) - 1, y - 0.5);
    case Form::moon:
      return std::max(std::hypot(x, y) - 1, 0.8 - std::hypot(x - 0.5, y));
    case Form::bar:
      return distance_to_polygon(kBar, {x, y});
    case Form::pole:
      return distance_to_polygon(kPole, {x, y});
    case Form::arrow:
      return distance_to_polygon(kArrow, {x, y});
    case Form::chevron:
      return distance_to_polygon(kChevron, {x, y});
  }
  CHECK(false, "form ", static_cast<int>(form));
  return 0;
}

Picture blank(int64_t side, const Rgb& colour) {
  Picture picture(side, side);
  const uint8_t rgb[] = {blend(0, colour.red, 1), blend(0, colour.green, 1),
                         blend(0, colour.blue, 1)};
  for (size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = rgb[i % 3];
  return picture;
}

void draw_figure(Picture& picture, const Ink& ink) {
  CHECK(picture.width == picture.height && picture.width > 0 && ink.radius > 0);
  const double scale = static_cast<double>(picture.width) / kBoard;  // pixels a unit
  const double radius = ink.radius * scale, x = ink.x * scale, y = ink.y * scale;
  const auto within = [&](double at) {
    return static_cast<int64_t>(std::clamp(at, 0.0, static_cast<double>(picture.width)));
  };
  const double reach = radius * 1.1 + 1;  // a star's tip, and the smooth edge
  for (int64_t row = within(y - reach); row < within(y + reach + 1); ++row)
    for (int64_t column = within(x - reach); column < within(x + reach + 1); ++column) {
      const double dx = static_cast<double>(column) + 0.5 - x;
      const double dy = static_cast<double>(row) + 0.5 - y;
      const double edge = radius * distance_to_edge(ink.form, dx / radius, dy / radius);
      const double share = std::clamp(0.5 - edge, 0.0, 1.0);
      if (share == 0) continue;
      uint8_t* pixel = picture.pixel(column, row);
      pixel[0] = blend(pixel[0], ink.colour.red, share);
      pixel[1] = blend(pixel[1], ink.colour.green, share);
      pixel[2] = blend(pixel[2], ink.colour.blue, share);
    }
}

}  // namespace hadal
