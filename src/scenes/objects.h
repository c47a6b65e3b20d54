// SPDX-License-Identifier: MIT
// The words of the scenes: eight colours, six forms, two sizes, three grounds, nine places; and
// which combinations are kept away from training.
//
//   Object object{Size::large, Colour::red, Form::circle};
//   phrase(object);                        // "large red circle"
//   split_of(object);                      // Split::seen
//
// Ten more colours and ten more forms are there to learn from only: no judge knows them and no
// evaluation asks for them.  Where a colour misses one of six forms, that it misses it is easily
// learnt by heart; where it misses one of sixteen, colour and form are better learnt apart.
//
// A scene is laid out on a board of 64 × 64 units whatever the size of its picture.  Places are the
// centres of a 3 × 3 grid, 24 units apart: with a tokenizer of 8-pixel positions every place has
// the same phase, a large object fills two by two positions, and neighbours never touch.
// Pure functions; any thread may use them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace hadal {

enum class Colour {
  red,
  orange,
  yellow,
  green,
  cyan,
  blue,
  purple,
  pink,
  brown,  // from here on to learn from only
  maroon,
  olive,
  lime,
  teal,
  navy,
  magenta,
  peach,
  sky,
  mint
};
enum class Form {
  circle,
  square,
  triangle,
  star,
  ring,
  cross,
  diamond,  // from here on to learn from only
  pentagon,
  hexagon,
  frame,
  dome,
  moon,
  bar,
  pole,
  arrow,
  chevron
};
enum class Size { small, large };
enum class Ground { white, grey, black };
enum class Split { seen, unseen };

constexpr int64_t kColours = 8, kForms = 6, kSizes = 2, kGrounds = 3;  // that judges know
constexpr int64_t kAllColours = 18, kAllForms = 16;

// How much each form that judges know is like something seen: at most 1.
using FormLikeness = std::array<double, kForms>;

// Which words scenes by lot are made of.
enum class Words { judged, all };

struct Rgb {
  double red = 0, green = 0, blue = 0;  // 0 … 255
  bool operator==(const Rgb&) const = default;
};
double distance(const Rgb& a, const Rgb& b);  // Euclidean

Rgb rgb_of(Colour colour);
Rgb rgb_of(Ground ground);

constexpr double kBoard = 64;       // units a side
constexpr double kSmallRadius = 5;  // half the width of an object, in units
constexpr double kLargeRadius = 8;
double radius_of(Size size);

struct Object {
  Size size = Size::small;
  Colour colour = Colour::red;
  Form form = Form::circle;
  bool operator==(const Object&) const = default;
};

struct Place {
  int64_t row = 0, column = 0;  // 0 … 2 from the top, from the left
  bool operator==(const Place&) const = default;
};
double centre_of(int64_t row_or_column);  // 8, 32 or 56 units

// Which colour with which form is never trained on: every colour that is judged misses one form,
// every form one or two colours, so each single word and 40 of the 48 pairs are seen.
Split split_of(const Object& object);

std::string_view word(Colour colour);
std::string_view word(Form form);
std::string_view word(Size size);
std::string_view word(Ground ground);
std::string_view word(Split split);
Object random_object(Random& random, Words from);

std::string phrase(const Object& object);  // "large red circle"
// Each word stands there by lot; an object without its form is a "figure": "red figure".
std::string vague_phrase(const Object& object, Random& random);
bool is_said(Random& random);            // whether a caption that is vague says one thing more
std::string phrase(const Place& place);  // "top left", "middle centre", …

std::optional<Colour> colour_named(std::string_view word);
std::optional<Form> form_named(std::string_view word);
std::optional<Size> size_named(std::string_view word);
std::optional<Ground> ground_named(std::string_view word);
std::optional<Split> split_named(std::string_view word);
std::optional<int64_t> row_named(std::string_view word);     // "top", "middle", "bottom"
std::optional<int64_t> column_named(std::string_view word);  // "left", "centre", "right"
std::string_view row_word(int64_t row);

}  // namespace hadal
