// SPDX-License-Identifier: MIT
// A session: reading in chunks, and the way to a file and back.
#include "engine/session.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/fingerprint.h"
#include "engine/session_file.h"
#include "engine/step.h"

namespace hadal {

Session::Session(Model& model, Ops& ops, Cache& cache, SessionOptions options)
    : model_(model),
      ops_(ops),
      cache_(cache),
      options_(std::move(options)),
      sequence_(model.config(), cache,
                {.slot = options_.slot, .prompt_shortcut = options_.prompt_shortcut}) {}

Result<Prefill> Session::extend(std::span<const int64_t> ids, const std::atomic<bool>* cancel,
                                const GivenRows& given) {
  const auto start = std::chrono::steady_clock::now();
  TRY(Wanted wanted, sequence_.check(ids, given));
  Prefill prefill;
  prefill.reused = sequence_.want(std::move(wanted));
  Step step(model_, ops_, cache_);
  while (sequence_.unread() > 0 && !prefill.cancelled) {
    step.add(sequence_, std::min(cache_.options().max_chunk, sequence_.unread()));
    step.run();
    prefill.cancelled = sequence_.unread() > 0 && cancel && cancel->load(std::memory_order_relaxed);
  }
  prefill.read = length() - prefill.reused;
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  prefill.seconds = passed.count();
  return prefill;
}

void Session::append(int64_t id) {
  sequence_.want_one(id);
  Step step(model_, ops_, cache_);
  step.add(sequence_, 1);
  step.run();
}

std::span<const float> Session::logits() const {
  const Tensor& logits_V = sequence_.logits_V();
  if (!logits_V.defined()) return {};
  return {logits_V.data<float>(), static_cast<size_t>(logits_V.count())};
}

Status Session::save(const std::string& path, const std::string& note) const {
  if (options_.fingerprint.empty()) return fail(path, ": this session cannot be stored");
  SequenceState state = sequence_.save(length());
  StoredSession stored{.fingerprint = options_.fingerprint,
                       .numerics = numerics_of(model_, ops_),
                       .note = note,
                       .needed_from = state.needed_from,
                       .ids = {},
                       .marks = {},
                       .logits = state.logits_V,
                       .cache = std::move(state.tensors)};
  if (std::any_of(state.marks.begin(), state.marks.end(), [](int64_t mark) { return mark != 0; }))
    stored.marks = Tensor::of_ints({length()}, state.marks);
  return write_session(path, stored);
}

Result<std::string> Session::load(const std::string& path) {
  TRY(StoredSession stored, read_session(path));
  if (stored.fingerprint != options_.fingerprint)
    return fail(path, ": saved with another model: fingerprint ", stored.fingerprint,
                ", this one is ", options_.fingerprint);
  if (stored.numerics != numerics_of(model_, ops_))
    return fail(path, ": saved with back end/rounding ", stored.numerics, ", this is ",
                numerics_of(model_, ops_));
  SequenceState state{
      std::move(stored.ids), {}, stored.needed_from, stored.logits, std::move(stored.cache)};
  if (stored.marks.defined())
    state.marks.assign(stored.marks.data<int64_t>(),
                       stored.marks.data<int64_t>() + stored.marks.count());
  if (Status status = sequence_.load(std::move(state)); !status)
    return fail(path, ": ", status.error().message);
  return stored.note;
}

}  // namespace hadal
