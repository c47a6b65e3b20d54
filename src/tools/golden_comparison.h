// SPDX-License-Identifier: MIT
// Holds what a model computes, while it computes, against one file of expected tensors.
//
//   Comparison comparison(expected, config, ops, report);
//   model->watch(&comparison);
//   comparison.start("in16.", 16);   // what is seen from here on is called in16.…
//   model->forward(batch, cache);
//   comparison.pause();
//
// A tensor that the file does not hold is not compared.  One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/safetensors.h"
#include "model/model.h"
#include "tools/goldens.h"

namespace hadal {

class Comparison final : public Observer {
 public:
  Comparison(const Safetensors& expected, const ModelConfig& config, Ops& ops, GoldenReport& report)
      : expected_(expected), config_(config), ops_(ops), report_(report) {}

  // Names from here on begin with `prefix`; the input has so many tokens.
  void start(const std::string& prefix, int64_t tokens);
  void pause() { active_ = false; }

  void tensor(int64_t layer, std::string_view name, const Tensor& value) override;
  void routed(int64_t layer, const Tensor& logits_TE, const Routes& routes) override;

  // `part` is the line of the report, `where` the name after the prefix.
  void compare(const std::string& part, const std::string& where, const Tensor& value);
  void compare_ids(const std::string& name, const std::vector<int64_t>& found,
                   const Tensor& expected);

 private:
  void compare_floats(GoldenPart& result, const std::string& name, const Tensor& found,
                      const Tensor& expected);
  void compare_sets(const std::string& part, const std::string& where, const Tensor& found);
  void compare_weights(const std::string& where, const Routes& routes);
  void compare_candidates(int64_t layer, const std::string& where, const Tensor& kept_TB);
  void compare_gates(const std::string& where, const Tensor& out_TSD);
  void wrong_id(const std::string& name, int64_t index);

  const Safetensors& expected_;
  const ModelConfig& config_;
  Ops& ops_;
  GoldenReport& report_;
  bool active_ = false;
  std::string prefix_;
  int64_t tokens_ = 0;
  Tensor streams_TSD_, memory_;  // what the next Engram adds to, and what it adds
};

}  // namespace hadal
