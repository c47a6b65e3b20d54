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
constexpr int64_t kMostWork = 1 << 19;

class GrammarConstraint : public TokenConstraint {
 public:
  GrammarConstraint(std::shared_ptr<const TokenGrammar> grammar, ConstraintOptions options)
      : grammar_(std::move(grammar)),
        vocabulary_(grammar_->vocabulary()),
        options_(std::move(options)),
        walker_(grammar_->program()),
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

  TokenMask mask_of(int32_t state) {
    TokenMask mask(vocabulary_.size());
    limit_ = walker_.work() + kMostWork;
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
      for (const int32_t open : local->open)
        if (!tired()) add_branch(state, open, mask);
    }
    add_long_tokens(state, mask);
    if (walker_.accepts(state))
      for (const int64_t end : options_.end_ids) mask.set(end);
    return mask;
  }

  bool tired() const { return walker_.work() > limit_; }

  // What fits below a node of the short tree, with the whole stack in sight.
  void add_branch(int32_t state, int32_t root, TokenMask& mask) {
    const std::vector<Vocabulary::Node>& tree = vocabulary_.short_tree();
    const Vocabulary::Node& top = tree[static_cast<size_t>(root)];
    // Any token below the node spells the way to it.
    int32_t below = root;
    while (tree[static_cast<size_t>(below)].token < 0) ++below;
    const std::string_view path =
        vocabulary_.bytes(tree[static_cast<size_t>(below)].token).substr(0, top.depth - 1U);
    for (const char byte : path) {
      state = walker_.step(state, static_cast<uint8_t>(byte));
      if (state == Walker::kDead) return;
    }
    add_range(tree, root, top.after, state, mask);
  }

  void add_long_tokens(int32_t state, TokenMask& mask) {
    const std::vector<Vocabulary::Node>& tree = vocabulary_.long_tree();
    add_range(tree, 0, static_cast<int32_t>(tree.size()), state, mask);
  }

  // Nodes [begin, end) of a tree, all below the place where the walker is in `state`.
  void add_range(const std::vector<Vocabulary::Node>& tree, int32_t begin, int32_t end,
                 int32_t state, TokenMask& mask) {
    if (begin == end) return;
    const size_t base = tree[static_cast<size_t>(begin)].depth;
    path_.assign(1, state);
    for (int32_t i = begin; i < end;) {
      const Vocabulary::Node& node = tree[static_cast<size_t>(i)];
      const size_t depth = node.depth - base;  // of the state above the node in path_
      const int32_t here = tired() ? Walker::kDead : walker_.step(path_[depth], node.byte);
      if (here == Walker::kDead) {
        i = node.after;
        continue;
      }
      for (int32_t token = node.token; token >= 0; token = vocabulary_.same(token)) mask.set(token);
      path_.resize(depth + 1);
      path_.push_back(here);
      ++i;
    }
  }

  const std::shared_ptr<const TokenGrammar> grammar_;
  const Vocabulary& vocabulary_;
  const ConstraintOptions options_;
  Walker walker_;
  int32_t state_;
  TokenMask mask_;                                // before the gates
  std::unordered_map<int32_t, TokenMask> masks_;  // by state
  std::vector<int32_t> path_;
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
