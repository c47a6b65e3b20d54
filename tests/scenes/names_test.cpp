// SPDX-License-Identifier: MIT
// Named pictures: the list of names, sprites laid onto a ground, and which picture it is.
#include "scenes/named_pictures.h"

#include <fstream>

#include "codec.h"
#include "scenes/drawing.h"
#include "scenes/emoji_list.h"
#include "scenes/film.h"
#include "scenes/glyph_font.h"
#include "scenes/sprite.h"
#include "scenes/still.h"
#include "testing.h"

namespace hadal {
namespace {

using testing::blurred;
using testing::noisy;

constexpr std::string_view kList =
    "# emoji-test.txt\n"
    "# group: Smileys & Emotion\n"
    "# subgroup: face-smiling\n"
    "1F600   ; fully-qualified     # \U0001F600 E1.0 Grinning Face\n"
    "2764 FE0F ; fully-qualified   # x E0.6 red heart\n"
    "2764    ; unqualified         # x E0.6 red heart\n"
    "# group: People & Body\n"
    "1F44B   ; fully-qualified     # x E0.6 waving hand\n"
    "# group: Animals & Nature\n"
    "1F435   ; fully-qualified     # x E1.0 monkey face\r\n"
    "1F415 200D 1F9BA ; fully-qualified # x E12.0 service dog\n"
    "# group: Travel & Places\n"
    "1F55B   ; fully-qualified     # x E0.6 twelve o\xE2\x80\x99"
    "clock\n"
    "23F0    ; fully-qualified     # x E0.6 alarm clock\n"
    "# group: Symbols\n"
    "0023 FE0F 20E3 ; fully-qualified # #x E0.6 keycap: #\n";

TEST(EmojiListTest, TakesPlainNamesInTurns) {
  Result<std::vector<EmojiName>> names = parse_emoji_list(kList, "list");
  ASSERT_TRUE(names) << names.error().message;
  ASSERT_EQ(names->size(), 3U);
  EXPECT_EQ((*names)[0].name, "grinning face");
  EXPECT_EQ((*names)[0].code, U'\U0001F600');
  EXPECT_EQ((*names)[1].name, "monkey face");
  EXPECT_EQ((*names)[2].name, "red heart");
}

TEST(EmojiListTest, RefusesWhatIsNoList) {
  for (const char* text : {"", "\n\n", "hello", "# group: Objects\n1F600 ; fully-qualified\n",
                           "# group: Objects\n1F600 ; fully-qualified # x grinning face\n",
                           "# group: Objects\nZZZZ ; fully-qualified # x E1.0 name\n",
                           "# group: Objects\n110000 ; fully-qualified # x E1.0 name\n"})
    EXPECT_FALSE(parse_emoji_list(text, "list")) << text;
  const std::string message = parse_emoji_list("# a\nbad\n", "list").error().message;
  EXPECT_TRUE(message.starts_with("list:2: 'bad'")) << message;
}

TEST(GlyphFontTest, RefusesWhatIsNoFont) {
  testing::Folder folder;
  EXPECT_FALSE(GlyphFont::open(folder / "none.ttf"));
  std::ofstream(folder / "text.ttf") << std::string(1000, 'x');
  EXPECT_FALSE(GlyphFont::open(folder / "text.ttf"));
}

TEST(SpriteTest, IsLaidWithItsOpacity) {
  // Half of it covers, half lets half through.
  Sprite sprite{2, 1, {200, 100, 0, 255, 100, 50, 0, 128}};
  Picture picture = blank(32, {10, 20, 30});
  lay(picture, sprite, {16, 16, 8});
  const auto at = [&](int64_t x, int64_t y) {
    const uint8_t* p = picture.pixel(x, y);
    return std::vector<int>{p[0], p[1], p[2]};
  };
  EXPECT_EQ(at(12, 14), (std::vector<int>{200, 100, 0}));
  EXPECT_EQ(at(19, 17), (std::vector<int>{105, 60, 15}));
  EXPECT_EQ(at(11, 14), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(at(20, 14), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(at(12, 13), (std::vector<int>{10, 20, 30}));
  EXPECT_EQ(at(12, 18), (std::vector<int>{10, 20, 30}));
}

TEST(SpriteTest, KeepsItsMeanColourWhenItShrinksAndIsCutAtTheEdge) {
  Sprite sprite{64, 64, {}};
  for (int i = 0; i < 64 * 64; ++i) {
    const uint8_t value = (i + i / 64) % 2 == 0 ? 200 : 100;
    sprite.rgba.insert(sprite.rgba.end(), {value, value, value, 255});
  }
  Picture picture = blank(32, {0, 0, 0});
  lay(picture, sprite, {0, 16, 16});
  EXPECT_EQ(picture.pixel(3, 16)[0], 150);
  EXPECT_EQ(picture.pixel(9, 16)[0], 0);
  lay(picture, sprite, {-100, -100, 16});  // beside the picture: nothing happens
  EXPECT_EQ(picture.pixel(3, 16)[0], 150);
}

// A synthetic set: stills of two objects.
std::vector<Picture> some_pictures() {
  std::vector<Picture> pictures;
  NamedPictures apart;
  for (uint64_t seed = 0; pictures.size() < 120; ++seed) {
    const Still still = random_still(seed, Split::seen);
    const Picture picture = draw_still(still, 64);
    if (still.ground != Ground::white || objects_of(still).size() < 2 ||
        apart.distance(picture) < 20)
      continue;
    apart.add("", picture);
    pictures.push_back(picture);
  }
  return pictures;
}

NamedPictures set_of(const std::vector<Picture>& pictures) {
  NamedPictures set;
  for (size_t i = 0; i < pictures.size(); ++i) set.add(std::to_string(i), pictures[i]);
  return set;
}

TEST(NamedPicturesTest, KnowsEveryPictureThroughACodec) {
  const std::vector<Picture> pictures = some_pictures();
  const NamedPictures set = set_of(pictures);
  EXPECT_EQ(set.name(7), "7");
  for (size_t i = 0; i < pictures.size(); ++i) {
    const int64_t index = static_cast<int64_t>(i);
    EXPECT_EQ(set.nearest(pictures[i]).index, index);
    EXPECT_LT(set.nearest(pictures[i]).distance, 1e-3);
    const Picture lossy = noisy(blurred(blurred(pictures[i])), 20, i, 2);
    EXPECT_EQ(set.nearest(lossy).index, index);
  }
}

TEST(NamedPicturesTest, MatchesNothingWithNothing) {
  const std::vector<Picture> pictures = some_pictures();
  const NamedPictures set = set_of(pictures);
  EXPECT_FALSE(NamedPictures().nearest(pictures[0]).index);
  for (const Rgb& colour : {Rgb{255, 255, 255}, Rgb{128, 128, 128}, Rgb{0, 0, 0}, Rgb{225, 30, 40},
                            Rgb{230, 230, 230}}) {
    EXPECT_FALSE(set.nearest(blank(64, colour)).index);
    for (double deviation : {20.0, 60.0, 150.0})
      for (int64_t grain : {1, 4, 8})
        EXPECT_FALSE(set.nearest(noisy(blank(64, colour), deviation, 5, grain)).index);
  }
  // The average of the set: what a model draws that has not understood the name.
  Picture mean = blank(64, {0, 0, 0});
  for (size_t i = 0; i < mean.rgb.size(); ++i) {
    size_t sum = 0;
    for (const Picture& picture : pictures) sum += picture.rgb[i];
    mean.rgb[i] = static_cast<uint8_t>(sum / pictures.size());
  }
  EXPECT_FALSE(set.nearest(mean).index);
  // Another picture than any of the set, in other colours.
  Picture other = pictures[0];
  for (uint8_t& byte : other.rgb) byte = static_cast<uint8_t>(255 - byte);
  EXPECT_FALSE(set.nearest(other).index);
}

}  // namespace
}  // namespace hadal
