// SPDX-License-Identifier: MIT
// A session: which tokens must be read, and reading them in chunks.
#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/checksum.h"
#include "engine/session_file.h"

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

// Those of positions [start, end), counted from start.
GivenRows rows_between(const GivenRows& given, int64_t start, int64_t end) {
  const auto first = std::lower_bound(given.rows.begin(), given.rows.end(), start);
  const auto last = std::lower_bound(first, given.rows.end(), end);
  GivenRows part{{first, last}, {}};
  if (part.empty()) return part;
  part.values_ND = given.values_ND.rows(first - given.rows.begin(), last - first);
  for (int64_t& row : part.rows) row -= start;
  return part;
}

}  // namespace

Session::Session(Model& model, Ops& ops, Cache& cache, SessionOptions options)
    : model_(model), ops_(ops), cache_(cache), options_(std::move(options)) {
  const int64_t asked = cache.options().max_positions;
  capacity_ = asked > 0 ? asked : model.config().max_positions;
}

Status Session::check_ids(std::span<const int64_t> ids) const {
  const int64_t count = static_cast<int64_t>(ids.size());
  const CellIds cells(model_.config());
  if (ids.empty()) return fail("the prompt has no tokens, expected at least 1");
  if (count > capacity_)
    return fail("the prompt has ", count, " tokens, the context holds ", capacity_);
  for (size_t at = 0; at < ids.size(); ++at)
    if (!cells.is_known(ids[at]))
      return fail("token ", at, " of the prompt is ", ids[at], ", expected 0 to ",
                  model_.config().vocab - 1);
  return Ok{};
}

Status Session::check_given(const GivenRows& given, int64_t count) const {
  if (given.empty()) return Ok{};
  const Shape expected = {static_cast<int64_t>(given.rows.size()), model_.config().width};
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

// How many of the tokens in the cache can be kept for a prompt whose last logits alone are wanted.
int64_t Session::reusable(const Sequence& wanted, int64_t needed_from) const {
  const int64_t count = static_cast<int64_t>(wanted.ids.size());
  int64_t common = 0;
  for (; common < std::min(length(), count); ++common) {
    const size_t at = static_cast<size_t>(common);
    if (ids_[at] != wanted.ids[at] || marks_[at] != wanted.marks[at]) break;
  }
  if (common == length() && common == count && logits_V_.defined()) return common;
  const int64_t kept = std::min(common, count - 1);
  if (needed_from < needed_from_) return 0;
  if (kept == length()) return kept;
  const int64_t oldest = std::max(oldest_return_, written_ - cache_.options().max_chunk);
  return kept >= oldest ? kept : 0;
}

void Session::truncate(int64_t length) {
  if (length == 0) reset();
  ids_.resize(static_cast<size_t>(length));
  marks_.resize(static_cast<size_t>(length));
  logits_V_ = {};
}

void Session::reset() {
  ids_.clear();
  marks_.clear();
  logits_V_ = {};
  written_ = oldest_return_ = needed_from_ = 0;
}

void Session::read(const Sequence& wanted, int64_t count, int64_t needed_from, bool wants_logits) {
  const int64_t start = length(), end = start + count;
  Batch batch;
  batch.append(options_.slot, start, {wanted.ids.begin() + start, wanted.ids.begin() + end});
  batch.given = rows_between(wanted.given, start, end);
  if (needed_from > 0) batch.needed_from = {needed_from};
  needed_from_ = std::max(needed_from_, needed_from);
  marks_.insert(marks_.end(), wanted.marks.begin() + start, wanted.marks.begin() + end);
  run(batch, wants_logits);
}

void Session::run(Batch& batch, bool wants_logits) {
  if (wants_logits) batch.wanted = {batch.rows() - 1};
  const Tensor logits_WV = model_.forward(batch, cache_);
  ids_.insert(ids_.end(), batch.ids.begin(), batch.ids.end());
  written_ = std::max(written_, length());
  logits_V_ = wants_logits ? ops_.to_host(logits_WV) : Tensor();
}

Result<Prefill> Session::extend(std::span<const int64_t> ids, const std::atomic<bool>* cancel,
                                const GivenRows& given) {
  TRY_STATUS(check_ids(ids));
  const auto start = std::chrono::steady_clock::now();
  const int64_t count = static_cast<int64_t>(ids.size());
  TRY_STATUS(check_given(given, count));
  const Sequence wanted{ids, marks_of(given, count), given};
  const int64_t needed_from = options_.prompt_shortcut ? count - 1 : 0;
  Prefill prefill;
  prefill.reused = reusable(wanted, needed_from);
  if (prefill.reused < length()) truncate(prefill.reused);
  while (length() < count && !prefill.cancelled) {
    const int64_t chunk = std::min(cache_.options().max_chunk, count - length());
    read(wanted, chunk, needed_from, length() + chunk == count);
    prefill.cancelled = length() < count && cancel && cancel->load(std::memory_order_relaxed);
  }
  prefill.read = length() - prefill.reused;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  prefill.seconds = passed.count();
  return prefill;
}

void Session::append(int64_t id) {
  CHECK(room() > 0, "a sequence of ", length(), " tokens fills its cache");
  CHECK(CellIds(model_.config()).is_known(id), id);
  Batch batch;
  batch.append(options_.slot, length(), {id});
  marks_.push_back(0);
  run(batch, true);
}

std::span<const float> Session::logits() const {
  if (!logits_V_.defined()) return {};
  return {logits_V_.data<float>(), static_cast<size_t>(logits_V_.count())};
}

// What decides the bits in a cache besides the model: another back end or rounding gives others.
std::string Session::numerics() const {
  const bool published = model_.options().rounding == Rounding::published;
  return std::string(ops_.name()) + "/" + (published ? "published" : "none");
}

Status Session::save(const std::string& path, const std::string& note) const {
  if (options_.fingerprint.empty()) return fail(path, ": this session cannot be stored");
  StoredSession stored{.fingerprint = options_.fingerprint,
                       .numerics = numerics(),
                       .note = note,
                       .needed_from = needed_from_,
                       .ids = {},
                       .marks = {},
                       .logits = logits_V_,
                       .cache = {}};
  if (std::any_of(marks_.begin(), marks_.end(), [](int64_t mark) { return mark != 0; }))
    stored.marks = Tensor::of_ints({length()}, marks_);
  if (length() > 0)
    for (auto& [name, tensor] : cache_.save(options_.slot, length()))
      stored.cache.emplace(name, tensor);
  return write_session(path, stored);
}

Result<std::string> Session::load(const std::string& path) {
  TRY(StoredSession stored, read_session(path));
  if (stored.fingerprint != options_.fingerprint)
    return fail(path, ": saved with another model: fingerprint ", stored.fingerprint,
                ", this one is ", options_.fingerprint);
  if (stored.numerics != numerics())
    return fail(path, ": saved with back end/rounding ", stored.numerics, ", this is ", numerics());
  if (!stored.ids.empty()) {
    if (Status status = check_ids(stored.ids); !status)
      return fail(path, ": ", status.error().message);
    const int64_t vocab = model_.config().text_vocab();
    if (stored.logits.defined() && stored.logits.count() != vocab)
      return fail(path, ": ", stored.logits.count(), " logits, expected ", vocab);
    TRY_STATUS(cache_.load(options_.slot, static_cast<int64_t>(stored.ids.size()), stored.cache));
  }
  ids_ = std::move(stored.ids);
  marks_.assign(ids_.size(), 0);
  if (stored.marks.defined())
    std::copy_n(stored.marks.data<int64_t>(), stored.marks.count(), marks_.begin());
  logits_V_ = stored.logits;
  written_ = oldest_return_ = length();
  needed_from_ = stored.needed_from;
  return stored.note;
}

}  // namespace hadal
