// SPDX-License-Identifier: MIT
// The tables behind the words.
#include "scenes/objects.h"

#include <cmath>

#include "base/result.h"

namespace hadal {

namespace {

template <size_t n>
using WordList = std::array<std::string_view, n>;

constexpr WordList<kAllColours> kColourWords = {
    "red",    "orange", "yellow", "green", "cyan", "blue",    "purple", "pink", "brown",
    "maroon", "olive",  "lime",   "teal",  "navy", "magenta", "peach",  "sky",  "mint"};
constexpr WordList<kAllForms> kFormWords = {
    "circle",  "square", "triangle", "star", "ring", "cross", "diamond", "pentagon",
    "hexagon", "frame",  "dome",     "moon", "bar",  "pole",  "arrow",   "chevron"};
constexpr WordList<kSizes> kSizeWords = {"small", "large"};
constexpr WordList<kGrounds> kGroundWords = {"white", "grey", "black"};
constexpr WordList<2> kSplitWords = {"seen", "unseen"};
constexpr WordList<3> kRowWords = {"top", "middle", "bottom"};
constexpr WordList<3> kColumnWords = {"left", "centre", "right"};

// Any two colours that are judged, and any of them and ground, are at least 100 apart: four times
// what a codec of 24 dB moves a pixel on average.
constexpr std::array<Rgb, kAllColours> kColourValues = {{{225, 30, 40},
                                                         {250, 120, 0},
                                                         {255, 225, 30},
                                                         {30, 160, 60},
                                                         {40, 205, 220},
                                                         {40, 70, 220},
                                                         {160, 30, 200},
                                                         {255, 120, 190},
                                                         {140, 80, 30},
                                                         {120, 10, 40},
                                                         {130, 130, 10},
                                                         {170, 240, 40},
                                                         {0, 125, 125},
                                                         {20, 20, 110},
                                                         {230, 20, 140},
                                                         {255, 195, 150},
                                                         {130, 190, 255},
                                                         {150, 240, 190}}};
constexpr std::array<Rgb, kGrounds> kGroundValues = {{{255, 255, 255}, {128, 128, 128}, {0, 0, 0}}};

// The form that a colour never has in training; the other colours miss none.
constexpr std::array<Form, kColours> kHeldOut = {Form::star,  Form::ring,     Form::circle,
                                                 Form::cross, Form::triangle, Form::square,
                                                 Form::star,  Form::circle};

constexpr double kSaidByVague = 0.6;

template <size_t n>
std::optional<int64_t> index_of(const WordList<n>& words, std::string_view word) {
  for (size_t i = 0; i < n; ++i)
    if (words[i] == word) return static_cast<int64_t>(i);
  return std::nullopt;
}

template <typename Value, size_t n>
std::optional<Value> named(const WordList<n>& words, std::string_view word) {
  std::optional<int64_t> index = index_of(words, word);
  if (!index) return std::nullopt;
  return static_cast<Value>(*index);
}

}  // namespace

double distance(const Rgb& a, const Rgb& b) {
  return std::hypot(a.red - b.red, a.green - b.green, a.blue - b.blue);
}

Rgb rgb_of(Colour colour) {
  return kColourValues[static_cast<size_t>(colour)];
}
Rgb rgb_of(Ground ground) {
  return kGroundValues[static_cast<size_t>(ground)];
}
double radius_of(Size size) {
  return size == Size::small ? kSmallRadius : kLargeRadius;
}

double centre_of(int64_t row_or_column) {
  DCHECK(row_or_column >= 0 && row_or_column < 3, "row or column ", row_or_column);
  return 8 + 24 * static_cast<double>(row_or_column);
}

Split split_of(const Object& object) {
  const size_t colour = static_cast<size_t>(object.colour);
  return colour < kHeldOut.size() && kHeldOut[colour] == object.form ? Split::unseen : Split::seen;
}

Object random_object(Random& random, Words from) {
  const bool all = from == Words::all;
  const Size size = static_cast<Size>(random.below(kSizes));
  const Colour colour = static_cast<Colour>(random.below(all ? kAllColours : kColours));
  return {size, colour, static_cast<Form>(random.below(all ? kAllForms : kForms))};
}

std::string_view word(Colour colour) {
  return kColourWords[static_cast<size_t>(colour)];
}
std::string_view word(Form form) {
  return kFormWords[static_cast<size_t>(form)];
}
std::string_view word(Size size) {
  return kSizeWords[static_cast<size_t>(size)];
}
std::string_view word(Ground ground) {
  return kGroundWords[static_cast<size_t>(ground)];
}
std::string_view word(Split split) {
  return kSplitWords[static_cast<size_t>(split)];
}
std::string_view row_word(int64_t row) {
  return kRowWords[static_cast<size_t>(row)];
}

std::string phrase(const Object& object) {
  return detail::join_text(word(object.size), " ", word(object.colour), " ", word(object.form));
}

bool is_said(Random& random) {
  return random.uniform() < kSaidByVague;
}

std::string vague_phrase(const Object& object, Random& random) {
  std::string text;
  if (is_said(random)) text += std::string(word(object.size)) + " ";
  if (is_said(random)) text += std::string(word(object.colour)) + " ";
  return text + std::string(is_said(random) ? word(object.form) : "figure");
}

std::string phrase(const Place& place) {
  return detail::join_text(row_word(place.row), " ",
                           kColumnWords[static_cast<size_t>(place.column)]);
}

std::optional<Colour> colour_named(std::string_view word) {
  return named<Colour>(kColourWords, word);
}
std::optional<Form> form_named(std::string_view word) {
  return named<Form>(kFormWords, word);
}
std::optional<Size> size_named(std::string_view word) {
  return named<Size>(kSizeWords, word);
}
std::optional<Ground> ground_named(std::string_view word) {
  return named<Ground>(kGroundWords, word);
}
std::optional<Split> split_named(std::string_view word) {
  return named<Split>(kSplitWords, word);
}
std::optional<int64_t> row_named(std::string_view word) {
  return index_of(kRowWords, word);
}
std::optional<int64_t> column_named(std::string_view word) {
  return index_of(kColumnWords, word);
}

}  // namespace hadal
