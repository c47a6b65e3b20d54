// SPDX-License-Identifier: MIT
// A session in a file: safetensors, so that any tool can look inside; no entry is trusted.
//
//   metadata  format          "hadal-session"
//             version         "2"  (in version 1 all rows were floats)
//             fingerprint     of the model (fingerprint.h)
//             numerics        back end and rounding
//             needed_from     decimal; see Session
//             note            the caller's text
//             xxh3:<tensor>   16 hex digits: XXH3-64 of its name, format, shape and bytes
//             xxh3            the same over all other entries of the metadata
//   tensors   cache.<name>    as Cache::save names them, f32 or packed (u8, ops/packed_rows.h);
//             cache.tokens    i64 [length]: the ids
//             session.logits  f32 [vocab]; absent where none were computed
//             session.marks   i64 [length]: 0, or a checksum of the embedding that was given for
//                             this token (an image's); absent where none was
//
// A checksum finds damage; it does not stop someone who writes files on purpose, so sizes and
// ranges are checked as well before anything is used.  Written atomically.  Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"

namespace hadal {

struct StoredSession {
  std::string fingerprint;
  std::string numerics;
  std::string note;
  int64_t needed_from = 0;
  std::vector<int64_t> ids;  // when read: the tokens of the cache
  Tensor marks;              // empty: all 0
  Tensor logits;             // empty: none
  std::map<std::string, Tensor> cache;
};

Status write_session(const std::string& path, const StoredSession& session);

// Whole and undamaged, with numbers that are finite.  Whether it fits a model is Session's to say.
Result<StoredSession> read_session(const std::string& path);

}  // namespace hadal
