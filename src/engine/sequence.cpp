// SPDX-License-Identifier: MIT
// A sequence: which tokens must be read, and what becomes of the slot when they are.
#include "engine/sequence.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/checksum.h"

namespace hadal {
namespace {

// What a given embedding is compared by; 0 is kept for those that are looked up.
std::vector<int64_t> marks_of(const GivenRows& given, int64_t count) {
  std::vector<int64_t> marks(static_cast<size_t>(count), 0);
  for (size_t i = 0; i < given.rows.size(); ++i) {
    Checksum sum;
    sum.add(given.values_ND.rows(static_cast<int64_t>(i), 1));
    marks[static_cast<size_t>(given.rows[i])] = std::max<int64_t>(1, sum.number());
  }
  return marks;
}

// The embeddings of positions [start, end) join those of the batch, as rows from `first_row`.
void add_given(const GivenRows& given, int64_t start, int64_t end, int64_t first_row,
               GivenRows& batch) {
  const auto first = std::lower_bound(given.rows.begin(), given.rows.end(), start);
  const auto last = std::lower_bound(first, given.rows.end(), end);
  if (first == last) return;
  const Tensor values = given.values_ND.rows(first - given.rows.begin(), last - first);
  for (auto row = first; row != last; ++row) batch.rows.push_back(*row - start + first_row);
  if (!batch.values_ND.defined()) {
    batch.values_ND = values;
    return;
  }
  const Tensor& before = batch.values_ND;
  Tensor joined = Tensor::empty(DType::f32, {before.size(0) + values.size(0), values.size(1)});
  std::memcpy(joined.raw(), before.raw(), static_cast<size_t>(before.bytes()));
  std::memcpy(joined.raw() + before.bytes(), values.raw(), static_cast<size_t>(values.bytes()));
  batch.values_ND = joined;
}

}  // namespace

bool serves(const ModelConfig& config, int64_t length, int64_t state_needed_from,
            int64_t needed_from) {
  if (needed_from >= state_needed_from) return true;
  // No later query reaches further back than through the windows of all decoder layers.
  return length <= needed_from - config.window_reach() * (config.layers - config.decoder_start());
}

Sequence::Sequence(const ModelConfig& config, Cache& cache, SequenceOptions options)
    : config_(config), cache_(cache), options_(options) {
  const int64_t asked = cache.options().max_positions;
  capacity_ = asked > 0 ? asked : config.max_positions;
}

Status Sequence::check_ids(std::span<const int64_t> ids) const {
  const int64_t count = static_cast<int64_t>(ids.size());
  const CellIds cells(config_);
  if (ids.empty()) return fail("the prompt has no tokens, expected at least 1");
  if (count > capacity_)
    return fail("the prompt has ", count, " tokens, the context holds ", capacity_);
  for (size_t at = 0; at < ids.size(); ++at)
    if (!cells.is_known(ids[at]))
      return fail("token ", at, " of the prompt is ", ids[at], ", expected 0 to ",
                  config_.vocab - 1);
  return Ok{};
}

Status Sequence::check_given(const GivenRows& given, int64_t count) const {
  if (given.empty()) return Ok{};
  const Shape expected = {static_cast<int64_t>(given.rows.size()), config_.width};
  if (given.values_ND.dtype() != DType::f32 || given.values_ND.shape() != expected)
    return fail("given embeddings are ", dtype_name(given.values_ND.dtype()), " ",
                shape_text(given.values_ND.shape()), ", expected F32 ", shape_text(expected));
  int64_t before = -1;
  for (int64_t row : given.rows) {
    if (row <= before || row >= count)
      return fail("an embedding is given for position ", row, " after ", before,
                  ", expected rising", " positions below ", count);
    before = row;
  }
  return Ok{};
}

Result<Wanted> Sequence::check(std::span<const int64_t> ids, const GivenRows& given) const {
  TRY_STATUS(check_ids(ids));
  const int64_t count = static_cast<int64_t>(ids.size());
  TRY_STATUS(check_given(given, count));
  return Wanted{{ids.begin(), ids.end()},
                marks_of(given, count),
                given,
                options_.prompt_shortcut ? count - 1 : 0};
}

int64_t Sequence::reusable(const Wanted& wanted) const {
  const int64_t count = static_cast<int64_t>(wanted.ids.size());
  int64_t common = 0;
  for (; common < std::min(length(), count); ++common) {
    const size_t at = static_cast<size_t>(common);
    if (ids_[at] != wanted.ids[at] || wanted_.marks[at] != wanted.marks[at]) break;
  }
  if (common == length() && common == count && logits_V_.defined()) return common;
  const int64_t kept = std::min(common, count - 1);
  if (!serves(config_, kept, needed_from_, wanted.needed_from)) return 0;
  return can_save(kept) ? kept : 0;
}

int64_t Sequence::want(Wanted wanted) {
  const int64_t kept = reusable(wanted);
  if (kept < length()) truncate(kept);
  // Where nothing is unread, what was asked before stays true.
  if (kept < static_cast<int64_t>(wanted.ids.size())) needed_from_ = wanted.needed_from;
  wanted_ = std::move(wanted);
  return kept;
}

void Sequence::want_more(std::span<const int64_t> ids) {
  CHECK(unread() == 0, unread());
  CHECK(room() >= static_cast<int64_t>(ids.size()), ids.size(), " tokens more than ", length(),
        " overfill the cache");
  for (int64_t id : ids) {
    CHECK(CellIds(config_).is_known(id), id);
    wanted_.ids.push_back(id);
    wanted_.marks.push_back(0);
  }
}

void Sequence::take_back(int64_t length, Tensor logits_V) {
  CHECK(unread() == 0 && can_save(length), length, " of ", this->length());
  wanted_.ids.resize(static_cast<size_t>(length));
  wanted_.marks.resize(static_cast<size_t>(length));
  ids_.resize(static_cast<size_t>(length));
  logits_V_ = std::move(logits_V);
}

void Sequence::add_to(Batch& batch, int64_t count) {
  CHECK(count > 0 && count <= std::min(unread(), cache_.options().max_chunk), count);
  const int64_t start = length(), end = start + count;
  add_given(wanted_.given, start, end, batch.rows(), batch.given);
  batch.append(options_.slot, start, {wanted_.ids.begin() + start, wanted_.ids.begin() + end});
  batch.needed_from.push_back(needed_from_);
  if (count == unread()) batch.wanted.push_back(batch.rows() - 1);
  adding_ = count;
}

void Sequence::took(Tensor logits_V) {
  ids_.insert(ids_.end(), wanted_.ids.begin() + length(),
              wanted_.ids.begin() + length() + std::exchange(adding_, 0));
  written_ = std::max(written_, length());
  CHECK(logits_V.defined() == (unread() == 0), unread());
  logits_V_ = std::move(logits_V);
}

void Sequence::truncate(int64_t length) {
  if (length == 0) return reset();
  ids_.resize(static_cast<size_t>(length));
  logits_V_ = {};
}

void Sequence::reset() {
  wanted_ = {};
  ids_.clear();
  logits_V_ = {};
  written_ = oldest_return_ = needed_from_ = 0;
}

bool Sequence::can_save(int64_t length) const {
  if (length == this->length()) return true;
  return length < this->length() &&
         length >= std::max(oldest_return_, written_ - cache_.options().max_chunk);
}

SequenceState Sequence::save(int64_t length) const {
  CHECK(can_save(length), length, " of ", this->length());
  SequenceState state;
  state.ids.assign(ids_.begin(), ids_.begin() + length);
  state.marks.assign(wanted_.marks.begin(), wanted_.marks.begin() + length);
  state.needed_from = needed_from_;
  if (length == this->length()) state.logits_V = logits_V_;
  if (length == 0) return state;
  for (auto& [name, tensor] : cache_.save(options_.slot, length))
    state.tensors.emplace(name, tensor);
  return state;
}

Status Sequence::load(SequenceState state) {
  if (!state.ids.empty()) {
    TRY_STATUS(check_ids(state.ids));
    const int64_t vocab = config_.text_vocab();
    if (state.logits_V.defined() && state.logits_V.count() != vocab)
      return fail(state.logits_V.count(), " logits, expected ", vocab);
    TRY_STATUS(cache_.load(options_.slot, static_cast<int64_t>(state.ids.size()), state.tensors));
  }
  ids_ = state.ids;
  state.marks.resize(ids_.size(), 0);
  wanted_ = {std::move(state.ids), std::move(state.marks), {}, state.needed_from};
  logits_V_ = state.logits_V;
  written_ = oldest_return_ = length();
  needed_from_ = state.needed_from;
  return Ok{};
}

}  // namespace hadal
