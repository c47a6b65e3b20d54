// SPDX-License-Identifier: MIT
// Rotary positions.
//
// Angles depend on positions alone, and every layer of a pass turns by the same ones: they are
// computed once and found again.  In a small model they would otherwise cost more than its
// products.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backends/cpu/cpu_verbs.h"

namespace hadal::cpu {
namespace {

constexpr int64_t kCostOfAngle = 64;  // in operations on floats
// A pass has two tables, two directions, and positions of tokens and of a few sizes of groups.
constexpr size_t kKeptTurns = 16;

std::vector<int64_t> numbers_of(const Tensor& ids) {
  std::vector<int64_t> numbers(static_cast<size_t>(ids.count()));
  for (int64_t i = 0; i < ids.count(); ++i) numbers[static_cast<size_t>(i)] = index_at(ids, i);
  return numbers;
}

// The two halves of the tail are paired.
void turn_halves(float* tail, int64_t pairs, const float* cosines, const float* sines) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float a = tail[i], b = tail[pairs + i];
    tail[i] = a * cosines[2 * i] - b * sines[2 * i + 1];
    tail[pairs + i] = a * sines[2 * i + 1] + b * cosines[2 * i];
  }
}

}  // namespace

// cos and sin of each token's angles, twice each: as the kernel for neighbouring channels reads
// them, (cos, cos) and (-sin, sin).
struct CpuOps::Turns {
  Tensor frequencies;  // held, so that no other table can have its address
  std::vector<int64_t> axes, positions;
  Turn turn = Turn::forward;
  std::vector<float> cosines, sines;

  bool same(const Turns& other) const {
    return frequencies.raw() == other.frequencies.raw() && turn == other.turn &&
           frequencies.count() == other.frequencies.count() && positions == other.positions &&
           axes == other.axes;
  }
};

std::shared_ptr<const CpuOps::Turns> CpuOps::turns_of(const Tensor& positions,
                                                      const RopeTable& table, Turn turn) {
  auto turns = std::make_shared<Turns>();
  turns->frequencies = table.frequencies;
  turns->axes = table.axes;
  turns->positions = numbers_of(positions);
  turns->turn = turn;
  {
    const std::lock_guard lock(turns_lock_);
    for (size_t i = 0; i < kept_turns_.size(); ++i) {
      if (!kept_turns_[i]->same(*turns)) continue;
      const auto place = kept_turns_.begin() + static_cast<std::ptrdiff_t>(i);
      std::rotate(kept_turns_.begin(), place, place + 1);  // the last used come first
      return kept_turns_.front();
    }
  }
  const int64_t tokens = positions.size(0), pairs = table.width / 2;
  const int64_t axes = positions.rank() == 2 ? positions.size(1) : 1;
  turns->cosines.resize(static_cast<size_t>(2 * tokens * pairs));
  turns->sines.resize(turns->cosines.size());
  split_rows(tokens, pairs * kCostOfAngle, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* cosines = turns->cosines.data() + 2 * t * pairs;
      float* sines = turns->sines.data() + 2 * t * pairs;
      for (int64_t i = 0; i < pairs; ++i) {
        const int64_t axis = table.axes.empty() ? 0 : table.axes[static_cast<size_t>(i)];
        const int64_t position = turns->positions[static_cast<size_t>(t * axes + axis)];
        // The product is rounded to f32 (§3.2).
        const float angle = static_cast<float>(position) * table.frequencies.data<float>()[i];
        const float sine = turn == Turn::back ? -std::sin(angle) : std::sin(angle);
        cosines[2 * i] = cosines[2 * i + 1] = std::cos(angle);
        sines[2 * i] = -sine, sines[2 * i + 1] = sine;
      }
    }
  });
  const std::lock_guard lock(turns_lock_);
  if (kept_turns_.size() == kKeptTurns) kept_turns_.pop_back();
  kept_turns_.insert(kept_turns_.begin(), turns);
  return turns;
}

Tensor CpuOps::rope(const Tensor& x, const Tensor& positions, const RopeTable& table, Turn turn) {
  const Tensor out = Tensor::empty(DType::f32, x.shape());
  const int64_t tokens = x.size(0), width = x.size(-1), row = x.row_width();
  CHECK(table.width <= width && positions.size(0) == tokens, "rope of ", shape_text(x.shape()));
  if (tokens == 0) return out;
  const std::shared_ptr<const Turns> turns = turns_of(positions, table, turn);
  split_rows(tokens, 2 * row, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* head = out.data<float>() + t * row;
      const float* cosines = turns->cosines.data() + t * table.width;
      const float* sines = turns->sines.data() + t * table.width;
      std::memcpy(head, x.data<float>() + t * row, static_cast<size_t>(row) * sizeof(float));
      for (int64_t i = width - table.width; i < row; i += width)
        if (table.paired_halves)
          turn_halves(head + i, table.width / 2, cosines, sines);
        else
          kernels_.turn(head + i, table.width, cosines, sines);
    }
  });
  return out;
}

}  // namespace hadal::cpu
