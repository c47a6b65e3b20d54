// SPDX-License-Identifier: MIT
// Reading and writing safetensors.
//
//   offset 0        N, 8 bytes little-endian
//   offset 8        N bytes of JSON, padded with spaces
//   offset 8+N      data; "data_offsets" count from here
//
// Numbers in the data are little-endian, as on every machine that this program is built for.
// Tested by tests/base/safetensors_test.cpp and tests/fuzz/safetensors_fuzz.cpp.
#include "base/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "base/checked.h"
#include "base/file.h"
#include "base/json.h"

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as they lie in files");

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kHeaderLimitBytes = 100'000'000;  // the format's own limit
constexpr size_t kRankLimit = 8;                    // published checkpoints use 2
constexpr size_t kNameLimitBytes = 512;
constexpr int64_t kIndexLimitBytes = 64 << 20;  // the longest published index has 9 MB
constexpr size_t kShardLimit = 10'000;
// A tensor whose first byte is not aligned to its element is copied; a table of 100 GB must not be.
constexpr int64_t kRealignLimitBytes = int64_t{1} << 30;

struct Entry {
  std::string dtype;
  Shape shape;
  std::vector<int64_t> offsets;  // two
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

struct Header {
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
};

// {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {…}}
// and nothing else.  Works on the library's events: no tree is built of a hostile header.
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderReader(std::string_view name) : name_(name) {}

  bool start_object(size_t) override {
    if (in_array_ || depth_ == 2) return refuse("an object where none belongs");
    if (++depth_ == 2 && !in_metadata_) {
      const auto [entry, fresh] = header.entries.try_emplace(tensor_);
      if (!fresh) return refuse("given twice");
      entry_ = &entry->second;
      entry_->shape.reserve(2);
      entry_->offsets.reserve(2);
    }
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2) {
      if (!in_metadata_ && !(entry_->has_dtype && entry_->has_shape && entry_->has_offsets))
        return refuse("needs dtype, shape and data_offsets");
      if (!in_metadata_ && entry_->offsets.size() != 2)
        return refuse("data_offsets: ", entry_->offsets.size(), " numbers, expected 2");
      tensor_.clear();
      in_metadata_ = false;
    }
    return true;
  }
  bool key(std::string& key) override {
    if (key.size() > kNameLimitBytes)
      return refuse("a name of ", key.size(), " bytes, at most ", kNameLimitBytes);
    if (depth_ == 1) return begin_section(key);
    if (in_metadata_ && header.metadata.contains(key))
      return refuse(printable(key), ": given twice");
    field_ = key;
    return in_metadata_ || begin_field();
  }
  bool string(std::string& value) override {
    if (depth_ == 2 && in_metadata_) {
      header.metadata[field_] = value;
      return true;
    }
    if (depth_ != 2 || field_ != "dtype") return refuse("a string where none belongs");
    entry_->dtype = value;
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || field_ == "dtype")
      return refuse("an array where none belongs");
    in_array_ = true;
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (!in_array_) return refuse("a number where none belongs");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return refuse(field_, ": ", value, " is too large");
    std::vector<int64_t>& numbers = field_ == "shape" ? entry_->shape : entry_->offsets;
    const size_t limit = field_ == "shape" ? kRankLimit : 2;
    if (numbers.size() == limit) return refuse(field_, ": more than ", limit, " numbers");
    numbers.push_back(static_cast<int64_t>(value));
    return true;
  }
  bool number_integer(int64_t value) override {
    return refuse(field_, ": ", value, " is not a size");
  }
  bool number_float(double, const std::string& text) override {
    return refuse(field_, ": ", printable(text), " is not a size");
  }
  bool null() override { return refuse("null where a value belongs"); }
  bool boolean(bool) override { return refuse("true or false where none belongs"); }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary values are not JSON"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    error_ = fail(name_, ": header: not valid JSON at byte ", position);
    return false;
  }

  Header header;
  Error error() const { return error_; }

 private:
  template <typename... Parts>
  bool refuse(const Parts&... parts) {
    error_ = tensor_.empty() ? fail(name_, ": header: ", parts...)
                             : fail(name_, ": ", printable(tensor_), ": ", parts...);
    return false;
  }
  bool begin_section(const std::string& key) {
    if (key.empty()) return refuse("a tensor without a name");
    tensor_ = key;
    in_metadata_ = key == "__metadata__";
    if (in_metadata_ && std::exchange(had_metadata_, true)) return refuse("given twice");
    return true;
  }
  bool begin_field() {
    bool* known = field_ == "dtype"          ? &entry_->has_dtype
                  : field_ == "shape"        ? &entry_->has_shape
                  : field_ == "data_offsets" ? &entry_->has_offsets
                                             : nullptr;
    if (!known) return refuse(printable(field_), ": unknown key");
    if (std::exchange(*known, true)) return refuse(field_, ": given twice");
    return true;
  }

  std::string_view name_;
  std::string tensor_;  // the section: a tensor or __metadata__
  std::string field_;
  Entry* entry_ = nullptr;
  int depth_ = 0;
  bool in_array_ = false;
  bool in_metadata_ = false;
  bool had_metadata_ = false;
  Error error_;
};

// A file's bytes, whoever keeps them.
struct Bytes {
  const char* address;
  int64_t size;
  std::shared_ptr<void> keeper;
};

uint64_t read_little_endian(const char* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  return value;
}

Result<Header> read_header(const Bytes& bytes, int64_t length, std::string_view name) {
  const char* begin = bytes.address + kLengthBytes;
  if (length == 0 || *begin != '{') return fail(name, ": header does not begin with {");
  // The library would take a NUL for the end of the header (see parse_json).
  if (std::memchr(begin, 0, static_cast<size_t>(length)) != nullptr)
    return fail(name, ": header has a NUL byte");
  HeaderReader reader(name);
  if (!nlohmann::json::sax_parse(begin, begin + length, &reader)) return reader.error();
  return std::move(reader.header);
}

// The type of a tensor whose shape, type and span fit each other and the file.
Result<DType> proven_type(const std::string& tensor, const Entry& entry, int64_t data_bytes,
                          std::string_view name) {
  const auto refuse = [&](const auto&... parts) {
    return fail(name, ": ", printable(tensor), ": ", parts...);
  };
  const std::optional<DType> dtype = dtype_of_name(entry.dtype);
  if (!dtype) return refuse("dtype ", printable(entry.dtype), " is not known");
  const int64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data_bytes)
    return refuse("data_offsets [", begin, ", ", end, "] leave the file's ", data_bytes,
                  " bytes of data");
  const std::optional<int64_t> count = checked_count(entry.shape);
  const std::optional<int64_t> bytes =
      count ? checked_mul(*count, element_bytes(*dtype)) : std::nullopt;
  if (!bytes)
    return refuse("shape ", shape_text(entry.shape), " of ", entry.dtype, " is too large");
  if (*bytes != end - begin)
    return refuse("shape ", shape_text(entry.shape), " of ", entry.dtype, " needs ", *bytes,
                  " bytes, data_offsets give ", end - begin);
  return *dtype;
}

// A tensor whose entry was proven.
struct Span {
  int64_t begin, end;
  DType dtype;
  const std::string* tensor;
  const Shape* shape;
};

Status check_apart(const std::vector<Span>& spans, std::string_view name) {
  std::vector<const Span*> order;
  for (const Span& span : spans)
    if (span.begin < span.end) order.push_back(&span);
  std::sort(order.begin(), order.end(),
            [](const Span* a, const Span* b) { return a->begin < b->begin; });
  for (size_t i = 1; i < order.size(); ++i) {
    const Span &before = *order[i - 1], &span = *order[i];
    if (span.begin < before.end)
      return fail(name, ": ", printable(*span.tensor), ": data_offsets [", span.begin, ", ",
                  span.end, "] overlap those of ", printable(*before.tensor), " [", before.begin,
                  ", ", before.end, "]");
  }
  return Ok{};
}

// The tensor in place or, when its first byte is not aligned to its element, its copy.
Result<Tensor> tensor_at(const Span& span, const char* data, const std::shared_ptr<void>& keeper,
                         std::string_view name) {
  const char* address = data + span.begin;
  const int64_t bytes = span.end - span.begin;
  const auto alignment = static_cast<uintptr_t>(element_bytes(span.dtype));
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0)
    return Tensor::over(span.dtype, *span.shape, address, keeper);
  if (bytes > kRealignLimitBytes)
    return fail(name, ": ", printable(*span.tensor), ": ", bytes, " bytes at offset ", span.begin,
                ", which is not aligned to elements of ", alignment, " bytes");
  Tensor copy = Tensor::empty(span.dtype, *span.shape);
  if (bytes > 0) std::memcpy(copy.raw(), address, static_cast<size_t>(bytes));
  return copy;
}

struct File {
  std::map<std::string, Tensor> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<std::shared_ptr<MappedFile>> files;
};

Result<File> read_file_bytes(const Bytes& bytes, std::string_view name) {
  if (bytes.size < kLengthBytes)
    return fail(name, ": ", bytes.size, " bytes, a safetensors file has at least ", kLengthBytes);
  const uint64_t length = read_little_endian(bytes.address);
  const int64_t limit = std::min(bytes.size - kLengthBytes, kHeaderLimitBytes);
  if (length > static_cast<uint64_t>(limit))
    return fail(name, ": header of ", length, " bytes, at most ", limit, " are possible");
  const int64_t header_bytes = static_cast<int64_t>(length);
  TRY(Header header, read_header(bytes, header_bytes, name));

  const int64_t data_bytes = bytes.size - kLengthBytes - header_bytes;
  std::vector<Span> spans;
  spans.reserve(header.entries.size());
  for (const auto& [tensor, entry] : header.entries) {
    TRY(const DType dtype, proven_type(tensor, entry, data_bytes, name));
    spans.push_back({entry.offsets[0], entry.offsets[1], dtype, &tensor, &entry.shape});
  }
  TRY_STATUS(check_apart(spans, name));

  File file;
  const char* data = bytes.address + kLengthBytes + header_bytes;
  for (const Span& span : spans) {
    TRY(Tensor tensor, tensor_at(span, data, bytes.keeper, name));
    file.tensors.emplace_hint(file.tensors.end(), *span.tensor, std::move(tensor));
  }
  file.metadata = std::move(header.metadata);
  return file;
}

Result<File> read_path(const std::string& path) {
  TRY(std::shared_ptr<MappedFile> mapped, MappedFile::open(path));
  TRY(File file, read_file_bytes(Bytes{mapped->bytes(), mapped->size(), mapped}, path));
  file.files.push_back(std::move(mapped));
  return file;
}

// ---- folders of shards

// {"metadata": {"total_size": bytes}, "weight_map": {tensor: shard}}
struct Index {
  std::set<std::string> shards;
  std::map<std::string, const std::string*> shard_of;  // into `shards`
  std::optional<int64_t> total_bytes;
};

// A shard stands beside its index: nothing that could lead elsewhere is a name.
bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name != "." && name != ".." &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Result<Index> read_index(const std::string& path) {
  TRY(std::string text, read_file(path, kIndexLimitBytes));
  JsonLimits limits;
  limits.bytes = kIndexLimitBytes;
  limits.depth = 4;
  TRY(nlohmann::json document, parse_json(text, path, limits));
  if (!document.is_object() || !document.contains("weight_map") ||
      !document["weight_map"].is_object())
    return fail(path, ": weight_map: no such object");
  Index index;
  for (const auto& [tensor, shard] : document["weight_map"].items()) {
    if (!shard.is_string() || !is_plain_file_name(shard.get_ref<const std::string&>()))
      return fail(path, ": ", printable(tensor), ": ", printable(shard.dump(-1, ' ', true)),
                  " is not the name of a file in this folder");
    const std::string& name = *index.shards.insert(shard.get<std::string>()).first;
    index.shard_of.emplace_hint(index.shard_of.end(), tensor, &name);
  }
  if (index.shards.size() > kShardLimit)
    return fail(path, ": ", index.shards.size(), " shards, at most ", kShardLimit);
  const nlohmann::json::json_pointer total("/metadata/total_size");
  if (document.contains(total)) {
    if (!document[total].is_number_unsigned() ||
        document[total].get<uint64_t>() >
            static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      return fail(path, ": metadata.total_size: not a number of bytes");
    index.total_bytes = document[total].get<int64_t>();
  }
  return index;
}

// Index and shards must name the same tensors, in the same places.
Status add_shard(File& all, File shard, const std::string& name, const Index& index,
                 const std::string& index_path) {
  for (const auto& [tensor, value] : shard.tensors) {
    const auto placed = index.shard_of.find(tensor);
    if (placed == index.shard_of.end())
      return fail(index_path, ": ", printable(tensor), " is in ", name, " but not in weight_map");
    if (*placed->second != name)
      return fail(index_path, ": ", printable(tensor), " is in ", name, ", weight_map says ",
                  printable(*placed->second));
  }
  all.tensors.merge(shard.tensors);  // moves them; weight_map names each tensor for one shard
  for (auto& [key, value] : shard.metadata) all.metadata.emplace(key, std::move(value));
  all.files.insert(all.files.end(), shard.files.begin(), shard.files.end());
  return Ok{};
}

Status check_complete(const File& all, const Index& index, const std::string& path) {
  for (const auto& [tensor, shard] : index.shard_of)
    if (!all.tensors.contains(tensor))
      return fail(path, ": ", printable(tensor), " is not in ", printable(*shard),
                  " as weight_map says");
  int64_t bytes = 0;  // each tensor lies in a file of its own span: the sum stays below 2^63
  for (const auto& [name, tensor] : all.tensors) bytes += tensor.bytes();
  if (index.total_bytes && *index.total_bytes != bytes)
    return fail(path, ": metadata.total_size: ", *index.total_bytes, ", the tensors have ", bytes,
                " bytes");
  return Ok{};
}

Result<File> read_shards(const std::string& folder, const std::string& index_path) {
  TRY(const Index index, read_index(index_path));
  File all;
  for (const std::string& name : index.shards) {
    TRY(File shard, read_path(folder + "/" + name));
    TRY_STATUS(add_shard(all, std::move(shard), name, index, index_path));
  }
  TRY_STATUS(check_complete(all, index, index_path));
  return all;
}

// ---- writing

// Wider elements first, else as listed: then every tensor is aligned, and there are no holes.
std::vector<const NamedTensor*> data_order(const std::vector<NamedTensor>& tensors) {
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  std::stable_sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return element_bytes(a->tensor.dtype()) > element_bytes(b->tensor.dtype());
  });
  return order;
}

std::string json_text(const std::string& text) {
  using nlohmann::json;
  return json(text).dump(-1, ' ', true, json::error_handler_t::replace);
}

std::string header_text(const std::vector<const NamedTensor*>& order,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata)
      text.append(text.back() == '{' ? "" : ",").append(json_text(key) + ":" + json_text(value));
    text += "}";
  }
  int64_t offset = 0;
  for (const NamedTensor* tensor : order) {
    const int64_t end = offset + tensor->tensor.bytes();
    text.append(text.size() == 1 ? "" : ",");
    text += json_text(tensor->name) + ":{\"dtype\":\"" +
            std::string(dtype_name(tensor->tensor.dtype())) +
            "\",\"shape\":" + shape_text(tensor->tensor.shape()) + ",\"data_offsets\":[" +
            std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins aligned
  return text;
}

Status check_names(const std::vector<NamedTensor>& tensors, const std::string& path) {
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : tensors) {
    const std::string& name = tensor.name;
    if (name.empty() || name == "__metadata__" || name.size() > kNameLimitBytes)
      return fail(path, ": ", printable(name), ": not a name for a tensor");
    if (!names.insert(name).second) return fail(path, ": ", printable(name), ": given twice");
  }
  return Ok{};
}

}  // namespace

Result<Safetensors> Safetensors::open(const std::string& path) {
  TRY(File file, read_path(path));
  Safetensors result;
  result.tensors_ = std::move(file.tensors);
  result.metadata_ = std::move(file.metadata);
  result.files_ = std::move(file.files);
  return result;
}

Result<Safetensors> Safetensors::open_folder(const std::string& path) {
  const std::string single = path + "/model.safetensors";
  const std::string index = path + "/model.safetensors.index.json";
  if (!is_file(index)) {
    if (is_file(single)) return open(single);
    return fail(path, ": neither model.safetensors nor model.safetensors.index.json is there");
  }
  TRY(File file, read_shards(path, index));
  Safetensors result;
  result.tensors_ = std::move(file.tensors);
  result.metadata_ = std::move(file.metadata);
  result.files_ = std::move(file.files);
  return result;
}

Result<Safetensors> Safetensors::parse(std::string bytes, std::string_view name) {
  const auto keeper = std::make_shared<std::string>(std::move(bytes));
  TRY(File file,
      read_file_bytes(Bytes{keeper->data(), static_cast<int64_t>(keeper->size()), keeper}, name));
  Safetensors result;
  result.tensors_ = std::move(file.tensors);
  result.metadata_ = std::move(file.metadata);
  return result;
}

const Tensor* Safetensors::find(const std::string& name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

Status write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                         const std::map<std::string, std::string>& metadata) {
  TRY_STATUS(check_names(tensors, path));
  const std::vector<const NamedTensor*> order = data_order(tensors);
  const std::string header = header_text(order, metadata);
  const uint64_t length = header.size();
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_STATUS(file.write(&length, kLengthBytes));
  TRY_STATUS(file.write(header.data(), static_cast<int64_t>(header.size())));
  for (const NamedTensor* tensor : order)
    TRY_STATUS(file.write(tensor->tensor.raw(), tensor->tensor.bytes()));
  return file.commit();
}

}  // namespace hadal
