// SPDX-License-Identifier: MIT
// Masks that do not depend on the stack.
#include "grammar/token_grammar.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hadal {
namespace {

// 16 MiB of masks for a vocabulary of 129,280.  A schema of fifty members knows about a hundred.
constexpr size_t kMostKnown = 1024;

// So many tokens are worth asking whether all of them fit at once.
constexpr size_t kManyTokens = 16;

// Places that one walk may look at: some twenty times what JSON takes, about 20 ms.  A grammar
// that is ambiguous beyond reason gets fewer tokens at a time, never wrong ones.
constexpr int64_t kMostPlacesAWalk = 1 << 19;

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
    : program_(std::move(program)), text_bytes_(program_), vocabulary_(std::move(vocabulary)) {}

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

// The walker is new each time, so that its limits cut alike whoever comes first.
LocalMask TokenGrammar::walk(const std::vector<Address>& top) const {
  LocalMask local;
  local.fits = TokenMask(vocabulary_->size());
  local.open.resize(vocabulary_->trees().size());
  int64_t nodes = 0;
  Walker walker(program_);
  TextReach reach(walker, text_bytes_);
  std::vector<Walker::Place> places;
  for (const Address address : top) places.push_back({Walker::kUnknown, address});
  const int32_t start = walker.state_of(places);
  for (size_t tree = 0; tree < local.open.size(); ++tree)
    if (!vocabulary_->trees()[tree].is_long) nodes += walk_tree(tree, reach, start, local);
  local.work = walker.work() + nodes / kNodesAPlace;
  return local;
}

// Down a tree as long as a prefix lives.  Where it dies, but the rule may have ended within it, the
// rest of that branch is open.  Returns how many nodes were looked at.
int64_t TokenGrammar::walk_tree(size_t index, TextReach& reach, int32_t start,
                                LocalMask& local) const {
  const TokenTree& tree = vocabulary_->trees()[index];
  Walker& walker = reach.walker();
  if (reach.admits(start, tree.kind, tree.deepest)) {
    local.fits.add(tree.whole);
    return 0;
  }
  // By depth: what is behind so many bytes.
  struct Prefix {
    int32_t state = 0;
    int text = kWholeText;
    bool escaped = false;  // a rule may have ended after at least one of them
  };
  std::array<Prefix, static_cast<size_t>(kHorizon) + 1> path;
  path[0].state = start;
  int64_t nodes = 0;
  for (int32_t i = 0; i < tree.size(); ++nodes) {
    const TokenTree::Node& node = tree.at(i);
    const Prefix& before = path[node.depth - 1U];
    const bool tired = walker.work() > kMostPlacesAWalk && node.depth > 1;
    const int32_t state = tired ? Walker::kDead : walker.step(before.state, node.byte);
    if (state == Walker::kDead) {
      if (before.escaped && !tired) local.open[index].push_back(i);
      i = node.after;
      continue;
    }
    Prefix& here = path[node.depth];
    here = {state, kWholeText, before.escaped || walker.escapes(state)};
    if (tree.kind != TextKind::other) here.text = text_step(tree.kind, before.text, node.byte);
    const std::span<const int32_t> below = tree.below(i);
    if (here.text == kWholeText && below.size() >= kManyTokens &&
        reach.admits(state, tree.kind, node.deepest - node.depth)) {
      local.fits.set(below);
      i = node.after;
      continue;
    }
    local.fits.set(tree.ending_at(i));
    ++i;
  }
  return nodes;
}

}  // namespace hadal
