// SPDX-License-Identifier: MIT
// Trees of prefixes, written in the order of a walk.
#include "grammar/vocabulary.h"

#include <algorithm>
#include <bitset>
#include <utility>

#include "grammar/grammar.h"
#include "grammar/program.h"

namespace hadal {
namespace {

// Depths are 16 bits wide; published vocabularies have no token of more than 1,024 bytes.
constexpr size_t kLongestToken = 4096;
constexpr int64_t kMostTokens = int64_t{1} << 24;  // what control_bytes can name

// Ids sorted by their bytes become nodes; `after` is known when the walk leaves a node.
void plant(TokenTree& tree, const std::vector<int32_t>& sorted,
           const std::vector<std::string>& bytes, int64_t size) {
  std::vector<TokenTree::Node>& nodes = tree.nodes;
  std::vector<size_t> path;  // nodes from the root to here
  std::string_view before;
  const auto count = [&] { return static_cast<int32_t>(tree.tokens.size()); };
  const auto leave_to = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) {
      TokenTree::Node& node = nodes[path.back()];
      node.after = static_cast<int32_t>(nodes.size());
      node.deepest = std::max(node.deepest, node.depth);
      if (path.size() < 2) continue;
      TokenTree::Node& above = nodes[path[path.size() - 2]];
      above.deepest = std::max(above.deepest, node.deepest);
    }
  };
  tree.whole = TokenMask(size);
  for (const int32_t token : sorted) {
    const std::string_view text = bytes[static_cast<size_t>(token)];
    const size_t least = std::min(before.size(), text.size());
    const size_t common = static_cast<size_t>(
        std::mismatch(text.begin(), text.begin() + static_cast<ptrdiff_t>(least), before.begin())
            .first -
        text.begin());
    leave_to(common);
    for (size_t depth = common; depth < text.size(); ++depth) {
      path.push_back(nodes.size());
      nodes.push_back({.first = count(),
                       .depth = static_cast<uint16_t>(depth + 1),
                       .byte = static_cast<uint8_t>(text[depth])});
    }
    tree.tokens.push_back(token);
    tree.whole.set(token);
    tree.deepest = std::max(tree.deepest, static_cast<int32_t>(text.size()));
    before = text;
  }
  leave_to(0);
  nodes.push_back({.first = count(), .after = static_cast<int32_t>(nodes.size())});
}

}  // namespace

Result<Vocabulary> Vocabulary::make(std::vector<VocabularyToken> tokens, int64_t size) {
  if (static_cast<int64_t>(tokens.size()) > size || size > kMostTokens)
    return fail("vocabulary: ", tokens.size(), " tokens for ", size, " logits, expected at most ",
                std::min(size, kMostTokens));
  Vocabulary made;
  made.size_ = size;
  std::bitset<256> single;
  std::vector<int32_t> sorted;
  for (size_t id = 0; id < tokens.size(); ++id) {
    VocabularyToken& token = tokens[id];
    // Never chosen: what is too long, and the byte that begins the spelling of control tokens.
    const bool is_foreign = !token.control && token.bytes.find('\xff') != std::string::npos;
    if (token.bytes.size() > kLongestToken || is_foreign) token.bytes.clear();
    if (!token.bytes.empty()) sorted.push_back(static_cast<int32_t>(id));
    if (token.bytes.size() == 1 && !token.control) single.set(static_cast<uint8_t>(token.bytes[0]));
    made.bytes_.push_back(token.control && !token.bytes.empty()
                              ? control_bytes(static_cast<int64_t>(id))
                              : std::move(token.bytes));
  }
  made.bytes_.resize(static_cast<size_t>(size));
  // UTF-8 has no use for 0xc0, 0xc1 and 0xf5 to 0xff; a grammar never asks for them.
  for (int byte = 0; byte < 0xf5; ++byte)
    if (byte != 0xc0 && byte != 0xc1 && !single.test(static_cast<size_t>(byte)))
      return fail("vocabulary: no token is the single byte ", byte,
                  "; expected one, so that answers can be held to a grammar");
  std::sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) {
    const int order =
        made.bytes_[static_cast<size_t>(a)].compare(made.bytes_[static_cast<size_t>(b)]);
    return order < 0 || (order == 0 && a < b);
  });
  for (const TextKind kind : {TextKind::words, TextKind::signs, TextKind::other})
    for (const bool is_long : {false, true}) {
      TokenTree& tree = made.trees_.emplace_back();
      tree.kind = kind;
      tree.is_long = is_long;
    }
  std::vector<std::vector<int32_t>> of_tree(made.trees_.size());
  for (const int32_t token : sorted) {
    const std::string_view text = made.bytes(token);
    const bool is_long = text.size() > static_cast<size_t>(kHorizon);
    of_tree[static_cast<size_t>(text_kind_of(text)) * 2 + (is_long ? 1 : 0)].push_back(token);
  }
  for (size_t i = 0; i < of_tree.size(); ++i) plant(made.trees_[i], of_tree[i], made.bytes_, size);
  return made;
}

}  // namespace hadal
