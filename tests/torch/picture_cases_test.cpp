// SPDX-License-Identifier: MIT
// Cases of the verbs over pixels.
#include "cases.h"

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

void add_pixel_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{1, 1, 1, 4}, Shape{2, 6, 4, 3}}) {
    const int64_t channels = shape[3];
    for (int64_t side : {1, 3, 5})
      cases.push_back({"convolve by " + std::to_string(side) + " " + shape_text(shape),
                       {numbers.floats(shape), numbers.floats({5, side * side * channels}),
                        numbers.floats({5})},
                       [=](Ops& ops, const Inputs& in) {
                         return Inputs{ops.convolve(in[0], Weight{in[1], {}, 1, 1}, in[2]),
                                       ops.convolve(in[0], Weight{in[1], {}, 1, 1}, {})};
                       }});
    for (int64_t levels : {0, 8})
      cases.push_back(
          {"squash " + std::to_string(levels) + " " + shape_text(shape),
           {numbers.floats(shape)},
           [=](Ops& ops, const Inputs& in) { return Inputs{ops.squash(in[0], levels)}; },
           levels == 0});
  }
  cases.push_back(
      {"space_to_depth", {numbers.floats({2, 6, 4, 3})}, [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.space_to_depth(in[0], 2)};
       }});
  cases.push_back(
      {"depth_to_space", {numbers.floats({2, 3, 2, 12})}, [=](Ops& ops, const Inputs& in) {
         return Inputs{ops.depth_to_space(in[0], 2)};
       }});
}

void add_attention_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 9}) {
    Tensor first = Tensor::zeros(DType::i64, {tokens}), count = Tensor::zeros(DType::i64, {tokens});
    for (int64_t t = 0; t < tokens; ++t) {
      first.data<int64_t>()[t] = t < 5 ? 0 : 4;
      count.data<int64_t>()[t] = t < 5 ? 4 : (t == 8 ? 0 : 7);
    }
    cases.push_back(
        {"attend_all " + std::to_string(tokens),
         {numbers.floats({tokens, 2, 6}), numbers.floats({11, 2, 6}), numbers.floats({11, 2, 5})},
         [=](Ops& ops, const Inputs& in) {
           return Inputs{ops.attend_all(in[0], in[1], in[2], first, count, 0.4f)};
         }});
  }
}

}  // namespace

std::vector<Case> picture_cases() {
  std::vector<Case> cases;
  Numbers numbers(5);
  add_pixel_cases(cases, numbers);
  add_attention_cases(cases, numbers);
  return cases;
}

}  // namespace hadal
