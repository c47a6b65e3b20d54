// SPDX-License-Identifier: MIT
// Galleries: what was written is read; what is damaged is refused with the place.
#include "scenes/gallery.h"

#include <fstream>
#include <limits>

#include "base/file.h"
#include "base/safetensors.h"
#include "testing.h"

namespace hadal {
namespace {

using testing::Folder;

// Every byte differs from its neighbours, so that a swapped axis shows.
Clip some_clip(int64_t frames, int64_t height, int64_t width) {
  Clip clip;
  clip.fps = 12.5;
  int value = static_cast<int>(frames * 7);
  for (int64_t i = 0; i < frames; ++i) {
    clip.frames.emplace_back(width, height);
    for (uint8_t& byte : clip.frames.back().rgb) byte = static_cast<uint8_t>(value += 11);
  }
  return clip;
}

GalleryWriter some_gallery() {
  GalleryWriter writer;
  EXPECT_TRUE(writer.add({"shapes", "ein größerer Kreis", some_clip(1, 4, 6)}));
  EXPECT_TRUE(writer.add({"motion", "", some_clip(5, 3, 2)}));
  return writer;
}

TEST(GalleryTest, ReadsWhatWasWritten) {
  Folder folder;
  ASSERT_TRUE(some_gallery().write(folder / "a.gallery"));
  Result<Gallery> gallery = Gallery::open(folder / "a.gallery");
  ASSERT_TRUE(gallery) << gallery.error().message;
  ASSERT_EQ(gallery->size(), 2);
  EXPECT_EQ(gallery->kind(0), "shapes");
  EXPECT_EQ(gallery->caption(0), "ein größerer Kreis");
  EXPECT_EQ(gallery->kind(1), "motion");
  EXPECT_EQ(gallery->caption(1), "");
  EXPECT_EQ(gallery->frames(1), 5);
  EXPECT_EQ(gallery->height(1), 3);
  EXPECT_EQ(gallery->width(1), 2);
  EXPECT_EQ(gallery->clip(0), some_clip(1, 4, 6));
  EXPECT_EQ(gallery->clip(1), some_clip(5, 3, 2));
  EXPECT_EQ(gallery->pixels(1).shape(), (Shape{5, 3, 2, 3}));
  EXPECT_EQ(gallery->pixels(1).raw()[4], some_clip(5, 3, 2).frames[0].rgb[4]);
}

TEST(GalleryTest, MayBeEmpty) {
  Folder folder;
  ASSERT_TRUE(GalleryWriter().write(folder / "a.gallery"));
  Result<Gallery> gallery = Gallery::open(folder / "a.gallery");
  ASSERT_TRUE(gallery) << gallery.error().message;
  EXPECT_EQ(gallery->size(), 0);
}

TEST(GalleryTest, WriterRefusesClipsThatAreNone) {
  GalleryWriter writer;
  EXPECT_FALSE(writer.add({"x", "no frames", {}}));
  Clip clip = some_clip(2, 4, 4);
  clip.frames[1] = Picture(4, 5);
  EXPECT_FALSE(writer.add({"x", "two sizes", clip}));
  clip = some_clip(2, 4, 4);
  clip.frames[1].rgb.pop_back();
  EXPECT_FALSE(writer.add({"x", "a byte is missing", clip}));
  for (double rate : {0.0, -1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
    clip = some_clip(1, 4, 4);
    clip.fps = rate;
    EXPECT_FALSE(writer.add({"x", "rate", clip})) << rate;
  }
  EXPECT_FALSE(writer.add({"x", "no pixels", {{Picture(0, 4)}, 8}}));
  for (const char* text : {"\x80", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(writer.add({"x", text, some_clip(1, 4, 4)}));
  EXPECT_EQ(writer.size(), 0);
}

TEST(GalleryTest, RefusesEveryTruncation) {
  Folder folder;
  ASSERT_TRUE(some_gallery().write(folder / "a.gallery"));
  for (uintmax_t size = std::filesystem::file_size(folder / "a.gallery"); size-- > 0;) {
    std::filesystem::resize_file(folder / "a.gallery", size);
    EXPECT_FALSE(Gallery::open(folder / "a.gallery")) << size;
  }
}

TEST(GalleryTest, RefusesFlippedBytesOfItsTensors) {
  Folder folder;
  ASSERT_TRUE(some_gallery().write(folder / "a.gallery"));
  Result<std::string> bytes = read_file(folder / "a.gallery", 1 << 20);
  ASSERT_TRUE(bytes);
  for (size_t i = bytes->size() - 300; i < bytes->size(); i += 3) {
    std::string changed = *bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    std::ofstream(folder / "bad.gallery", std::ios::binary) << changed;
    EXPECT_FALSE(Gallery::open(folder / "bad.gallery")) << i;
  }
}

// One tensor exchanged, and the checksum made to fit: an attacker's file rather than a broken one.
Status open_with(const Folder& folder, const std::string& name, const Tensor& tensor) {
  EXPECT_TRUE(some_gallery().write(folder / "good.gallery"));
  Result<Safetensors> file = Safetensors::open(folder / "good.gallery");
  EXPECT_TRUE(file);
  std::vector<NamedTensor> tensors;
  for (const char* part : {"pixels", "offsets", "sizes", "rates", "captions", "caption_offsets",
                           "kinds", "kind_offsets"})
    if (part != name) {
      tensors.push_back({part, *file->find(part)});
    } else if (tensor.defined()) {
      tensors.push_back({part, tensor});
    }
  std::map<std::string, std::string> metadata = file->metadata();
  const std::string path = folder / "changed.gallery";
  EXPECT_TRUE(write_safetensors(path, tensors, metadata));
  Result<Gallery> first = Gallery::open(path);
  if (first) return Ok{};
  // The refusal names the checksum that was found; the second file carries it.
  constexpr std::string_view kWord = ": checksum ";
  const size_t at = first.error().message.find(kWord);
  if (at == std::string::npos) return first.error();
  metadata["checksum"] = first.error().message.substr(at + kWord.size(), 16);
  EXPECT_TRUE(write_safetensors(path, tensors, metadata));
  Result<Gallery> second = Gallery::open(path);
  if (second) return Ok{};
  EXPECT_EQ(second.error().message.find("checksum"), std::string::npos);
  return second.error();
}

Tensor bytes_of(const std::string& text) {
  Tensor tensor = Tensor::zeros(DType::u8, {static_cast<int64_t>(text.size())});
  std::copy(text.begin(), text.end(), tensor.raw());
  return tensor;
}

TEST(GalleryTest, BelievesNoOffsetSizeRateOrText) {
  Folder folder;
  const auto refuses = [&](const std::string& name, const Tensor& tensor) {
    EXPECT_FALSE(open_with(folder, name, tensor)) << name;
  };
  // 72 and 90 bytes of pixels, 19 and 0 of captions, 6 and 6 of kinds.
  EXPECT_TRUE(open_with(folder, "offsets", Tensor::of_ints({3}, {0, 72, 162})));
  EXPECT_TRUE(open_with(folder, "sizes", Tensor::of_ints({2, 3}, {2, 3, 4, 5, 3, 2})));
  for (const char* name : {"pixels", "offsets", "sizes", "rates", "captions", "caption_offsets",
                           "kinds", "kind_offsets"}) {
    refuses(name, Tensor());
    refuses(name, Tensor::zeros(DType::i32, {3}));
  }
  refuses("pixels", Tensor::zeros(DType::u8, {161}));
  for (const std::vector<int64_t>& offsets : std::vector<std::vector<int64_t>>{
           {0, 72}, {0, 72, 161}, {0, -1, 162}, {0, 163, 162}, {1, 72, 162}, {0, 0, 72, 162}})
    refuses("offsets", Tensor::of_ints({static_cast<int64_t>(offsets.size())}, offsets));
  for (const std::vector<int64_t>& sizes :
       std::vector<std::vector<int64_t>>{{1, 4, 6, 5, 3, 3},
                                         {1, 4, 6, 0, 3, 2},
                                         {1, 4, 6, 5, -3, -2},
                                         {-1, -4, 6, 5, 3, 2},
                                         {1, 1, 24, int64_t{1} << 62, 2, 2},
                                         {int64_t{1} << 62, 4, 6, 5, 3, 2}})
    refuses("sizes", Tensor::of_ints({2, 3}, sizes));
  refuses("sizes", Tensor::of_ints({3, 2}, {1, 4, 6, 5, 3, 2}));
  refuses("sizes", Tensor::of_ints({1, 3}, {1, 4, 6}));
  refuses("rates", Tensor::of_floats({2}, {8, 0}));
  refuses("rates", Tensor::of_floats({2}, {std::numeric_limits<float>::quiet_NaN(), 8}));
  refuses("rates", Tensor::of_floats({1}, {8}));
  refuses("captions", bytes_of(std::string(18, 'a')));
  refuses("captions", bytes_of(std::string(18, 'a') + "\xc3"));
  refuses("caption_offsets", Tensor::of_ints({3}, {0, 20, 19}));
  refuses("kind_offsets", Tensor::of_ints({3}, {0, 6, 13}));
  refuses("kinds", bytes_of("shapes\xff"
                            "otion"));
}

}  // namespace
}  // namespace hadal
