// SPDX-License-Identifier: MIT
// Masks that do not depend on the stack.
#include "grammar/token_grammar.h"

#include <algorithm>
#include <utility>

namespace hadal {
namespace {

// 16 MiB of masks for a vocabulary of 129,280.  A schema of fifty members knows about a hundred.
constexpr size_t kMostKnown = 1024;

// Places that one walk may look at: some twenty times what JSON takes, about 20 ms.  A grammar
// that is ambiguous beyond reason gets fewer tokens at a time, never wrong ones.
constexpr int64_t kMostWork = 1 << 19;

// A step that is known takes so much less than a place that is looked at.
constexpr int64_t kNodesAPlace = 8;

}  // namespace

Result<std::shared_ptr<const TokenGrammar>> TokenGrammar::make(
    const Grammar& grammar, std::shared_ptr<const Vocabulary> vocabulary) {
  TRY(Program program, Program::compile(grammar));
  return std::shared_ptr<const TokenGrammar>(
      new TokenGrammar(std::move(program), std::move(vocabulary)));
}

TokenGrammar::TokenGrammar(Program program, std::shared_ptr<const Vocabulary> vocabulary)
    : program_(std::move(program)), vocabulary_(std::move(vocabulary)) {}

std::shared_ptr<const LocalMask> TokenGrammar::local(const std::vector<Address>& top) const {
  std::vector<Address> key;
  for (const Address address : top) key.push_back(program_.twin(address));
  std::sort(key.begin(), key.end());
  key.erase(std::unique(key.begin(), key.end()), key.end());
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) return found->second;
  }
  auto made = std::make_shared<const LocalMask>(walk(key));
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  return known_.try_emplace(std::move(key), std::move(made)).first->second;
}

// Down the tree as long as a prefix lives.  Where it dies, but the rule may have ended within it,
// the rest of that branch is open.  The walker is new each time, so that its limits cut alike
// whoever comes first.
LocalMask TokenGrammar::walk(const std::vector<Address>& top) const {
  const std::vector<Vocabulary::Node>& tree = vocabulary_->short_tree();
  LocalMask local{TokenMask(vocabulary_->size()), {}, 0};
  int64_t nodes = 0;
  Walker walker(program_);
  std::vector<Walker::Place> places;
  for (const Address address : top) places.push_back({Walker::kUnknown, address});
  // By depth: the state there, and whether a rule may have ended after at least one byte.
  std::vector<int32_t> states = {walker.state_of(places)};
  std::vector<bool> escaped = {false};
  states.resize(static_cast<size_t>(kHorizon) + 1);
  escaped.resize(static_cast<size_t>(kHorizon) + 1);
  for (size_t i = 0; i < tree.size();) {
    const Vocabulary::Node& node = tree[i];
    const size_t depth = node.depth;
    ++nodes;
    const bool tired = walker.work() > kMostWork && depth > 1;
    const int32_t state = tired ? Walker::kDead : walker.step(states[depth - 1], node.byte);
    if (state == Walker::kDead) {
      if (escaped[depth - 1] && !tired) local.open.push_back(static_cast<int32_t>(i));
      i = static_cast<size_t>(node.after);
      continue;
    }
    for (int32_t token = node.token; token >= 0; token = vocabulary_->same(token))
      local.fits.set(token);
    states[depth] = state;
    escaped[depth] = escaped[depth - 1] || walker.escapes(state);
    ++i;
  }
  local.work = walker.work() + nodes / kNodesAPlace;
  return local;
}

}  // namespace hadal
