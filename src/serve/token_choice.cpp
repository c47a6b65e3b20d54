// SPDX-License-Identifier: MIT
// One token of an answer.
#include "serve/token_choice.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace hadal {
namespace {

// The model's own probability of a token, whatever was taken off for sampling.
float logprob_of(std::span<const float> logits, int64_t id) {
  const float peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - peak);
  return static_cast<float>(logits[static_cast<size_t>(id)] - peak - std::log(sum));
}

}  // namespace

GeneratedToken tell_token(std::span<const float> logits, int64_t id, int64_t count) {
  GeneratedToken token;
  token.sample = {id, logprob_of(logits, id)};
  if (count > 0) token.likeliest = likeliest(logits, count);
  return token;
}

Sample TokenChoice::sample(std::span<const float> logits, int64_t position) const {
  const Penalties& penalties = request_->penalties;
  TokenConstraint* const form = request_->constraint.get();
  const std::span<const uint64_t> allowed = form ? form->allowed() : words_;
  if (penalties.presence == 0 && penalties.frequency == 0)
    return pick_token(logits, request_->sampler, position, allowed);
  std::vector<float> lowered(logits.begin(), logits.end());
  for (const auto& [id, count] : counts_)
    lowered[static_cast<size_t>(id)] -=
        static_cast<float>(penalties.presence + penalties.frequency * static_cast<double>(count));
  Sample sample = pick_token(lowered, request_->sampler, position, allowed);
  sample.logprob = logprob_of(logits, sample.id);
  return sample;
}

GeneratedToken TokenChoice::pick(std::span<const float> logits, int64_t position) {
  return told(logits, sample(logits, position));
}

GeneratedToken TokenChoice::take(std::span<const float> logits, int64_t id) {
  return told(logits, {id, logprob_of(logits, id)});
}

GeneratedToken TokenChoice::told(std::span<const float> logits, const Sample& sample) {
  GeneratedToken token;
  token.sample = sample;
  if (request_->constraint) request_->constraint->accept(token.sample.id);
  if (request_->likeliest > 0) token.likeliest = likeliest(logits, request_->likeliest);
  const std::vector<int64_t>& ends = request_->end_ids;
  token.ends = std::find(ends.begin(), ends.end(), token.sample.id) != ends.end();
  ++counts_[token.sample.id];
  return token;
}

}  // namespace hadal
