// SPDX-License-Identifier: MIT
// Records of the prefix store: what of a text is new since another record, as checksummed bytes.
//
// A segment is a file: a head of 88 bytes, then records, one after the other.  Little endian.
//
//   head     0  "HADALPFX"                       record   0  "HPFXREC1"
//            8  u32 version, u32 head bytes               8  u64 bytes of the index part
//           16  fingerprint, zero padded to 64           16  u64 bytes of the tensors
//           80  XXH3-64 of the above                     24  XXH3-64 of the above
//                                                        32  index part, its XXH3-64
//                                                            tensors, their XXH3-64
//   index part  u64 id, parent (0: none), from, to, needed_from, has_logits;
//               u32 bytes, partition;  i64 id and mark of each token in [from, to)
//   tensors     u32 count; of each: u8 kind (0 rows of these tokens, 1 ring, 2 logits), u8 format,
//               u16 bytes of the name, u32 rank, the name, i64 sizes, the numbers
//
// Two checksums, so that a store of gigabytes opens by its index parts alone.  A checksum finds
// damage; every count is also held against the bytes that are there.  Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/prefix_cache.h"

namespace hadal {

struct PrefixIndexPart {
  uint64_t id = 0, parent = 0;
  int64_t from = 0, to = 0;  // tokens of the text that are this record's own
  int64_t needed_from = 0;
  bool has_logits = false;
  std::string partition;
  std::vector<std::pair<int64_t, int64_t>> tokens;  // id, mark
};

struct PrefixTensors {
  NamedParts rows;
  PrefixEnd end;  // without needed_from
};

inline constexpr int64_t kSegmentHeadBytes = 88;
inline constexpr int64_t kRecordHeadBytes = 32;
inline constexpr int64_t kSumBytes = 8;

std::string encode_segment_head(std::string_view fingerprint);
// Refuses a damaged head and one of another fingerprint.
Status check_segment_head(std::string_view bytes, std::string_view fingerprint);

std::string encode_record(const PrefixIndexPart& index, const PrefixTensors& tensors);

struct RecordSizes {
  int64_t index_bytes = 0, tensor_bytes = 0;  // without their checksums

  int64_t tensors_at() const { return kRecordHeadBytes + index_bytes + kSumBytes; }
  int64_t all() const { return tensors_at() + tensor_bytes + kSumBytes; }
};
// Of a record of which `available` bytes are there, its head among them.
Result<RecordSizes> read_record_head(std::string_view head, int64_t available);
// Both with the checksum behind them.
Result<PrefixIndexPart> read_index_part(std::string_view bytes);
Result<PrefixTensors> read_tensors(std::string_view bytes);

}  // namespace hadal
