// SPDX-License-Identifier: MIT
// One list of cases for the verbs of the torch back end, judged in three ways: values against the
// reference, gradients against differences, fused loops against ATen.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace hadal {

struct Case {
  std::string name;
  std::vector<Tensor> inputs;  // f32 in host memory; every one may ask for a gradient
  std::function<std::vector<Tensor>(Ops&, const std::vector<Tensor>&)> run;
  bool smooth = true;  // false: roundings and choices, where differences say nothing
};

// Repeatable numbers: normal, of a given size.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : engine_(seed) {}
  Tensor floats(Shape shape, float size = 1.0f) {
    Tensor tensor = Tensor::zeros(DType::f32, std::move(shape));
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.data<float>()[i] = size * normal_(engine_);
    return tensor;
  }
  // Ids in [lowest, count).
  Tensor ids(Shape shape, int64_t count, int64_t lowest = 0) {
    Tensor tensor = Tensor::zeros(DType::i64, std::move(shape));
    std::uniform_int_distribution<int64_t> pick(lowest, count - 1);
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.data<int64_t>()[i] = pick(engine_);
    return tensor;
  }

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

std::vector<Case> dense_cases();
std::vector<Case> row_cases();
std::vector<Case> expert_cases();
std::vector<Case> stream_cases();
std::vector<Case> picture_cases();

inline std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto family : {dense_cases, row_cases, expert_cases, stream_cases, picture_cases})
    for (Case& one : family()) all.push_back(std::move(one));
  return all;
}

}  // namespace hadal
