// SPDX-License-Identifier: MIT
// The tree of prefixes, written in the order of a walk.
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
std::vector<Vocabulary::Node> tree_of(const std::vector<int32_t>& sorted,
                                      const std::vector<std::string>& bytes) {
  std::vector<Vocabulary::Node> nodes;
  std::vector<size_t> path;  // nodes from the root to here
  std::string_view before;
  const auto leave_to = [&](size_t depth) {
    while (path.size() > depth) {
      nodes[path.back()].after = static_cast<int32_t>(nodes.size());
      path.pop_back();
    }
  };
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
      nodes.push_back({-1, 0, static_cast<uint16_t>(depth + 1), static_cast<uint8_t>(text[depth])});
    }
    nodes[path.back()].token = token;
    before = text;
  }
  leave_to(0);
  return nodes;
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
  made.same_.assign(static_cast<size_t>(size), -1);
  std::vector<int32_t> brief, lengthy;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const std::string& text = made.bytes_[static_cast<size_t>(sorted[i])];
    // Of tokens that read alike the first stands in the tree and leads to the others.
    if (i > 0 && text == made.bytes_[static_cast<size_t>(sorted[i - 1])]) {
      made.same_[static_cast<size_t>(sorted[i - 1])] = sorted[i];
      continue;
    }
    (text.size() <= static_cast<size_t>(kHorizon) ? brief : lengthy).push_back(sorted[i]);
  }
  made.short_ = tree_of(brief, made.bytes_);
  made.long_ = tree_of(lengthy, made.bytes_);
  return made;
}

}  // namespace hadal
