// SPDX-License-Identifier: MIT
// safetensors files and folders: mapped, checked against their size, read without copying.
//
//   TRY(Safetensors file, Safetensors::open("model.safetensors"));
//   const Tensor* x = file.find("embed.weight");
//
// Format: 8 bytes little-endian N, N bytes of JSON {name: {dtype, shape, data_offsets}}, data.
// Nothing in a file is trusted: every count is bounded by the file's size before it is used,
// shape · dtype must equal the offsets' span, and spans may not overlap or leave the file.
// What is not checked: a file that is cut after it was opened (base/file.h), and the numbers.
// A Safetensors may be read from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/tensor.h"

namespace hadal {

class Safetensors {
 public:
  // One file, mapped read-only.
  static Result<Safetensors> open(const std::string& path);
  // A folder: the shards that model.safetensors.index.json lists or, where there is none,
  // model.safetensors.
  static Result<Safetensors> open_folder(const std::string& path);
  // Bytes already in memory; for tests and fuzzing.
  static Result<Safetensors> parse(std::string bytes, std::string_view name);

  // nullptr when there is none.  The tensor points into the mapping and keeps it alive (one that
  // lies unaligned in the file is a copy).
  const Tensor* find(const std::string& name) const;
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  // Where the tensors lie; none of bytes that were in memory already.
  const std::vector<std::shared_ptr<MappedFile>>& files() const { return files_; }

 private:
  std::vector<std::shared_ptr<MappedFile>> files_;
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// Writes to a temporary file beside `path`, syncs and renames: the old file stays until the new
// one is whole.  Tensors must be in host memory.  Order is that of the list, wider elements first:
// so every tensor is aligned, without holes, which other readers of the format refuse.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};
Status write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                         const std::map<std::string, std::string>& metadata);

}  // namespace hadal
