// SPDX-License-Identifier: MIT
// Reading a gallery: nothing in it is believed before it was checked.  Writing one.
#include "scenes/gallery.h"

#include <xxhash.h>

#include <cmath>
#include <cstring>

#include "base/checked.h"
#include "base/json.h"
#include "base/safetensors.h"

namespace hadal {

namespace {

constexpr std::string_view kFormat = "hadal-gallery-1";
constexpr int64_t kSideLimit = 16384;  // pixels; above any screen, far below int32
constexpr float kRateLimit = 1000;     // frames a second; above any camera that plays in real time

std::string hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (int i = 15; i >= 0; --i, value >>= 4) text[static_cast<size_t>(i)] = kDigits[value & 15];
  return text;
}

// In the order of the header's list.
std::string checksum_of(const std::vector<NamedTensor>& tensors) {
  uint64_t sum = 0;
  for (const NamedTensor& part : tensors) {
    const void* bytes = part.tensor.count() > 0 ? part.tensor.raw() : nullptr;
    sum = XXH3_64bits_withSeed(bytes != nullptr ? bytes : "",
                               static_cast<size_t>(part.tensor.bytes()), sum);
  }
  return hex(sum);
}

Result<Tensor> part(const Safetensors& file, const std::string& path, const std::string& name,
                    DType dtype, int64_t rank = 1) {
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) return fail(path, ": gallery without the tensor '", name, "'");
  if (tensor->dtype() != dtype || tensor->rank() != rank)
    return fail(path, ": '", name, "' is ", dtype_name(tensor->dtype()),
                shape_text(tensor->shape()), ", expected ", dtype_name(dtype), " of rank ", rank);
  return *tensor;
}

Result<std::string> entry(const Safetensors& file, const std::string& path,
                          const std::string& key) {
  auto found = file.metadata().find(key);
  if (found == file.metadata().end()) return fail(path, ": gallery without metadata '", key, "'");
  return found->second;
}

template <typename T>
Tensor tensor_of(DType dtype, Shape shape, const std::vector<T>& values) {
  Tensor tensor = Tensor::empty(dtype, std::move(shape));
  if (!values.empty()) std::memcpy(tensor.raw(), values.data(), values.size() * sizeof(T));
  return tensor;
}

template <typename T>
Tensor row_of(DType dtype, const std::vector<T>& values) {
  return tensor_of(dtype, {static_cast<int64_t>(values.size())}, values);
}

// Length of the character that starts at `at` (RFC 3629, section 4), or 0 when none does.
size_t character_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const int first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const int second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
    return 0;
  return length;
}

bool is_text(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = character_length(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

bool rate_is_sane(double rate) {
  return std::isfinite(rate) && rate > 0 && rate <= kRateLimit;
}

// Item i is [offsets[i] … offsets[i+1]); all of them fill [0 … end).
Status check_offsets(const Tensor& offsets, int64_t items, int64_t end, const std::string& what) {
  if (offsets.count() != items + 1)
    return fail(what, " has ", offsets.count(), " entries for ", items, " items");
  const int64_t* at = offsets.data<int64_t>();
  if (at[0] != 0 || at[items] != end)
    return fail(what, " span ", at[0], " … ", at[items], ", expected 0 … ", end);
  for (int64_t i = 0; i < items; ++i)
    if (at[i + 1] < at[i] || at[i + 1] > end)
      return fail(what, ": item ", i, " begins at ", at[i], " and ends at ", at[i + 1]);
  return Ok{};
}

std::string_view text_at(const Tensor& bytes, const Tensor& offsets, int64_t item) {
  const int64_t* at = offsets.data<int64_t>() + item;
  if (at[0] == at[1]) return {};
  return {reinterpret_cast<const char*>(bytes.raw()) + at[0], static_cast<size_t>(at[1] - at[0])};
}

}  // namespace

Result<Gallery> Gallery::open(const std::string& path) {
  TRY(Safetensors file, Safetensors::open(path));
  TRY(std::string format, entry(file, path, "format"));
  if (format != kFormat)
    return fail(path, ": format is '", printable(format), "', expected '", kFormat, "'");
  Gallery gallery;
  TRY(gallery.pixels_, part(file, path, "pixels", DType::u8));
  TRY(gallery.offsets_, part(file, path, "offsets", DType::i64));
  TRY(gallery.sizes_, part(file, path, "sizes", DType::i64, 2));
  TRY(gallery.rates_, part(file, path, "rates", DType::f32));
  TRY(gallery.captions_, part(file, path, "captions", DType::u8));
  TRY(gallery.caption_offsets_, part(file, path, "caption_offsets", DType::i64));
  TRY(gallery.kinds_, part(file, path, "kinds", DType::u8));
  TRY(gallery.kind_offsets_, part(file, path, "kind_offsets", DType::i64));
  TRY(std::string checksum, entry(file, path, "checksum"));
  std::string found = checksum_of({{"pixels", gallery.pixels_},
                                   {"offsets", gallery.offsets_},
                                   {"sizes", gallery.sizes_},
                                   {"rates", gallery.rates_},
                                   {"captions", gallery.captions_},
                                   {"caption_offsets", gallery.caption_offsets_},
                                   {"kinds", gallery.kinds_},
                                   {"kind_offsets", gallery.kind_offsets_}});
  if (found != checksum)
    return fail(path, ": checksum ", found, ", expected ", printable(checksum));
  TRY_STATUS(gallery.check(path));
  return gallery;
}

Status Gallery::check(const std::string& path) const {
  const int64_t items = sizes_.size(0);
  if (sizes_.size(1) != 3)
    return fail(path, ": 'sizes' is ", shape_text(sizes_.shape()), ", expected three a row");
  if (rates_.count() != items)
    return fail(path, ": ", rates_.count(), " rates for ", items, " items");
  TRY_STATUS(check_offsets(offsets_, items, pixels_.count(), path + ": 'offsets'"));
  TRY_STATUS(
      check_offsets(caption_offsets_, items, captions_.count(), path + ": 'caption_offsets'"));
  TRY_STATUS(check_offsets(kind_offsets_, items, kinds_.count(), path + ": 'kind_offsets'"));
  const int64_t* offsets = offsets_.data<int64_t>();
  for (int64_t i = 0; i < items; ++i) {
    const int64_t sizes[] = {frames(i), height(i), width(i), 3};
    if (frames(i) < 1 || height(i) < 1 || width(i) < 1 || height(i) > kSideLimit ||
        width(i) > kSideLimit || checked_count(sizes) != offsets[i + 1] - offsets[i])
      return fail(path, ": item ", i, " has ", frames(i), " frames of ", height(i), "×", width(i),
                  " in ", offsets[i + 1] - offsets[i], " bytes");
    if (!rate_is_sane(rates_.data<float>()[i]))
      return fail(path, ": item ", i, " has ", rates_.data<float>()[i], " frames a second");
    if (!is_text(caption(i)) || !is_text(kind(i)))
      return fail(path, ": the caption or kind of item ", i, " is not UTF-8");
  }
  return Ok{};
}

std::string_view Gallery::kind(int64_t item) const {
  DCHECK(item >= 0 && item < size());
  return text_at(kinds_, kind_offsets_, item);
}

std::string_view Gallery::caption(int64_t item) const {
  DCHECK(item >= 0 && item < size());
  return text_at(captions_, caption_offsets_, item);
}

Tensor Gallery::pixels(int64_t item) const {
  DCHECK(item >= 0 && item < size());
  const int64_t* at = offsets_.data<int64_t>() + item;
  return pixels_.rows(at[0], at[1] - at[0]).reshaped({frames(item), height(item), width(item), 3});
}

Clip Gallery::clip(int64_t item) const {
  Clip clip;
  clip.fps = static_cast<double>(rates_.data<float>()[item]);
  const uint8_t* bytes = pixels(item).raw();
  for (int64_t i = 0; i < frames(item); ++i) {
    Picture& frame = clip.frames.emplace_back(width(item), height(item));
    std::memcpy(frame.rgb.data(), bytes, frame.rgb.size());
    bytes += frame.rgb.size();
  }
  return clip;
}

Status GalleryWriter::add(const GalleryItem& item) {
  const std::string where = "gallery item " + std::to_string(size());
  const Clip& clip = item.clip;
  if (clip.frames.empty()) return fail(where, ": a clip without frames");
  if (clip.width() < 1 || clip.height() < 1 || clip.width() > kSideLimit ||
      clip.height() > kSideLimit)
    return fail(where, ": frames of ", clip.height(), "×", clip.width(), ", expected 1 … ",
                kSideLimit);
  for (const Picture& frame : clip.frames)
    if (frame.width != clip.width() || frame.height != clip.height() ||
        static_cast<int64_t>(frame.rgb.size()) != 3 * frame.width * frame.height)
      return fail(where, ": a frame of ", frame.height, "×", frame.width, " with ",
                  frame.rgb.size(), " bytes, the first is ", clip.height(), "×", clip.width());
  if (!rate_is_sane(clip.fps)) return fail(where, ": ", clip.fps, " frames a second");
  if (!is_text(item.caption) || !is_text(item.kind))
    return fail(where, ": its caption or kind is not UTF-8");
  for (const Picture& frame : clip.frames)
    pixels_.insert(pixels_.end(), frame.rgb.begin(), frame.rgb.end());
  captions_.insert(captions_.end(), item.caption.begin(), item.caption.end());
  kinds_.insert(kinds_.end(), item.kind.begin(), item.kind.end());
  offsets_.push_back(static_cast<int64_t>(pixels_.size()));
  caption_offsets_.push_back(static_cast<int64_t>(captions_.size()));
  kind_offsets_.push_back(static_cast<int64_t>(kinds_.size()));
  const int64_t frames = static_cast<int64_t>(clip.frames.size());
  sizes_.insert(sizes_.end(), {frames, clip.height(), clip.width()});
  rates_.push_back(static_cast<float>(clip.fps));
  return Ok{};
}

Status GalleryWriter::write(const std::string& path) const {
  // Not copied: the pixels may be half of the memory.
  const Tensor pixels = pixels_.empty()
                            ? row_of(DType::u8, pixels_)
                            : Tensor::over(DType::u8, {static_cast<int64_t>(pixels_.size())},
                                           pixels_.data(), nullptr);
  std::vector<NamedTensor> tensors = {{"pixels", pixels},
                                      {"offsets", row_of(DType::i64, offsets_)},
                                      {"sizes", tensor_of(DType::i64, {size(), 3}, sizes_)},
                                      {"rates", row_of(DType::f32, rates_)},
                                      {"captions", row_of(DType::u8, captions_)},
                                      {"caption_offsets", row_of(DType::i64, caption_offsets_)},
                                      {"kinds", row_of(DType::u8, kinds_)},
                                      {"kind_offsets", row_of(DType::i64, kind_offsets_)}};
  return write_safetensors(path, tensors,
                           {{"format", std::string(kFormat)}, {"checksum", checksum_of(tensors)}});
}

}  // namespace hadal
