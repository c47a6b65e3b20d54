// SPDX-License-Identifier: MIT
// The prefix cache: what was read once need not be read again, by anyone of the same partition.
//
//   PrefixCache prefixes(model->config(), {.budget_bytes = 256 << 20});
//   PrefixHit hit = prefixes.find("ann", wanted);
//   if (hit.length > sequence.reusable(wanted)) sequence.load(prefixes.state_of(hit, wanted));
//   …                                             // read; at boundaries and at the end:
//   prefixes.keep("ann", sequence.save(length));
//
// A radix tree over tokens: ids, and the checksums of embeddings given in their place.  An edge
// holds the rows that grow with the text (compressed entries, index keys) of its own tokens alone,
// so conversations that share a beginning share its rows.  A node may hold a state: what a slot
// needs besides those rows to go on from there (rings of recent rows, last logits).  States are
// kept at the ends of prompts and answers, where texts were seen to part, and in between every so
// often; reading goes on from the deepest one that serves.
//
// Tensors are shared by reference count: what was found stays whole when it is thrown out.  Beyond
// the budget the states used longest ago go first, and with the last of a branch its rows.
// Partitions never see each other's tokens, nor can they tell from times that they are there.
// One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/sequence.h"
#include "model/config.h"

namespace hadal {

struct PrefixCacheOptions {
  int64_t budget_bytes = int64_t{256} << 20;  // 0: nothing is kept
  // Tokens from one state of a long text to the next; 0: so many that their states take about as
  // much as their rows.
  int64_t every = 0;
  // Hear of states, in seconds: since its last use, of one that is used again; since it was kept
  // and since its last use, of one that is thrown out.
  std::function<void(double gap)> used_again = [](double) {};
  std::function<void(double lifetime, double idle)> thrown_out = [](double, double) {};
  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
};

// Parts of a state by their names, as in SequenceState::tensors.
using NamedParts = std::map<std::string, Tensor>;

// What a slot needs at one position besides the rows of the tokens before it.
struct PrefixEnd {
  int64_t needed_from = 0;
  Tensor logits_V;
  NamedParts rings;

  int64_t bytes() const;
};

// A state, taken apart: the rows of its tokens, and the rest.
struct PrefixParts {
  NamedParts rows;
  PrefixEnd end;
};
PrefixParts parts_of(const ModelConfig& config, const SequenceState& state);
// Tokens that one row of a part stands for; 0: it does not grow with the text.
int64_t tokens_a_row(const ModelConfig& config, const std::string& name);
// All rows, one part after the other; undefined where their formats or widths differ.
Tensor join_rows(const std::vector<const Tensor*>& parts);
// A copy that shares no storage, so that what is counted is what is held.
Tensor copied(const Tensor& tensor);

struct PrefixHit {
  int64_t length = 0;  // tokens of the prompt that need not be read; 0: none
  int64_t common = 0;  // … that were seen before, whether or not a state was kept after them
  std::vector<NamedParts> rows;  // of the edges from the root, in order
  std::shared_ptr<const PrefixEnd> end;
};

class PrefixCache {
 public:
  PrefixCache(const ModelConfig& config, PrefixCacheOptions options);
  ~PrefixCache();

  PrefixHit find(const std::string& partition, const Wanted& wanted);
  // Requires: hit.length > 0, and the same `wanted`.
  SequenceState state_of(const PrefixHit& hit, const Wanted& wanted) const;
  void keep(const std::string& partition, SequenceState state);
  // Positions in (from, to] that are worth a state while a long text is read, ascending.
  std::vector<int64_t> boundaries(int64_t from, int64_t to) const;
  bool enabled() const { return options_.budget_bytes > 0; }

  int64_t bytes() const { return bytes_; }
  int64_t tokens() const { return tokens_; }  // of all edges
  int64_t states() const { return static_cast<int64_t>(by_use_.size()); }

 private:
  struct Node;
  using Token = std::pair<int64_t, int64_t>;  // id, mark

  Node& node_for(const std::string& partition, const SequenceState& state, const NamedParts& rows);
  Node& add_leaf(Node& parent, const SequenceState& state, const NamedParts& rows);
  Node& split(Node& node, int64_t length);
  void give(Node& node, std::shared_ptr<const PrefixEnd> end);
  void touch(Node& node);
  void throw_out(Node& node);
  void prune(Node* node);
  void count(const Node& node, int64_t sign);
  void choose_interval(const PrefixEnd& end, const NamedParts& rows, int64_t length);

  const ModelConfig& config_;
  PrefixCacheOptions options_;
  int64_t every_ = 0;
  std::map<std::string, std::unique_ptr<Node>> roots_;  // by partition
  std::map<int64_t, Node*> by_use_;                     // nodes with a state, longest unused first
  int64_t uses_ = 0, bytes_ = 0, tokens_ = 0;
};

}  // namespace hadal
