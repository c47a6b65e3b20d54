// SPDX-License-Identifier: MIT
// Reading a shard: nothing in it is believed before it was checked.  Writing one.
#include "train/shard.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/json.h"
#include "base/safetensors.h"

namespace hadal {

namespace {

constexpr std::string_view kFormat = "hadal-shard-1";
constexpr int64_t kVocabLimit = 1 << 24;  // far above any tokenizer, far below int32

std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[static_cast<size_t>(i)] = kDigits[value & 15];
  return text;
}

uint64_t hash_of(const Tensor& tensor, uint64_t seed) {
  if (tensor.count() == 0) return XXH3_64bits_withSeed("", 0, seed);
  return XXH3_64bits_withSeed(tensor.raw(), static_cast<size_t>(tensor.bytes()), seed);
}

std::string checksum_of(const Tensor& tokens, const Tensor& offsets, const Tensor& bytes,
                        const Tensor& given) {
  const uint64_t all = hash_of(bytes, hash_of(offsets, hash_of(tokens, 0)));
  return hex(given.defined() ? hash_of(given, all) : all);
}

Result<Tensor> part(const Safetensors& file, const std::string& path, const std::string& name,
                    DType dtype) {
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) return fail(path, ": shard without the tensor '", name, "'");
  if (tensor->dtype() != dtype || tensor->rank() != 1)
    return fail(path, ": '", name, "' is ", dtype_name(tensor->dtype()),
                shape_text(tensor->shape()), ", expected one row of ", dtype_name(dtype));
  // Tensors may lie at any byte of a file; the loops below want whole words.
  Tensor aligned = Tensor::empty(dtype, tensor->shape());
  if (tensor->count() > 0)
    std::memcpy(aligned.raw(), tensor->raw(), static_cast<size_t>(tensor->bytes()));
  return aligned;
}

Result<std::string> entry(const Safetensors& file, const std::string& path,
                          const std::string& key) {
  auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return fail(path, ": shard without metadata '", key, "'");
  return found->second;
}

template <typename T>
Tensor tensor_of(DType dtype, const std::vector<T>& values) {
  Tensor tensor = Tensor::empty(dtype, {static_cast<int64_t>(values.size())});
  if (!values.empty()) std::memcpy(tensor.raw(), values.data(), values.size() * sizeof(T));
  return tensor;
}

}  // namespace

std::string fingerprint(std::string_view bytes) {
  return hex(XXH3_64bits(bytes.data(), bytes.size()));
}

Result<Shard> Shard::open(const std::string& path) {
  TRY(Safetensors file, Safetensors::open(path));
  TRY(std::string format, entry(file, path, "format"));
  if (format != kFormat)
    return fail(path, ": format is '", printable(format), "', expected '", kFormat, "'");
  Shard shard;
  TRY(shard.tokens_, part(file, path, "tokens", DType::i32));
  TRY(shard.offsets_, part(file, path, "offsets", DType::i64));
  TRY(shard.bytes_, part(file, path, "bytes", DType::i64));
  if (file.find("given") != nullptr) {
    TRY(shard.given_, part(file, path, "given", DType::i64));
  }
  TRY(shard.tokenizer_, entry(file, path, "tokenizer"));
  TRY(shard.checksum_, entry(file, path, "checksum"));
  TRY(std::string vocab, entry(file, path, "vocab"));
  auto [end, error] = std::from_chars(vocab.data(), vocab.data() + vocab.size(), shard.vocab_);
  if (error != std::errc() || end != vocab.data() + vocab.size() || shard.vocab_ < 1 ||
      shard.vocab_ > kVocabLimit)
    return fail(path, ": vocab is '", printable(vocab), "', expected 1 … ", kVocabLimit);
  TRY_STATUS(shard.check(path));
  return shard;
}

Status Shard::check(const std::string& path) const {
  if (offsets_.count() != bytes_.count() + 1)
    return fail(path, ": ", offsets_.count(), " offsets for ", bytes_.count(), " documents");
  if (given_.defined() && given_.count() != bytes_.count())
    return fail(path, ": ", given_.count(), " numbers of given tokens for ", bytes_.count(),
                " documents");
  std::string found = checksum_of(tokens_, offsets_, bytes_, given_);
  if (found != checksum_)
    return fail(path, ": checksum ", found, ", expected ", printable(checksum_));
  const int64_t* offsets = offsets_.data<int64_t>();
  if (offsets[0] != 0 || offsets[documents()] != token_count())
    return fail(path, ": documents span ", offsets[0], " … ", offsets[documents()],
                ", the shard has ", token_count(), " tokens");
  for (int64_t d = 0; d < documents(); ++d) {
    if (offsets[d + 1] <= offsets[d] || offsets[d + 1] > token_count())
      return fail(path, ": document ", d, " ends at ", offsets[d + 1], " and begins at ",
                  offsets[d]);
    if (given(d) < 0 || given(d) > length(d))
      return fail(path, ": document ", d, " has ", given(d), " given tokens of ", length(d));
    if (text_bytes(d) < 0) return fail(path, ": document ", d, " has ", text_bytes(d), " bytes");
  }
  const int32_t* ids = tokens_.data<int32_t>();
  for (int64_t i = 0; i < token_count(); ++i)
    if (ids[i] < 0 || ids[i] >= vocab_)
      return fail(path, ": token ", i, " is ", ids[i], ", expected below ", vocab_);
  return Ok{};
}

int64_t Shard::length(int64_t document) const {
  const int64_t* offsets = offsets_.data<int64_t>();
  return offsets[document + 1] - offsets[document];
}

std::span<const int32_t> Shard::tokens(int64_t document) const {
  DCHECK(document >= 0 && document < documents());
  return {tokens_.data<int32_t>() + offsets_.data<int64_t>()[document],
          static_cast<size_t>(length(document))};
}

void ShardWriter::add(std::span<const int32_t> ids, int64_t text_bytes, int64_t given) {
  CHECK(!ids.empty() && text_bytes >= 0);
  CHECK(given >= 0 && given <= static_cast<int64_t>(ids.size()), given);
  tokens_.insert(tokens_.end(), ids.begin(), ids.end());
  offsets_.push_back(static_cast<int64_t>(tokens_.size()));
  bytes_.push_back(text_bytes);
  given_.push_back(given);
}

Status ShardWriter::write(const std::string& path) const {
  std::vector<NamedTensor> tensors = {{"tokens", tensor_of(DType::i32, tokens_)},
                                      {"offsets", tensor_of(DType::i64, offsets_)},
                                      {"bytes", tensor_of(DType::i64, bytes_)}};
  Tensor given;
  if (std::any_of(given_.begin(), given_.end(), [](int64_t count) { return count > 0; })) {
    given = tensor_of(DType::i64, given_);
    tensors.push_back({"given", given});
  }
  const std::string checksum =
      checksum_of(tensors[0].tensor, tensors[1].tensor, tensors[2].tensor, given);
  return write_safetensors(path, tensors,
                           {{"format", std::string(kFormat)},
                            {"tokenizer", tokenizer_},
                            {"vocab", std::to_string(vocab_)},
                            {"checksum", checksum}});
}

}  // namespace hadal
