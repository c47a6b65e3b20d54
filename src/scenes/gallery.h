// SPDX-License-Identifier: MIT
// A gallery: pictures and clips with their captions, ready to be learnt from or measured on.
//
//   GalleryWriter writer;
//   TRY_STATUS(writer.add({.kind = "shapes", .caption = "a red circle", .clip = clip}));
//   TRY_STATUS(writer.write("shapes.gallery"));
//   TRY(Gallery gallery, Gallery::open("shapes.gallery"));
//
// The file is a safetensors file:
//   pixels    U8  [N]     all frames one after another, rows of RGB
//   offsets   I64 [D+1]   item d is pixels[offsets[d] … offsets[d+1])
//   sizes     I64 [D,3]   frames, height, width
//   rates     F32 [D]     frames a second
//   captions  U8  [M]     UTF-8, one after another;  caption_offsets I64 [D+1]
//   kinds     U8  [K]     the same for kinds;        kind_offsets    I64 [D+1]
//   metadata  format, checksum (XXH3 over the tensors in this order)
// A gallery is hostile until it was opened: afterwards every offset and size is in range.
// An opened Gallery may be read from any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/tensor.h"
#include "media/picture.h"

namespace hadal {

struct GalleryItem {
  std::string kind;     // which set it belongs to: "shapes", "motion", "names", "pages", …
  std::string caption;  // a description, or the text that belongs to it
  Clip clip;            // a still is a clip of one frame
};

class Gallery {
 public:
  static Result<Gallery> open(const std::string& path);

  int64_t size() const { return sizes_.defined() ? sizes_.size(0) : 0; }
  std::string_view kind(int64_t item) const;
  std::string_view caption(int64_t item) const;
  int64_t frames(int64_t item) const { return sizes_.data<int64_t>()[3 * item]; }
  int64_t height(int64_t item) const { return sizes_.data<int64_t>()[3 * item + 1]; }
  int64_t width(int64_t item) const { return sizes_.data<int64_t>()[3 * item + 2]; }
  // U8 [frames, height, width, 3], a view into the mapped file.
  Tensor pixels(int64_t item) const;
  Clip clip(int64_t item) const;

 private:
  Status check(const std::string& path) const;

  Tensor pixels_, offsets_, sizes_, rates_, captions_, caption_offsets_, kinds_, kind_offsets_;
};

class GalleryWriter {
 public:
  // Refuses a clip without frames, or with frames of different sizes.
  Status add(const GalleryItem& item);
  Status write(const std::string& path) const;
  int64_t size() const { return static_cast<int64_t>(rates_.size()); }

 private:
  std::vector<uint8_t> pixels_, captions_, kinds_;
  std::vector<int64_t> offsets_ = {0}, caption_offsets_ = {0}, kind_offsets_ = {0}, sizes_;
  std::vector<float> rates_;
};

}  // namespace hadal
