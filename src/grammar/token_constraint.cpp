// SPDX-License-Identifier: MIT
// Gates, then masks: what is known without the stack, completed with it.
#include "grammar/token_constraint.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/result.h"

namespace hadal {
namespace {

// Of one answer: 4 MiB at a vocabulary of 129,280.
constexpr size_t kMostMasks = 256;
// States and stacks of one answer; an hour of JSON takes a few.
constexpr int64_t kMostWalkerBytes = 16 << 20;
// Places that one mask may look at, about 20 ms.  What others have found out already counts too:
// an answer must not depend on who else is served.
constexpr int64_t kMostPlaces = 1 << 19;

class GrammarConstraint : public TokenConstraint {
 public:
  GrammarConstraint(std::shared_ptr<const TokenGrammar> grammar, ConstraintOptions options)
      : grammar_(std::move(grammar)),
        vocabulary_(grammar_->vocabulary()),
        options_(std::move(options)),
        walker_(grammar_->program()),
        reach_(walker_, grammar_->text_bytes()),
        state_(walker_.start()),
        mask_(vocabulary_.size()) {}

  std::span<const uint64_t> allowed() override {
    if (gate_ < options_.gates.size()) return before_gate();
    if (const auto known = masks_.find(state_); known != masks_.end()) return known->second.words();
    if (masks_.size() >= kMostMasks) masks_.clear();
    return masks_.try_emplace(state_, mask_of(state_)).first->second.words();
  }

  void accept(int64_t token) override {
    CHECK(token >= 0 && token < vocabulary_.size() && !finished_, token);
    if (is_end(token)) {
      finished_ = true;
      return;
    }
    if (gate_ < options_.gates.size()) return pass_gate(token);
    for (const char byte : vocabulary_.bytes(token)) {
      state_ = walker_.step(state_, static_cast<uint8_t>(byte));
      CHECK(state_ != Walker::kDead, "token ", token, " does not fit the grammar");
    }
    if (walker_.memory() > kMostWalkerBytes) {
      state_ = walker_.forget_all_but(state_);
      masks_.clear();
      short_masks_.clear();
      reach_.forget();
    }
  }

  bool finished() const override { return finished_; }

 private:
  bool is_end(int64_t token) const {
    const auto& ends = options_.end_ids;
    return std::find(ends.begin(), ends.end(), token) != ends.end();
  }

  // Everything but what would end or begin too early.
  std::span<const uint64_t> before_gate() {
    const Gate& gate = options_.gates[gate_];
    mask_.set_all();
    if (gate.after_text.empty())
      for (const int64_t end : options_.end_ids) mask_.clear(end);
    else if (!text_.ends_with(gate.after_text))
      mask_.clear(gate.token);
    return mask_.words();
  }

  void pass_gate(int64_t token) {
    const Gate& gate = options_.gates[gate_];
    if (token == gate.token) {
      ++gate_;
      text_.clear();
      return;
    }
    text_ += vocabulary_.bytes(token);
    const size_t kept = gate.after_text.size();
    if (text_.size() > kept) text_.erase(0, text_.size() - kept);
  }

  // Short tokens cannot tell twins apart, and a long string is many of them.
  TokenMask mask_of(int32_t state) {
    limit_ = walker_.work() + kMostPlaces;
    const int32_t twin = twin_of(state);
    if (short_masks_.size() >= kMostMasks) short_masks_.clear();
    auto known = short_masks_.find(twin);
    if (known == short_masks_.end()) known = short_masks_.try_emplace(twin, short_mask(twin)).first;
    TokenMask mask = known->second;
    for (const TokenTree& tree : vocabulary_.trees()) {
      if (!tree.is_long || tree.size() == 0) continue;
      if (reach_.admits(state, tree.kind, tree.deepest))
        mask.add(tree.whole);
      else
        add_range(tree, 0, tree.size(), state, mask);
    }
    if (walker_.accepts(state))
      for (const int64_t end : options_.end_ids) mask.set(end);
    return mask;
  }

  int32_t twin_of(int32_t state) {
    std::vector<Walker::Place> places(walker_.places(state).begin(), walker_.places(state).end());
    bool differs = false;
    for (Walker::Place& place : places) {
      const Address twin = grammar_->program().twin(place.address);
      differs = differs || twin != place.address;
      place.address = twin;
    }
    return differs ? walker_.state_of(places) : state;
  }

  TokenMask short_mask(int32_t state) {
    TokenMask mask(vocabulary_.size());
    const std::vector<Walker::Place> places(walker_.places(state).begin(),
                                            walker_.places(state).end());
    for (size_t i = 0; i < places.size();) {
      std::vector<Address> top;
      const int32_t stack = places[i].stack;
      for (; i < places.size() && places[i].stack == stack; ++i) top.push_back(places[i].address);
      if (tired() && top.size() < places.size()) break;
      const std::shared_ptr<const LocalMask> local = grammar_->local(top);
      mask.add(local->fits);
      limit_ -= local->work;
      for (size_t tree = 0; tree < local->open.size(); ++tree)
        add_open(state, vocabulary_.trees()[tree], local->open[tree], mask);
    }
    return mask;
  }

  bool tired() const { return walker_.work() > limit_; }

  // What fits below open nodes, with the whole stack in sight.  They come in the order of the tree:
  // where ways to them begin alike they are walked once.
  void add_open(int32_t state, const TokenTree& tree, const std::vector<int32_t>& open,
                TokenMask& mask) {
    way_.assign(1, state);
    std::string_view before;
    for (const int32_t root : open) {
      if (tired()) return;
      const std::string_view any = vocabulary_.bytes(tree.below(root).front());
      const std::string_view way = any.substr(0, tree.at(root).depth - 1U);
      const auto least = static_cast<ptrdiff_t>(std::min(before.size(), way.size()));
      const auto apart = std::mismatch(way.begin(), way.begin() + least, before.begin()).first;
      way_.resize(static_cast<size_t>(apart - way.begin()) + 1);
      while (way_.size() <= way.size() && way_.back() != Walker::kDead)
        way_.push_back(walker_.step(way_.back(), static_cast<uint8_t>(way[way_.size() - 1])));
      before = way.substr(0, way_.size() - 1);
      if (way_.back() != Walker::kDead)
        add_range(tree, root, tree.at(root).after, way_.back(), mask);
    }
  }

  // Nodes [begin, end) of a tree, all below the place where the walker is in `state`.
  void add_range(const TokenTree& tree, int32_t begin, int32_t end, int32_t state,
                 TokenMask& mask) {
    if (begin == end) return;
    const size_t base = tree.at(begin).depth;
    path_.assign(1, state);
    for (int32_t i = begin; i < end;) {
      const TokenTree::Node& node = tree.at(i);
      const size_t depth = node.depth - base;  // of the state above the node in path_
      const int32_t here = tired() ? Walker::kDead : walker_.step(path_[depth], node.byte);
      if (here == Walker::kDead) {
        i = node.after;
        continue;
      }
      mask.set(tree.ending_at(i));
      path_.resize(depth + 1);
      path_.push_back(here);
      ++i;
    }
  }

  const std::shared_ptr<const TokenGrammar> grammar_;
  const Vocabulary& vocabulary_;
  const ConstraintOptions options_;
  Walker walker_;
  TextReach reach_;
  int32_t state_;
  TokenMask mask_;  // before the gates
  // By state: whole ones, and those of short tokens alone.
  std::unordered_map<int32_t, TokenMask> masks_, short_masks_;
  std::vector<int32_t> way_, path_;
  std::string text_;  // the end of what came before the gate
  size_t gate_ = 0;
  int64_t limit_ = 0;  // of the walker's work in this mask
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<TokenConstraint> make_constraint(std::shared_ptr<const TokenGrammar> grammar,
                                                 ConstraintOptions options) {
  return std::make_unique<GrammarConstraint>(std::move(grammar), std::move(options));
}

}  // namespace hadal
