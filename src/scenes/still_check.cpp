// SPDX-License-Identifier: MIT
#include "scenes/still_check.h"

#include <algorithm>
#include <cmath>

namespace hadal {

namespace {

constexpr double kPlaceTolerance = 5;  // units; the next place is 24 away

double away(const PlacedObject& placed, const Figure& figure) {
  return std::hypot(centre_of(placed.place.column) - figure.x,
                    centre_of(placed.place.row) - figure.y);
}

// The order of the figures in which they lie nearest to the objects.
std::vector<Figure> paired(const std::vector<PlacedObject>& objects,
                           const std::vector<Figure>& figures) {
  std::vector<size_t> order(figures.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::vector<Figure> best;
  double least = INFINITY;
  do {
    double sum = 0;
    for (size_t i = 0; i < order.size(); ++i) sum += away(objects[i], figures[order[i]]);
    if (sum >= least) continue;
    least = sum;
    best.clear();
    for (size_t i : order) best.push_back(figures[i]);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

}  // namespace

Object object_of(const Figure& figure) {
  return {size_of(figure.radius), figure.colour, figure.form};
}

std::optional<Place> place_of(const Figure& figure) {
  const auto nearest = [](double at) {
    return std::clamp<int64_t>(std::lround((at - centre_of(0)) / (centre_of(1) - centre_of(0))), 0,
                               2);
  };
  const Place place{nearest(figure.y), nearest(figure.x)};
  if (std::abs(centre_of(place.row) - figure.y) > kPlaceTolerance ||
      std::abs(centre_of(place.column) - figure.x) > kPlaceTolerance)
    return std::nullopt;
  return place;
}

Result<Still> read_still(const Picture& picture) {
  TRY(SceneSight sight, look_at(picture));
  std::vector<PlacedObject> objects;
  for (const Figure& figure : sight.figures) {
    std::optional<Place> place = place_of(figure);
    if (!place)
      return fail("scene: a ", phrase(object_of(figure)), " at ", std::lround(figure.x), ", ",
                  std::lround(figure.y), ", which is no place");
    objects.push_back({object_of(figure), *place});
  }
  return still_of(sight.ground, objects);
}

StillVerdict check_still(const Still& asked, const Picture& picture) {
  StillVerdict verdict;
  Result<SceneSight> sight = look_at(picture);
  if (!sight) {
    verdict.problem = sight.error().message;
    return verdict;
  }
  const std::vector<PlacedObject> objects = objects_of(asked);
  verdict.ground = sight->ground == asked.ground;
  verdict.count = sight->figures.size() == objects.size();
  if (verdict.count) {
    verdict.size = verdict.colour = verdict.form = verdict.place = true;
    const std::vector<Figure> figures = paired(objects, sight->figures);
    for (size_t i = 0; i < objects.size(); ++i) {
      const Object found = object_of(figures[i]), &expected = objects[i].object;
      verdict.size &= found.size == expected.size;
      verdict.colour &= found.colour == expected.colour;
      verdict.form &= found.form == expected.form;
      verdict.place &= place_of(figures[i]) == objects[i].place;
    }
  }
  if (verdict.right()) return verdict;
  Result<Still> seen = read_still(picture);
  verdict.problem = seen ? "seen: " + caption(*seen) : seen.error().message;
  return verdict;
}

}  // namespace hadal
