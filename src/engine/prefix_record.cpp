// SPDX-License-Identifier: MIT
// Bytes of records; the format is drawn in prefix_record.h.
#include "engine/prefix_record.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/checked.h"
#include "engine/cached_values.h"
#include "engine/checksum.h"

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are little endian");

constexpr std::string_view kSegmentMagic = "HADALPFX";
constexpr std::string_view kRecordMagic = "HPFXREC1";
constexpr uint32_t kVersion = 1;
constexpr size_t kFingerprintBytes = 64;
// DeepSeek's limit for a user id is 512 bytes, and a key's name is short.
constexpr uint32_t kLongestPartition = 4096;
constexpr uint16_t kLongestName = 256;
constexpr uint32_t kMostTensors = 1 << 16;  // a dozen a layer
constexpr uint32_t kMostAxes = 4;

enum class Kind : uint8_t { rows, ring, logits };

uint64_t sum_of(std::string_view bytes) {
  Checksum sum;
  sum.add_bytes(bytes.data(), static_cast<int64_t>(bytes.size()));
  return static_cast<uint64_t>(sum.number());
}

class RecordWriter {
 public:
  template <typename Number>
  void number(Number value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void bytes(std::string_view bytes) { out_ += bytes; }
  void sum() { number(sum_of(out_)); }
  const std::string& out() const { return out_; }

 private:
  std::string out_;
};

// Reads until the first thing that is not there; after that everything is 0 and failed() true.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename Number>
  Number number() {
    Number value{};
    const std::string_view found = bytes(sizeof value);
    if (!found.empty()) std::memcpy(&value, found.data(), sizeof value);
    return value;
  }
  std::string_view bytes(uint64_t count) {
    if (count > rest_.size()) failed_ = true;
    if (failed_) return {};
    const std::string_view found = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return found;
  }
  uint64_t left() const { return rest_.size(); }
  bool failed() const { return failed_; }
  bool done() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// The bytes before their checksum.
Result<std::string_view> summed(std::string_view bytes, const char* what) {
  if (bytes.size() < static_cast<size_t>(kSumBytes))
    return fail(what, ": ", bytes.size(), " bytes, expected a checksum");
  const std::string_view body = bytes.substr(0, bytes.size() - static_cast<size_t>(kSumBytes));
  if (Reader(bytes.substr(body.size())).number<uint64_t>() != sum_of(body))
    return fail(what, ": its checksum does not agree");
  return body;
}

void write_tensor(RecordWriter& out, Kind kind, const std::string& name, const Tensor& tensor) {
  out.number(kind);
  out.number(static_cast<uint8_t>(tensor.dtype()));
  out.number(static_cast<uint16_t>(name.size()));
  out.number(static_cast<uint32_t>(tensor.rank()));
  out.bytes(name);
  for (const int64_t size : tensor.shape()) out.number(size);
  if (tensor.count() > 0)
    out.bytes({reinterpret_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.bytes())});
}

Result<Tensor> read_numbers(Reader& in, uint8_t format, uint32_t rank) {
  if (format > static_cast<uint8_t>(DType::boolean) || rank > kMostAxes)
    return fail("a tensor of format ", static_cast<int>(format), " and ", rank, " axes");
  Shape shape;
  for (uint32_t axis = 0; axis < rank; ++axis) shape.push_back(in.number<int64_t>());
  const DType dtype = static_cast<DType>(format);
  const std::optional<int64_t> count = checked_count(shape);
  const bool negative = std::any_of(shape.begin(), shape.end(), [](int64_t n) { return n < 0; });
  const std::optional<int64_t> bytes =
      count && !negative ? checked_mul(*count, element_bytes(dtype)) : std::nullopt;
  if (in.failed() || !bytes || static_cast<uint64_t>(*bytes) > in.left())
    return fail("a tensor of shape ", shape_text(shape), " in ", in.left(), " bytes");
  Tensor tensor = Tensor::empty(dtype, shape);
  const std::string_view numbers = in.bytes(static_cast<uint64_t>(*bytes));
  if (!numbers.empty()) std::memcpy(tensor.raw(), numbers.data(), numbers.size());
  return tensor;
}

}  // namespace

std::string encode_segment_head(std::string_view fingerprint) {
  RecordWriter out;
  out.bytes(kSegmentMagic);
  out.number(kVersion);
  out.number(static_cast<uint32_t>(kSegmentHeadBytes));
  std::string padded(fingerprint.substr(0, kFingerprintBytes));
  padded.resize(kFingerprintBytes, '\0');
  out.bytes(padded);
  out.sum();
  return out.out();
}

Status check_segment_head(std::string_view bytes, std::string_view fingerprint) {
  if (bytes == encode_segment_head(fingerprint)) return Ok{};
  return fail("the segment is damaged, or of another model, engine or version");
}

std::string encode_record(const PrefixIndexPart& index, const PrefixTensors& tensors) {
  RecordWriter part;
  for (const uint64_t number : {index.id, index.parent}) part.number(number);
  for (const int64_t number : {index.from, index.to, index.needed_from}) part.number(number);
  part.number(static_cast<uint64_t>(index.has_logits));
  part.number(static_cast<uint32_t>(index.partition.size()));
  part.bytes(index.partition);
  for (const auto& [id, mark] : index.tokens) part.number(id), part.number(mark);

  RecordWriter body;
  const bool logits = tensors.end.logits_V.defined();
  body.number(
      static_cast<uint32_t>(tensors.rows.size() + tensors.end.rings.size() + (logits ? 1 : 0)));
  for (const auto& [name, tensor] : tensors.rows) write_tensor(body, Kind::rows, name, tensor);
  for (const auto& [name, tensor] : tensors.end.rings) write_tensor(body, Kind::ring, name, tensor);
  if (logits) write_tensor(body, Kind::logits, "", tensors.end.logits_V);

  RecordWriter head;
  head.bytes(kRecordMagic);
  head.number(static_cast<uint64_t>(part.out().size()));
  head.number(static_cast<uint64_t>(body.out().size()));
  head.sum();
  part.sum();
  body.sum();
  return head.out() + part.out() + body.out();
}

Result<RecordSizes> read_record_head(std::string_view head, int64_t available) {
  if (head.size() < static_cast<size_t>(kRecordHeadBytes)) return fail("a record's head is cut");
  TRY(const std::string_view body,
      summed(head.substr(0, static_cast<size_t>(kRecordHeadBytes)), "a record's head"));
  Reader in(body);
  if (in.bytes(kRecordMagic.size()) != kRecordMagic) return fail("a record's magic is not there");
  const uint64_t index = in.number<uint64_t>(), tensors = in.number<uint64_t>();
  const uint64_t most = static_cast<uint64_t>(available);
  if (index > most || tensors > most) return fail("a record is longer than its segment");
  const RecordSizes sizes{static_cast<int64_t>(index), static_cast<int64_t>(tensors)};
  if (sizes.all() > available) return fail("a record is longer than its segment");
  return sizes;
}

Result<PrefixIndexPart> read_index_part(std::string_view bytes) {
  TRY(const std::string_view body, summed(bytes, "a record's index"));
  Reader in(body);
  PrefixIndexPart index;
  index.id = in.number<uint64_t>();
  index.parent = in.number<uint64_t>();
  index.from = in.number<int64_t>();
  index.to = in.number<int64_t>();
  index.needed_from = in.number<int64_t>();
  const uint64_t logits = in.number<uint64_t>();
  index.has_logits = logits == 1;
  const uint32_t partition = in.number<uint32_t>();
  if (partition > kLongestPartition || logits > 1) return fail("a record's index is not one");
  index.partition = in.bytes(partition);
  const uint64_t tokens = in.left() / 16;
  const bool fits = !in.failed() && in.left() % 16 == 0 && index.id != 0 && tokens > 0 &&
                    index.from >= 0 && index.to > index.from && index.needed_from >= 0 &&
                    static_cast<uint64_t>(index.to - index.from) == tokens &&
                    (index.parent != 0) == (index.from > 0);
  if (!fits) return fail("a record's index does not add up");
  for (uint64_t i = 0; i < tokens; ++i) {
    const int64_t id = in.number<int64_t>();
    index.tokens.emplace_back(id, in.number<int64_t>());
  }
  return index;
}

Result<PrefixTensors> read_tensors(std::string_view bytes) {
  TRY(const std::string_view body, summed(bytes, "a record's tensors"));
  Reader in(body);
  PrefixTensors tensors;
  const uint32_t count = in.number<uint32_t>();
  if (count > kMostTensors) return fail("a record of ", count, " tensors");
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t kind = in.number<uint8_t>(), format = in.number<uint8_t>();
    const uint16_t name_bytes = in.number<uint16_t>();
    const uint32_t rank = in.number<uint32_t>();
    if (name_bytes > kLongestName || kind > static_cast<uint8_t>(Kind::logits))
      return fail("a record's tensor is not one");
    const std::string name(in.bytes(name_bytes));
    TRY(Tensor tensor, read_numbers(in, format, rank));
    TRY_STATUS(check_cached_values("tensor " + name, tensor));
    if (kind == static_cast<uint8_t>(Kind::logits))
      tensors.end.logits_V = std::move(tensor);
    else
      (kind == static_cast<uint8_t>(Kind::rows) ? tensors.rows : tensors.end.rings)
          .emplace(name, std::move(tensor));
  }
  if (!in.done()) return fail("a record's tensors leave ", in.left(), " bytes over");
  return tensors;
}

}  // namespace hadal
