// SPDX-License-Identifier: MIT
// The tokenizer at work.  How one is read from its file stands in tokenizer_file.cpp.
#include "text/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "text/byte_alphabet.h"

namespace hadal {

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  encode_into(text, ids);
  return ids;
}

std::vector<int32_t> Tokenizer::encode_with_control(std::string_view text) const {
  std::vector<int32_t> ids;
  size_t plain_from = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_added_at(text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    encode_into(text.substr(plain_from, at - plain_from), ids);
    ids.push_back(token->id);
    at += token->content.size();
    plain_from = at;
  }
  encode_into(text.substr(plain_from), ids);
  return ids;
}

// A piece that occurred before in this text is copied from where its ids stand already.
void Tokenizer::encode_into(std::string_view text, std::vector<int32_t>& ids) const {
  struct Stretch {
    size_t begin, end;  // in ids
  };
  std::unordered_map<std::string_view, Stretch> known;
  std::vector<int32_t> symbols;
  pretokenizer_->split(text, [&](std::string_view piece) {
    auto [found, is_new] = known.try_emplace(piece, Stretch{});
    if (!is_new) {
      for (size_t i = found->second.begin; i < found->second.end; ++i) {
        int32_t id = ids[i];
        ids.push_back(id);
      }
      return;
    }
    symbols.clear();
    for (char byte : piece) symbols.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
    merge_piece(merges_, symbols);
    found->second = {ids.size(), ids.size() + symbols.size()};
    ids.insert(ids.end(), symbols.begin(), symbols.end());
  });
}

// Narrows the sorted tokens character by character, as a walk down a trie would.
const AddedToken* Tokenizer::longest_added_at(std::string_view text) const {
  auto first = added_.begin();
  auto last = added_.end();
  const AddedToken* longest = nullptr;
  for (size_t depth = 0; depth < text.size() && first != last; ++depth) {
    auto byte = static_cast<uint8_t>(text[depth]);
    auto before = [depth](const AddedToken& token, uint8_t wanted) {
      return token.content.size() <= depth || static_cast<uint8_t>(token.content[depth]) < wanted;
    };
    auto after = [depth](uint8_t wanted, const AddedToken& token) {
      return token.content.size() > depth && static_cast<uint8_t>(token.content[depth]) > wanted;
    };
    first = std::lower_bound(first, last, byte, before);
    last = std::upper_bound(first, last, byte, after);
    if (first != last && first->content.size() == depth + 1) longest = &*first;
  }
  return longest;
}

std::string Tokenizer::decode(std::span<const int32_t> ids) const {
  std::string bytes;
  for (int32_t id : ids) bytes += token_bytes(id);
  return bytes;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return bytes_[static_cast<size_t>(id)];
}

std::string Tokenizer::token_text(int32_t id) const {
  return is_added(id) ? std::string(token_bytes(id)) : spell_bytes(token_bytes(id));
}

std::optional<int32_t> Tokenizer::id_of(std::string_view added_token) const {
  auto found = std::lower_bound(
      added_.begin(), added_.end(), added_token,
      [](const AddedToken& token, std::string_view content) { return token.content < content; });
  if (found == added_.end() || found->content != added_token) return std::nullopt;
  return found->id;
}

const AddedToken* Tokenizer::added_with_id(int32_t id) const {
  auto found = added_index_of_id_.find(id);
  return found == added_index_of_id_.end() ? nullptr : &added_[found->second];
}

bool Tokenizer::is_added(int32_t id) const {
  return added_with_id(id) != nullptr;
}

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* token = added_with_id(id);
  return token && token->special;
}

}  // namespace hadal
