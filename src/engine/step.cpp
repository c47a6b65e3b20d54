// SPDX-License-Identifier: MIT
// One forward pass, and who gets which logits.
#include "engine/step.h"

#include <utility>

namespace hadal {

void Step::add(Sequence& sequence, int64_t count) {
  const int64_t wanted = static_cast<int64_t>(batch_.wanted.size());
  sequence.add_to(batch_, count);
  const bool asks = static_cast<int64_t>(batch_.wanted.size()) > wanted;
  parts_.push_back({.sequence = &sequence, .wanted_row = asks ? wanted : -1});
}

void Step::add_told(Sequence& sequence, int64_t count, Told told) {
  const int64_t first = static_cast<int64_t>(batch_.wanted.size());
  const bool asks = sequence.unread() == count;
  sequence.add_to(batch_, count);
  batch_.wanted.resize(static_cast<size_t>(first));
  for (int64_t row = batch_.rows() - count; row < batch_.rows(); ++row)
    batch_.wanted.push_back(row);
  parts_.push_back({.sequence = &sequence,
                    .wanted_row = asks ? first + count - 1 : -1,
                    .told_row = first,
                    .told_rows = count,
                    .told = std::move(told)});
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
    if (part.told) part.told(logits_WV.rows(part.told_row, part.told_rows));
    part.sequence->took(std::move(logits_V));
  }
  batch_ = {};
  parts_.clear();
}

}  // namespace hadal
