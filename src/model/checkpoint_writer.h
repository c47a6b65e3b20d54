// SPDX-License-Identifier: MIT
// A checkpoint's folder, shard by shard: what is larger than memory is made as it is written.
//
//   CheckpointWriter writer(folder, origin);
//   for (…) TRY_STATUS(writer.add({stored, make}));           // make() gives those tensors
//   TRY_STATUS(writer.finish());                              // the last shard, and the index
//
// Shards are whole or not there.  With an origin, which is kept in them, those that an earlier run
// left are taken as they are, if they are of the same origin and hold the same tensors; without
// one they are written anew.  The index comes last: until then no loader takes the folder for a
// checkpoint.  One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/safetensors.h"
#include "model/weights.h"

namespace hadal {

// Tensors of known names and size that are made when their shard is written.
struct FutureTensors {
  FutureTensors(const std::vector<StoredTensor>& tensors,
                std::function<Result<std::vector<NamedTensor>>()> make_them);

  std::vector<std::string> names;
  int64_t bytes = 0;
  std::function<Result<std::vector<NamedTensor>>()> make;
};

class CheckpointWriter {
 public:
  explicit CheckpointWriter(std::string folder, std::string origin = {})
      : folder_(std::move(folder)), origin_(std::move(origin)) {}

  Status add(FutureTensors tensors);
  Status write_file(const std::string& name, const std::string& bytes);
  Status finish();

  int64_t bytes() const { return bytes_; }  // of the tensors in shards that are written
  // Names of the files of this checkpoint: what else is in the folder is not part of it.
  const std::set<std::string>& files() const { return files_; }

 private:
  Status write_shard();
  bool has_shard(const std::string& path) const;

  std::string folder_, origin_;
  std::vector<FutureTensors> next_;  // of the shard that is not written yet
  int64_t next_bytes_ = 0, bytes_ = 0, shards_ = 0;
  std::map<std::string, std::string> shard_of_;
  std::set<std::string> files_;
};

}  // namespace hadal
