// SPDX-License-Identifier: MIT
// A radix tree of what was read.
#include "engine/prefix_cache.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace hadal {
namespace {

constexpr int64_t kTokenBytes = 16;  // id and mark
// States closer than this would save less reading than their bookkeeping costs.
constexpr int64_t kLeastInterval = 256;
// A text whose states lie further apart is read again for too long.
constexpr int64_t kMostInterval = 8192;

double seconds_of(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

int64_t bytes_of(const NamedParts& parts) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : parts) bytes += tensor.bytes();
  return bytes;
}

}  // namespace

Tensor copied(const Tensor& tensor) {
  Tensor copy = Tensor::empty(tensor.dtype(), tensor.shape());
  if (tensor.count() > 0)
    std::memcpy(copy.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes()));
  return copy;
}

Tensor join_rows(const std::vector<const Tensor*>& parts) {
  Shape shape = parts.front()->shape();
  const DType dtype = parts.front()->dtype();
  int64_t rows = 0;
  for (const Tensor* part : parts) {
    if (part->rank() == 0 || part->rank() != static_cast<int64_t>(shape.size())) return {};
    rows += part->size(0);
    shape[0] = part->size(0);
    if (part->dtype() != dtype || part->shape() != shape) return {};
  }
  shape[0] = rows;
  Tensor all = Tensor::empty(dtype, shape);
  int64_t at = 0;
  for (const Tensor* part : parts) {
    if (part->count() == 0) continue;
    std::memcpy(all.raw() + at, part->raw(), static_cast<size_t>(part->bytes()));
    at += part->bytes();
  }
  return all;
}

int64_t tokens_a_row(const ModelConfig& config, const std::string& name) {
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return 0;
  int64_t layer = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kLayers.size(), end, layer);
  const std::string_view field(rest, static_cast<size_t>(end - rest));
  const bool grows = field.starts_with(".compressed") || field.starts_with(".index_keys");
  if (error != std::errc() || !grows) return 0;
  if (layer < 0 || layer >= static_cast<int64_t>(config.compress_ratios.size())) return 0;
  return config.ratio(layer);
}

PrefixParts parts_of(const ModelConfig& config, const SequenceState& state) {
  const int64_t length = static_cast<int64_t>(state.ids.size());
  PrefixParts parts;
  parts.end.needed_from = state.needed_from;
  if (state.logits_V.defined()) parts.end.logits_V = copied(state.logits_V);
  for (const auto& [name, tensor] : state.tensors) {
    if (name == "tokens") continue;
    const int64_t ratio = tokens_a_row(config, name);
    const bool grows = ratio > 0 && tensor.size(0) == length / ratio;
    (grows ? parts.rows : parts.end.rings).emplace(name, tensor);
  }
  return parts;
}

int64_t PrefixEnd::bytes() const {
  return bytes_of(rings) + (logits_V.defined() ? logits_V.bytes() : 0);
}

struct PrefixCache::Node {
  Node* parent = nullptr;  // null: a root
  std::string partition;   // of a root
  std::vector<Token> edge;
  int64_t end = 0;  // tokens up to here
  NamedParts rows;  // of the edge's tokens
  std::shared_ptr<const PrefixEnd> state;
  int64_t last_use = 0;
  std::chrono::steady_clock::time_point kept_at, used_at;  // of the state
  std::map<Token, std::unique_ptr<Node>> children;

  int64_t start() const { return end - static_cast<int64_t>(edge.size()); }
};

PrefixCache::PrefixCache(const ModelConfig& config, PrefixCacheOptions options)
    : config_(config),
      options_(options),
      every_(options.every > 0 ? options.every : kLeastInterval) {}

PrefixCache::~PrefixCache() = default;

// ---- finding

PrefixHit PrefixCache::find(const std::string& partition, const Wanted& wanted) {
  PrefixHit hit;
  const auto root = roots_.find(partition);
  if (root == roots_.end()) return hit;
  const int64_t count = static_cast<int64_t>(wanted.ids.size());
  std::vector<NamedParts> rows;
  Node *node = root->second.get(), *best = nullptr;
  while (hit.common < count) {
    const auto token = [&](int64_t at) {
      return Token{wanted.ids[static_cast<size_t>(at)], wanted.marks[static_cast<size_t>(at)]};
    };
    const auto child = node->children.find(token(hit.common));
    if (child == node->children.end()) break;
    node = child->second.get();
    const int64_t most = std::min(node->end, count);
    while (hit.common < most &&
           node->edge[static_cast<size_t>(hit.common - node->start())] == token(hit.common))
      ++hit.common;
    if (hit.common < node->end) break;
    rows.push_back(node->rows);
    const bool serves_it = node->state && (node->end < count || node->state->logits_V.defined()) &&
                           serves(config_, node->end, node->state->needed_from, wanted.needed_from);
    if (!serves_it) continue;
    best = node;
    hit.length = node->end;
    hit.rows = rows;
  }
  if (best) {
    hit.end = best->state;
    options_.used_again(seconds_of(options_.now() - best->used_at));
    touch(*best);
  }
  return hit;
}

SequenceState PrefixCache::state_of(const PrefixHit& hit, const Wanted& wanted) const {
  CHECK(hit.length > 0 && hit.end, "nothing was found");
  SequenceState state;
  state.ids.assign(wanted.ids.begin(), wanted.ids.begin() + hit.length);
  state.marks.assign(wanted.marks.begin(), wanted.marks.begin() + hit.length);
  state.needed_from = hit.end->needed_from;
  state.logits_V = hit.end->logits_V;
  state.tensors = hit.end->rings;
  state.tensors["tokens"] = Tensor::of_ints({hit.length}, state.ids);
  for (const auto& [name, first] : hit.rows.front()) {
    std::vector<const Tensor*> parts;
    for (const NamedParts& rows : hit.rows) parts.push_back(&rows.at(name));
    state.tensors[name] = join_rows(parts);
  }
  return state;
}

// ---- keeping

void PrefixCache::keep(const std::string& partition, SequenceState state) {
  const int64_t length = static_cast<int64_t>(state.ids.size());
  if (!enabled() || length == 0) return;
  PrefixParts parts = parts_of(config_, state);
  choose_interval(parts.end, parts.rows, length);
  Node& node = node_for(partition, state, parts.rows);
  give(node, std::make_shared<PrefixEnd>(std::move(parts.end)));
  while (bytes_ > options_.budget_bytes && !by_use_.empty()) throw_out(*by_use_.begin()->second);
}

void PrefixCache::choose_interval(const PrefixEnd& end, const NamedParts& rows, int64_t length) {
  if (options_.every > 0 || length < kLeastInterval) return;
  const int64_t a_token = bytes_of(rows) / length + kTokenBytes;
  every_ = kLeastInterval;
  while (every_ < kMostInterval && every_ * a_token < bytes_of(end.rings)) every_ *= 2;
}

std::vector<int64_t> PrefixCache::boundaries(int64_t from, int64_t to) const {
  std::vector<int64_t> positions;
  for (int64_t at = (from / every_ + 1) * every_; at <= to; at += every_) positions.push_back(at);
  return positions;
}

// The node at the end of the state's tokens; made, with its rows, as far as it is not there.
PrefixCache::Node& PrefixCache::node_for(const std::string& partition, const SequenceState& state,
                                         const NamedParts& rows) {
  std::unique_ptr<Node>& root = roots_[partition];
  if (!root) {
    root = std::make_unique<Node>();
    root->partition = partition;
  }
  const int64_t length = static_cast<int64_t>(state.ids.size());
  Node* node = root.get();
  while (node->end < length) {
    const auto token = [&](int64_t at) {
      return Token{state.ids[static_cast<size_t>(at)], state.marks[static_cast<size_t>(at)]};
    };
    const auto child = node->children.find(token(node->end));
    if (child == node->children.end()) return add_leaf(*node, state, rows);
    node = child->second.get();
    int64_t at = node->start();
    while (at < std::min(node->end, length) &&
           node->edge[static_cast<size_t>(at - node->start())] == token(at))
      ++at;
    if (at < node->end) node = &split(*node, at);
  }
  return *node;
}

PrefixCache::Node& PrefixCache::add_leaf(Node& parent, const SequenceState& state,
                                         const NamedParts& rows) {
  auto leaf = std::make_unique<Node>();
  leaf->parent = &parent;
  leaf->end = static_cast<int64_t>(state.ids.size());
  for (int64_t at = parent.end; at < leaf->end; ++at)
    leaf->edge.emplace_back(state.ids[static_cast<size_t>(at)],
                            state.marks[static_cast<size_t>(at)]);
  for (const auto& [name, tensor] : rows) {
    const int64_t first = parent.end / tokens_a_row(config_, name);
    leaf->rows.emplace(name, copied(tensor.rows(first, tensor.size(0) - first)));
  }
  count(*leaf, 1);
  Node& made = *leaf;
  parent.children.emplace(made.edge.front(), std::move(leaf));
  return made;
}

// A node that ends after `length` tokens takes the first part of this one's edge.  Gives it.
PrefixCache::Node& PrefixCache::split(Node& node, int64_t length) {
  count(node, -1);
  auto upper = std::make_unique<Node>();
  const int64_t start = node.start(), taken = length - start;
  upper->parent = node.parent;
  upper->end = length;
  upper->edge.assign(node.edge.begin(), node.edge.begin() + taken);
  node.edge.erase(node.edge.begin(), node.edge.begin() + taken);
  for (auto& [name, tensor] : node.rows) {
    const int64_t ratio = tokens_a_row(config_, name), rows = length / ratio - start / ratio;
    upper->rows.emplace(name, copied(tensor.rows(0, rows)));
    tensor = copied(tensor.rows(rows, tensor.size(0) - rows));
  }
  std::unique_ptr<Node>& place = node.parent->children.at(upper->edge.front());
  std::unique_ptr<Node> lower = std::exchange(place, std::move(upper));
  Node& made = *place;
  lower->parent = &made;
  count(*lower, 1);
  count(made, 1);
  made.children.emplace(lower->edge.front(), std::move(lower));
  return made;
}

void PrefixCache::give(Node& node, std::shared_ptr<const PrefixEnd> end) {
  const bool logits = end->logits_V.defined();
  const bool had_logits = node.state && node.state->logits_V.defined();
  const bool better = !node.state || (logits && !had_logits) ||
                      (logits == had_logits && end->needed_from < node.state->needed_from);
  if (!node.state) node.kept_at = options_.now();
  if (better) {
    count(node, -1);
    node.state = std::move(end);
    count(node, 1);
  }
  touch(node);
}

// ---- what is held

void PrefixCache::touch(Node& node) {
  by_use_.erase(node.last_use);
  node.last_use = ++uses_;
  node.used_at = options_.now();
  by_use_.emplace(node.last_use, &node);
}

void PrefixCache::throw_out(Node& node) {
  const auto now = options_.now();
  options_.thrown_out(seconds_of(now - node.kept_at), seconds_of(now - node.used_at));
  by_use_.erase(node.last_use);
  count(node, -1);
  node.state = nullptr;
  count(node, 1);
  prune(&node);
}

// Branches that lead to no state are cut.
void PrefixCache::prune(Node* node) {
  while (node->parent && node->children.empty() && !node->state) {
    Node* parent = node->parent;
    count(*node, -1);
    parent->children.erase(node->edge.front());
    node = parent;
  }
  if (!node->parent && node->children.empty()) roots_.erase(node->partition);
}

void PrefixCache::count(const Node& node, int64_t sign) {
  const int64_t tokens = static_cast<int64_t>(node.edge.size());
  tokens_ += sign * tokens;
  bytes_ += sign * (tokens * kTokenBytes + bytes_of(node.rows));
  if (node.state) bytes_ += sign * node.state->bytes();
}

}  // namespace hadal
