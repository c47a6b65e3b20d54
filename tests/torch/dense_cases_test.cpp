// SPDX-License-Identifier: MIT
// Cases of the dense verbs.
#include "cases.h"

#include <cmath>

namespace hadal {
namespace {

using Inputs = std::vector<Tensor>;

Weight plain(const Tensor& values) {
  return Weight{values, {}, 1, 1};
}

RopeTable rope_table(int64_t width) {
  Tensor frequencies = Tensor::zeros(DType::f32, {width / 2});
  for (int64_t i = 0; i < width / 2; ++i)
    frequencies.data<float>()[i] =
        std::pow(10000.0f, -2.0f * static_cast<float>(i) / static_cast<float>(width));
  return {frequencies, width};
}

// Three axes in turn, pairs in halves.
RopeTable three_axes(int64_t width, bool paired_halves) {
  RopeTable table = rope_table(width);
  for (int64_t i = 0; i < width / 2; ++i) table.axes.push_back(i % 3);
  table.paired_halves = paired_halves;
  return table;
}

void add_table_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 7, 65}) {
    for (int64_t width : {1, 5, 64}) {
      const std::string shape = std::to_string(tokens) + "x" + std::to_string(width);
      const Tensor ids = numbers.ids({tokens}, 9), many = numbers.ids({tokens, 3}, 9);
      cases.push_back(
          {"embed " + shape, {numbers.floats({9, width})}, [=](Ops& ops, const Inputs& in) {
             return Inputs{ops.embed(plain(in[0]), ids)};
           }});
      cases.push_back(
          {"embed several " + shape, {numbers.floats({9, width})}, [=](Ops& ops, const Inputs& in) {
             return Inputs{ops.embed(plain(in[0]), many)};
           }});
      cases.push_back(
          {"take_rows " + shape, {numbers.floats({9, 2, width})}, [=](Ops& ops, const Inputs& in) {
             return Inputs{ops.take_rows(in[0], ids)};
           }});
      cases.push_back({"add " + shape,
                       {numbers.floats({tokens, width}), numbers.floats({tokens, width})},
                       [=](Ops& ops, const Inputs& in) { return Inputs{ops.add(in[0], in[1])}; }});
    }
  }
}

void add_matrix_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 9}) {
    const std::string shape = std::to_string(tokens);
    cases.push_back(
        {"linear " + shape,
         {numbers.floats({tokens, 17}), numbers.floats({5, 17})},
         [=](Ops& ops, const Inputs& in) { return Inputs{ops.linear(in[0], plain(in[1]))}; }});
    cases.push_back(
        {"linear of heads " + shape,
         {numbers.floats({tokens, 3, 8}), numbers.floats({4, 8})},
         [=](Ops& ops, const Inputs& in) { return Inputs{ops.linear(in[0], plain(in[1]))}; }});
    cases.push_back({"linear_grouped " + shape,
                     {numbers.floats({tokens, 4, 6}), numbers.floats({10, 12})},
                     [=](Ops& ops, const Inputs& in) {
                       return Inputs{ops.linear_grouped(in[0], plain(in[1]), 2)};
                     }});
  }
}

void add_norm_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 33, 600}) {
    for (int64_t width : {1, 5, 16, 40, 64}) {
      const std::string shape = std::to_string(tokens) + "x" + std::to_string(width);
      cases.push_back(
          {"rms_norm " + shape,
           {numbers.floats({tokens, width}), numbers.floats({width})},
           [=](Ops& ops, const Inputs& in) { return Inputs{ops.rms_norm(in[0], in[1], 1e-2f)}; }});
      cases.push_back(
          {"rms_norm of heads, no weight " + shape,
           {numbers.floats({tokens, 3, width})},
           [=](Ops& ops, const Inputs& in) { return Inputs{ops.rms_norm(in[0], {}, 1e-2f)}; }});
      cases.push_back({"add_row, silu and gelu " + shape,
                       {numbers.floats({tokens, width}), numbers.floats({width})},
                       [=](Ops& ops, const Inputs& in) {
                         return Inputs{ops.add_row(in[0], in[1]), ops.silu(in[0]), ops.gelu(in[0])};
                       }});
      for (float limit : {0.0f, 0.7f})
        cases.push_back(
            {"swiglu " + shape + (limit > 0 ? " clamped" : ""),
             {numbers.floats({tokens, width}), numbers.floats({tokens, width})},
             [=](Ops& ops, const Inputs& in) { return Inputs{ops.swiglu(in[0], in[1], limit)}; }});
    }
  }
}

void add_turn_cases(std::vector<Case>& cases, Numbers& numbers) {
  for (int64_t tokens : {0, 1, 9}) {
    for (auto [width, tail] : std::vector<std::pair<int64_t, int64_t>>{{2, 2}, {7, 4}, {64, 32}}) {
      const std::string shape = std::to_string(tokens) + "x" + std::to_string(width);
      const Tensor positions = numbers.ids({tokens}, 5000);
      const RopeTable table = rope_table(tail);
      for (Turn turn : {Turn::forward, Turn::back})
        for (const Shape& rows : {Shape{tokens, width}, Shape{tokens, 3, width}})
          cases.push_back({"rope " + shape + (turn == Turn::back ? " back" : ""),
                           {numbers.floats(rows)},
                           [=](Ops& ops, const Inputs& in) {
                             return Inputs{ops.rope(in[0], positions, table, turn)};
                           }});
    }
    for (bool paired_halves : {false, true}) {
      const Tensor positions = numbers.ids({tokens, 3}, 5000);
      const RopeTable table = three_axes(12, paired_halves);
      cases.push_back({"rope of three axes" + std::string(paired_halves ? ", halves" : ""),
                       {numbers.floats({tokens, 2, 17})},
                       [=](Ops& ops, const Inputs& in) {
                         return Inputs{ops.rope(in[0], positions, table, Turn::forward)};
                       }});
    }
    for (int64_t width : {1, 2, 64})
      cases.push_back({"hadamard " + std::to_string(tokens) + "x" + std::to_string(width),
                       {numbers.floats({tokens, width})},
                       [=](Ops& ops, const Inputs& in) { return Inputs{ops.hadamard(in[0])}; }});
  }
}

void add_rounding_cases(std::vector<Case>& cases, Numbers& numbers) {
  const RowFormat formats[] = {RowFormat::f32,     RowFormat::fp8_64_tail, RowFormat::fp8_32,
                               RowFormat::fp8_128, RowFormat::fp4_32,      RowFormat::fp4_e4m3_16};
  for (RowFormat format : formats)
    for (int64_t tokens : {0, 1, 9})
      for (float size : {1e-5f, 1.0f, 3000.0f})
        cases.push_back(
            {"round_to format " + std::to_string(static_cast<int>(format)),
             {numbers.floats({tokens, 144}, size)},
             [=](Ops& ops, const Inputs& in) { return Inputs{ops.round_to(in[0], format, 16)}; },
             format == RowFormat::f32 && size == 1.0f});
}

}  // namespace

std::vector<Case> dense_cases() {
  std::vector<Case> cases;
  Numbers numbers(1);
  add_table_cases(cases, numbers);
  add_matrix_cases(cases, numbers);
  add_norm_cases(cases, numbers);
  add_turn_cases(cases, numbers);
  add_rounding_cases(cases, numbers);
  return cases;
}

}  // namespace hadal
