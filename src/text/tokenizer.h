// SPDX-License-Identifier: MIT
// The tokenizer: text to ids and back, from a Hugging Face tokenizer.json of byte-level BPE.
//
//   TRY(Tokenizer tokenizer, Tokenizer::open("model/tokenizer.json"));
//   std::vector<int32_t> ids = tokenizer.encode(user_text);
//   std::string same = tokenizer.decode(ids);
//
// Always true: decode(encode(bytes)) == bytes, for any bytes, UTF-8 or not.  encode() never gives
// an added token, so no user can write a control token; encode_with_control() is for text that
// we wrote ourselves.  Nothing is added at the ends (no BOS, no EOS).
// A Tokenizer does not change once made; any number of threads may use one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/bpe.h"
#include "text/pretokenizer.h"

namespace hadal {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = true;
  bool normalized = false;
};

class Tokenizer {
 public:
  static Result<Tokenizer> open(const std::string& path);
  // `name` stands for the file in messages.
  static Result<Tokenizer> parse(std::string_view json, std::string_view name);

  std::vector<int32_t> encode(std::string_view text) const;
  // Added tokens are recognised, leftmost first and the longest there; the rest as in encode().
  std::vector<int32_t> encode_with_control(std::string_view text) const;

  // An id without a token, which a model with a larger vocabulary may sample, decodes to nothing.
  std::string decode(std::span<const int32_t> ids) const;
  std::string_view token_bytes(int32_t id) const;
  // The spelling inside the file: byte alphabet, or an added token's content.
  std::string token_text(int32_t id) const;

  std::optional<int32_t> id_of(std::string_view added_token) const;
  bool is_added(int32_t id) const;
  // As flagged in the file: what "skip special tokens" skips.  V4.1's <｜System｜> is not.
  bool is_special(int32_t id) const;
  std::span<const AddedToken> added_tokens() const { return added_; }

  // The highest id plus one; every id below it has a token.
  int64_t vocab_size() const { return static_cast<int64_t>(bytes_.size()); }
  std::optional<int32_t> bos() const { return id_of("<｜begin▁of▁sentence｜>"); }
  std::optional<int32_t> eos() const { return id_of("<｜end▁of▁sentence｜>"); }
  std::optional<int32_t> pad() const { return id_of("<｜▁pad▁｜>"); }

 private:
  friend class TokenizerReader;  // tokenizer_file.cpp: fills the members from JSON

  void encode_into(std::string_view text, std::vector<int32_t>& ids) const;
  const AddedToken* longest_added_at(std::string_view text) const;
  const AddedToken* added_with_id(int32_t id) const;

  std::optional<Pretokenizer> pretokenizer_;
  MergeTable merges_;
  std::vector<std::string> bytes_;  // by id
  int32_t byte_ids_[256] = {};
  std::vector<AddedToken> added_;                // sorted by content
  std::map<int32_t, size_t> added_index_of_id_;  // into added_
};

}  // namespace hadal
