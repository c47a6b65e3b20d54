// SPDX-License-Identifier: MIT
// Shards of half a gigabyte.
#include "model/checkpoint_writer.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/file.h"

namespace hadal {

namespace {

constexpr int64_t kShardBytes = int64_t{512} << 20;  // what is held in memory while it is made
constexpr const char* kOrigin = "hadal.origin";      // in a shard's metadata

}  // namespace

FutureTensors::FutureTensors(const std::vector<StoredTensor>& tensors,
                             std::function<Result<std::vector<NamedTensor>>()> make_them)
    : make(std::move(make_them)) {
  for (const StoredTensor& tensor : tensors) {
    int64_t size = element_bytes(tensor.dtype);
    for (int64_t length : tensor.shape) size *= length;
    bytes += size;
    names.push_back(tensor.name);
  }
}

Status CheckpointWriter::add(FutureTensors tensors) {
  next_bytes_ += tensors.bytes;
  next_.push_back(std::move(tensors));
  return next_bytes_ >= kShardBytes ? write_shard() : Ok{};
}

bool CheckpointWriter::has_shard(const std::string& path) const {
  if (origin_.empty() || !is_file(path)) return false;
  const Result<Safetensors> found = Safetensors::open(path);
  if (!found) return false;
  const auto origin = found->metadata().find(kOrigin);
  if (origin == found->metadata().end() || origin->second != origin_) return false;
  size_t count = 0;
  for (const FutureTensors& tensors : next_)
    for (const std::string& name : tensors.names) {
      if (found->find(name) == nullptr) return false;
      ++count;
    }
  return found->tensors().size() == count;
}

Status CheckpointWriter::write_shard() {
  const std::string name = "model-" + std::to_string(++shards_) + ".safetensors";
  if (!has_shard(folder_ + "/" + name)) {
    std::vector<NamedTensor> made;
    for (const FutureTensors& tensors : next_) {
      TRY(std::vector<NamedTensor> some, tensors.make());
      for (NamedTensor& tensor : some) made.push_back(std::move(tensor));
    }
    std::map<std::string, std::string> metadata;
    if (!origin_.empty()) metadata[kOrigin] = origin_;
    TRY_STATUS(write_safetensors(folder_ + "/" + name, made, metadata));
  }
  for (const FutureTensors& tensors : next_)
    for (const std::string& tensor : tensors.names) shard_of_[tensor] = name;
  files_.insert(name);
  bytes_ += std::exchange(next_bytes_, 0);
  next_.clear();
  return Ok{};
}

Status CheckpointWriter::write_file(const std::string& name, const std::string& bytes) {
  files_.insert(name);
  return hadal::write_file(folder_ + "/" + name, bytes);
}

Status CheckpointWriter::finish() {
  if (!next_.empty()) TRY_STATUS(write_shard());
  const nlohmann::ordered_json index = {{"metadata", {{"total_size", bytes_}}},
                                        {"weight_map", shard_of_}};
  return write_file("model.safetensors.index.json", index.dump(1));
}

}  // namespace hadal
