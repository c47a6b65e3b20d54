// SPDX-License-Identifier: MIT
// A model whose draft head knows the answer, except where it is told to be wrong: so that guesses
// are kept and thrown away at chosen places, over the caches of a real model.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "model/model.h"

namespace hadal {

class OracleModel final : public Model {
 public:
  // `answer`: by position, of the whole sequence.
  OracleModel(Model& inner, Ops& ops, int64_t limit, std::vector<int64_t> answer,
              std::function<bool(int64_t position)> wrong)
      : Model(inner.config(), ops, inner.options()),
        inner_(inner),
        limit_(limit),
        answer_(std::move(answer)),
        wrong_(std::move(wrong)) {}

  Tensor states(const Batch& batch, Cache& cache) override {
    ++passes;
    return inner_.states(batch, cache);
  }
  Tensor logits(const Tensor& state_WD) override { return inner_.logits(state_WD); }
  Tensor code_logits(const Tensor& state_WD, int64_t group) override {
    return inner_.code_logits(state_WD, group);
  }
  Tensor next_code_state(const Tensor& state_WD, const Tensor& codes_W, int64_t group) override {
    return inner_.next_code_state(state_WD, codes_W, group);
  }

  int64_t draft_limit() const override { return limit_; }
  bool begin_draft(const DraftStart& start, Cache&) override {
    position_ = start.position + 2;
    return true;
  }
  DraftGuess next_guess(int64_t, Cache&) override {
    const int64_t vocab = config().text_vocab();
    const size_t at = static_cast<size_t>(position_);
    int64_t id = at < answer_.size() ? answer_[at] : 5;
    if (wrong_(position_)) id = (id + 1) % vocab;
    ++position_;
    Tensor logits = Tensor::zeros(DType::f32, {vocab});
    logits.data<float>()[id] = 1000;  // so likely that every draw is this one
    return {logits, confidence};
  }

  int64_t passes = 0;
  float confidence = 1;

 private:
  Model& inner_;
  int64_t limit_ = 0, position_ = 0;
  std::vector<int64_t> answer_;
  std::function<bool(int64_t)> wrong_;
};

}  // namespace hadal
