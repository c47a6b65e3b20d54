// SPDX-License-Identifier: MIT
// A shard: documents as token ids, ready to be trained on or measured.
//
//   ShardWriter writer(tokenizer_fingerprint, vocab);
//   writer.add(ids, text_bytes);                       // one document
//   TRY_STATUS(writer.write("train.shard"));
//   TRY(Shard shard, Shard::open("train.shard"));
//   std::span<const int32_t> ids = shard.tokens(document);
//
// The file is a safetensors file:
//   tokens   I32 [N]     all documents one after another, each with its BOS and EOS
//   offsets  I64 [D+1]   document d is tokens[offsets[d] … offsets[d+1])
//   bytes    I64 [D]     UTF-8 bytes of the text that d was made of, control tokens not counted
//   given    I64 [D]     so many of d's first tokens carry no loss; absent: none
//   metadata format, tokenizer (fingerprint), vocab, checksum (XXH3 over the tensors)
// A shard is hostile until it was opened: afterwards every offset and id is in range.
// An opened Shard may be read from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace hadal {

// 16 hexadecimal digits that tell one tokenizer.json from another.
std::string fingerprint(std::string_view bytes);

class Shard {
 public:
  static Result<Shard> open(const std::string& path);

  int64_t documents() const { return bytes_.count(); }
  int64_t token_count() const { return tokens_.count(); }
  int64_t length(int64_t document) const;
  std::span<const int32_t> tokens(int64_t document) const;
  int64_t text_bytes(int64_t document) const { return bytes_.data<int64_t>()[document]; }
  int64_t given(int64_t document) const {
    return given_.defined() ? given_.data<int64_t>()[document] : 0;
  }
  int64_t vocab() const { return vocab_; }
  const std::string& tokenizer() const { return tokenizer_; }
  const std::string& checksum() const { return checksum_; }

 private:
  Status check(const std::string& path) const;

  Tensor tokens_, offsets_, bytes_, given_;
  int64_t vocab_ = 0;
  std::string tokenizer_, checksum_;
};

class ShardWriter {
 public:
  ShardWriter(std::string tokenizer, int64_t vocab)
      : tokenizer_(std::move(tokenizer)), vocab_(vocab) {}
  void add(std::span<const int32_t> ids, int64_t text_bytes, int64_t given = 0);
  Status write(const std::string& path) const;

  int64_t documents() const { return static_cast<int64_t>(bytes_.size()); }
  int64_t token_count() const { return static_cast<int64_t>(tokens_.size()); }

 private:
  std::string tokenizer_;
  int64_t vocab_;
  std::vector<int32_t> tokens_;
  std::vector<int64_t> offsets_ = {0};
  std::vector<int64_t> bytes_, given_;
};

}  // namespace hadal
