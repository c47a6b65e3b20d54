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
  state_1D_ = {};
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
  state_1D_ = {};
  sequence_.want_one(id);
  Step step(model_, ops_, cache_);
  step.add(sequence_, 1);
  step.run();
}

void Session::append_before_cell(int64_t id) {
  sequence_.want_one(id);
  Batch batch;
  sequence_.add_to(batch, 1);
  state_1D_ = model_.states(batch, cache_);
  const Tensor logits_1V = ops_.to_host(model_.logits(state_1D_));
  sequence_.took(logits_1V.reshaped({logits_1V.size(1)}));
}

Sample Session::draw_cell(const SamplerOptions& sampler) {
  CHECK(state_1D_.defined(), "no cell follows");
  // Numbers that no token's draw has: those count positions from 0.
  constexpr int64_t kFirstDraw = int64_t{1} << 48;
  const VisualVocabulary& visual = config().visual;
  std::vector<int64_t> codes;
  Sample cell;
  Tensor state = std::exchange(state_1D_, {});
  for (int64_t g = 0; g < visual.groups; ++g) {
    if (g > 0) state = model_.next_code_state(state, Tensor::of_ints({1}, {codes.back()}), g - 1);
    const Tensor logits = ops_.to_host(model_.code_logits(state, g));
    const Sample code = pick_token({logits.data<float>(), static_cast<size_t>(logits.count())},
                                   sampler, kFirstDraw + length() * visual.groups + g);
    codes.push_back(code.id);
    cell.logprob += code.logprob;
  }
  cell.id = CellIds(config()).pack(codes.data());
  return cell;
}

int64_t Session::most_guesses() const {
  // The whole round must find its rows: a block of guesses, and the token before them.
  const int64_t limit = model_.draft_limit();
  const bool fits = room() > limit && cache_.options().max_chunk > limit;
  return fits && length() > 0 ? limit : 0;
}

std::vector<GuessedToken> Session::guess(int64_t id, int64_t count, const SamplerOptions& sampler) {
  std::vector<GuessedToken> guesses;
  const DraftStart start{options_.slot, length() - 1, id, count};
  if (!model_.begin_draft(start, cache_)) return guesses;
  while (static_cast<int64_t>(guesses.size()) < count) {
    const DraftGuess guess = model_.next_guess(id, cache_);
    const Tensor logits_V = ops_.to_host(guess.logits_V);
    const int64_t position = length() + 1 + static_cast<int64_t>(guesses.size());
    id = pick_token({logits_V.data<float>(), static_cast<size_t>(logits_V.count())}, sampler,
                    position)
             .id;
    guesses.push_back({id, guess.confidence});
  }
  return guesses;
}

Tensor Session::append_all(std::span<const int64_t> ids) {
  state_1D_ = {};
  const int64_t count = static_cast<int64_t>(ids.size());
  sequence_.want_more(ids);
  Batch batch;
  sequence_.add_to(batch, count);
  batch.wanted.clear();
  for (int64_t row = 0; row < count; ++row) batch.wanted.push_back(row);
  Tensor logits_WV = ops_.to_host(model_.forward(batch, cache_));
  sequence_.took(logits_WV.rows(count - 1, 1).reshaped({logits_WV.size(1)}));
  return logits_WV;
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
