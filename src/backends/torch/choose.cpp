// SPDX-License-Identifier: MIT
// Selection by the value of the last one chosen.
#include "backends/torch/choose.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <vector>

#include "backends/torch/libtorch_parallel.h"

namespace hadal {
namespace {

constexpr int64_t kRowsPerThread = 16;

// Calls take(j) for the best `limit` scores above -inf, in ascending order of j; among equals the
// lower ones.  `ordered` is scratch.
template <typename Take>
void for_best(const float* scores, int64_t count, int64_t limit, std::vector<float>& ordered,
              Take take) {
  const float none = -std::numeric_limits<float>::infinity();
  ordered.clear();
  for (int64_t j = 0; j < count; ++j)
    if (scores[j] > none) ordered.push_back(scores[j]);
  float least = none;
  int64_t equals = 0;  // how many of those equal to `least` are taken
  if (static_cast<int64_t>(ordered.size()) > limit) {
    if (limit <= 0) return;
    const auto last = ordered.begin() + limit - 1;
    std::nth_element(ordered.begin(), last, ordered.end(), std::greater<float>());
    least = *last;
    equals = limit - std::count_if(ordered.begin(), last, [&](float s) { return s > least; });
  }
  for (int64_t j = 0; j < count; ++j)
    if (scores[j] > least || (scores[j] == least && least > none && equals-- > 0)) take(j);
}

}  // namespace

at::Tensor pick_on_host(const at::Tensor& scores_TN, const at::Tensor& first_T, int64_t limit) {
  const at::Tensor scores = scores_TN.detach().contiguous(), first = first_T.contiguous();
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t width = std::min(limit, entries);
  const at::Tensor out = at::full({tokens, width}, -1, at::kLong);
  const float* rows = scores.data_ptr<float>();
  const int64_t* firsts = first.data_ptr<int64_t>();
  int64_t* ids = out.data_ptr<int64_t>();
  at::parallel_for(0, tokens, kRowsPerThread, [&](int64_t from, int64_t to) {
    std::vector<float> ordered;
    for (int64_t t = from; t < to; ++t) {
      int64_t* row = ids + t * width;
      for_best(rows + t * entries, entries, limit, ordered,
               [&](int64_t j) { *row++ = firsts[t] + j; });
    }
  });
  return out;
}

at::Tensor candidates_on_host(const at::Tensor& scores_TN, const at::Tensor& count_T, int64_t block,
                              int64_t keep) {
  const at::Tensor scores = scores_TN.detach().contiguous(), count = count_T.contiguous();
  const int64_t tokens = scores.size(0), entries = scores.size(1);
  const int64_t blocks = (entries + block - 1) / block;
  const at::Tensor out = at::zeros({tokens, blocks}, at::kByte);
  const float* rows = scores.data_ptr<float>();
  const int64_t* counts = count.data_ptr<int64_t>();
  uint8_t* kept = out.data_ptr<uint8_t>();
  at::parallel_for(0, tokens, kRowsPerThread, [&](int64_t from, int64_t to) {
    std::vector<float> ordered, best(static_cast<size_t>(blocks));
    for (int64_t t = from; t < to; ++t) {
      for (int64_t b = 0; b < blocks; ++b) {
        const float* start = rows + t * entries + b * block;
        const int64_t length = std::min(block, entries - b * block);
        best[static_cast<size_t>(b)] = *std::max_element(start, start + length);
      }
      if (counts[t] > 0)
        best[static_cast<size_t>((counts[t] - 1) / block)] = std::numeric_limits<float>::infinity();
      for_best(best.data(), blocks, keep, ordered, [&](int64_t b) { kept[t * blocks + b] = 1; });
    }
  });
  return out;
}

}  // namespace hadal
