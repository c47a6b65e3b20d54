// SPDX-License-Identifier: MIT
// One forward pass, and who gets which logits.
#include "engine/step.h"

namespace hadal {

void Step::add(Sequence& sequence, int64_t count) {
  const int64_t wanted = static_cast<int64_t>(batch_.wanted.size());
  sequence.add_to(batch_, count);
  const bool asks = static_cast<int64_t>(batch_.wanted.size()) > wanted;
  parts_.push_back({&sequence, asks ? wanted : -1});
}

void Step::run() {
  CHECK(rows() > 0, "a step without tokens");
  Tensor logits_WV;
  if (batch_.wanted.empty())
    model_.states(batch_, cache_);
  else
    logits_WV = ops_.to_host(model_.forward(batch_, cache_));
  for (const Part& part : parts_) {
    Tensor logits_V;
    if (part.wanted_row >= 0)
      logits_V = logits_WV.rows(part.wanted_row, 1).reshaped({logits_WV.size(1)});
    part.sequence->took(std::move(logits_V));
  }
  batch_ = {};
  parts_.clear();
}

}  // namespace hadal
