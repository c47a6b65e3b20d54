// SPDX-License-Identifier: MIT
// Records of the prefix store as hostile input.  Checksums find damage, not malice, so what stands
// behind them is read too: by the first byte the rest is a whole segment as it lies on disk; or an
// index part, tensors or a record's head to which the right checksum is put; or what a good segment
// is made of, of which then one bit is turned, and that must be found.  What is read is written and
// read again, and must be the same.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "engine/checksum.h"
#include "engine/prefix_record.h"

namespace {

using namespace hadal;

std::string with_sum(std::string_view bytes) {
  Checksum sum;
  sum.add_bytes(bytes.data(), static_cast<int64_t>(bytes.size()));
  const uint64_t number = static_cast<uint64_t>(sum.number());
  return std::string(bytes) + std::string(reinterpret_cast<const char*>(&number), sizeof number);
}

PrefixIndexPart some_index() {
  PrefixIndexPart index;
  index.id = 1;
  index.to = 1;
  index.partition = "ann";
  index.tokens = {{7, 0}};
  return index;
}

std::string good_segment(std::string_view bytes) {
  PrefixTensors tensors;
  Tensor ring = Tensor::empty(DType::u8, {static_cast<int64_t>(bytes.size())});
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(ring.raw()));
  tensors.end.rings.emplace("ring", std::move(ring));
  return encode_segment_head("model/cpu") + encode_record(some_index(), tensors);
}

bool read_index(std::string_view bytes) {
  const Result<PrefixIndexPart> index = read_index_part(bytes);
  if (!index) return false;
  const std::string record = encode_record(*index, {});
  const auto sizes = read_record_head(record, static_cast<int64_t>(record.size()));
  CHECK(sizes, sizes.error().message);
  const std::string_view again = std::string_view(record).substr(
      static_cast<size_t>(kRecordHeadBytes), static_cast<size_t>(sizes->index_bytes + kSumBytes));
  CHECK(again == bytes, "an index part is written as it was read");
  return true;
}

bool read_body(std::string_view bytes) {
  const Result<PrefixTensors> tensors = read_tensors(bytes);
  if (!tensors) return false;
  const std::string record = encode_record(some_index(), *tensors);
  const auto sizes = read_record_head(record, static_cast<int64_t>(record.size()));
  CHECK(sizes, sizes.error().message);
  const Result<PrefixTensors> again =
      read_tensors(std::string_view(record).substr(static_cast<size_t>(sizes->tensors_at())));
  CHECK(again, again.error().message);
  CHECK(encode_record(some_index(), *again) == record, "tensors are read as they were written");
  return true;
}

// As the store walks over a segment when it opens, and then reads what it found.  Gives the records
// that could be used.
int read_segment(std::string_view bytes) {
  const size_t head = static_cast<size_t>(kSegmentHeadBytes);
  if (bytes.size() < head || !check_segment_head(bytes.substr(0, head), "model/cpu")) return 0;
  int records = 0;
  for (std::string_view rest = bytes.substr(head); !rest.empty();) {
    const auto sizes = read_record_head(rest, static_cast<int64_t>(rest.size()));
    if (!sizes) return records;
    CHECK(sizes->all() > 0 && static_cast<size_t>(sizes->all()) <= rest.size(), sizes->all());
    const bool index = read_index(rest.substr(static_cast<size_t>(kRecordHeadBytes),
                                              static_cast<size_t>(sizes->index_bytes + kSumBytes)));
    const bool body = read_body(rest.substr(static_cast<size_t>(sizes->tensors_at()),
                                            static_cast<size_t>(sizes->tensor_bytes + kSumBytes)));
    records += index && body ? 1 : 0;
    rest.remove_prefix(static_cast<size_t>(sizes->all()));
  }
  return records;
}

void damage(std::string_view bytes) {
  if (bytes.size() < 4) return;
  std::string segment = good_segment(bytes.substr(3));
  CHECK(read_segment(segment) == 1, "a good segment");
  const size_t at = (static_cast<uint8_t>(bytes[0]) << 8 | static_cast<uint8_t>(bytes[1]));
  segment[at % segment.size()] ^= static_cast<char>(1 << (bytes[2] & 7));
  CHECK(read_segment(segment) == 0, "a bit is turned at ", at % segment.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 5) {
    case 0:
      read_segment(rest);
      break;
    case 1:
      read_index(with_sum(rest));
      break;
    case 2:
      read_body(with_sum(rest));
      break;
    case 3:
      damage(rest);
      break;
    default:
      if (const auto sizes = read_record_head(with_sum(rest), static_cast<int64_t>(size)))
        CHECK(sizes->all() <= static_cast<int64_t>(size), sizes->all());
  }
  return 0;
}
