// SPDX-License-Identifier: MIT
// Stills: captions and scenes say the same; what is kept from training stays away.
#include "scenes/still.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "scenes/drawing.h"
#include "testing.h"

namespace hadal {
namespace {

TEST(StillTest, HasOneCanonicalCaption) {
  const Object circle{Size::large, Colour::red, Form::circle};
  const Object cross{Size::small, Colour::blue, Form::cross};
  EXPECT_EQ(caption(Still{Ground::white, {{1, circle, {0, 0}}}}),
            "a large red circle, top left, on white");
  EXPECT_EQ(caption(Still{Ground::black, {{2, cross, {1, 0}}}}),
            "two small blue crosses, middle row, on black");
  EXPECT_EQ(caption(Still{Ground::grey, {{1, cross, {0, 2}}, {1, circle, {2, 1}}}}),
            "a small blue cross, top right, and a large red circle, bottom centre, on grey");
}

TEST(StillTest, EveryWordingIsReadBack) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const Still still = random_still(seed, seed % 2 == 0 ? Split::seen : Split::unseen);
    for (int64_t wording = 0; wording < kWordings; ++wording) {
      Result<Still> read = parse_still(caption(still, wording));
      ASSERT_TRUE(read) << caption(still, wording) << ": " << read.error().message;
      EXPECT_EQ(*read, still) << caption(still, wording);
    }
  }
}

TEST(StillTest, ReadsAPairInAnyOrder) {
  Result<Still> read =
      parse_still("a small red star, bottom left, and a large blue ring, top left, on white");
  ASSERT_TRUE(read);
  EXPECT_EQ(caption(*read),
            "a large blue ring, top left, and a small red star, bottom left, on white");
}

TEST(StillTest, RefusesOtherWordsWithTheirPlace) {
  const auto problem = [](const char* text) {
    Result<Still> still = parse_still(text);
    return still ? std::string("read") : still.error().message;
  };
  EXPECT_EQ(problem("a large crimson circle, top left, on white"),
            "caption: word 3 is 'crimson', expected a colour");
  EXPECT_EQ(problem("a large red circle, top left"),
            "caption: it ends after 7 words, expected ','");
  for (const char* text :
       {"", "a", "a red circle, top left, on white", "a large red circle, left, on white",
        "a large red circle, top left, on white, on white", "a large red circle, top left, on blue",
        "two small blue cross, top row, on white", "two small blue crosss, top row, on white",
        "two small blue squares, top left, on white", "four small blue squares, top row, on white",
        "a small red star, top left, and a large blue ring, top left, on white",
        "a small red star, top left, and two small red stars, middle row, on white",
        "on white a large red circle, top left", "A large red circle, top left, on white"})
    EXPECT_NE(problem(text), "read") << text;
  EXPECT_NE(problem(std::string(100000, 'a').c_str()), "read");
}

TEST(StillTest, ASeedAndASplitNameOneStill) {
  std::set<std::string> captions;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    EXPECT_EQ(random_still(seed, Split::seen), random_still(seed, Split::seen));
    captions.insert(caption(random_still(seed, Split::seen)));
  }
  EXPECT_GT(captions.size(), 450U);
}

// Training sees every word and all pairs of words but the held-out ones; it never sees those.
TEST(StillTest, KeepsPairsOfColourAndFormFromTraining) {
  std::map<std::string, int> seen;
  for (uint64_t seed = 0; seed < 20000; ++seed) {
    const Still still = random_still(seed, Split::seen);
    EXPECT_EQ(split_of(still), Split::seen);
    for (const PlacedObject& placed : objects_of(still)) {
      const Object& o = placed.object;
      const std::string colour(word(o.colour)), form(word(o.form)), size(word(o.size));
      for (const std::string& key :
           {colour + " " + form, colour + " " + size, form + " " + size, phrase(placed.place),
            colour + " " + std::string(word(still.ground)),
            form + " " + std::string(word(still.ground))})
        ++seen[key];
    }
  }
  int pairs = 0;
  for (int64_t c = 0; c < kColours; ++c)
    for (int64_t f = 0; f < kForms; ++f) {
      const Object object{Size::small, static_cast<Colour>(c), static_cast<Form>(f)};
      const std::string key =
          std::string(word(object.colour)) + " " + std::string(word(object.form));
      EXPECT_EQ(seen.count(key), split_of(object) == Split::seen ? 1U : 0U) << key;
      pairs += static_cast<int>(seen.count(key));
    }
  EXPECT_EQ(pairs, 40);
  // 40 pairs, 16 + 12 with sizes, 24 + 18 with grounds, 9 places.
  EXPECT_EQ(seen.size(), 40U + 28U + 42U + 9U);
  for (uint64_t seed = 0; seed < 500; ++seed)
    EXPECT_EQ(split_of(random_still(seed, Split::unseen)), Split::unseen);
}

TEST(StillTest, MoreWordsAreThereToLearnFrom) {
  std::set<Colour> colours;
  std::set<Form> forms;
  for (uint64_t seed = 0; seed < 1500; ++seed) {
    const Still still = random_still(seed, Split::seen, Words::all);
    const Result<Still> read = parse_still(caption(still));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, still) << caption(still);
    for (const PlacedObject& placed : objects_of(still)) {
      colours.insert(placed.object.colour);
      forms.insert(placed.object.form);
      EXPECT_EQ(split_of(placed.object), Split::seen) << phrase(placed.object);
    }
  }
  EXPECT_EQ(colours.size(), static_cast<size_t>(kAllColours));
  EXPECT_EQ(forms.size(), static_cast<size_t>(kAllForms));
}

TEST(StillTest, VagueCaptionsSayPartOfTheTruth) {
  const Still still =
      parse_still("a small blue square, top left, and a large red ring, bottom centre, on black")
          .take();
  const std::set<std::string> truths = {"a",    "figure", "small",  "blue",  "square",
                                        "top",  "left",   "and",    "large", "red",
                                        "ring", "bottom", "centre", "on",    "black"};
  std::set<std::string> said;
  Random random(3);
  for (int i = 0; i < 5000; ++i) said.insert(vague_caption(still, random));
  EXPECT_GT(said.size(), 500U);
  EXPECT_TRUE(said.contains("a blue square, and a large red figure, bottom centre, on black"));
  for (const std::string& text : said) {
    std::string plain = text;
    std::erase(plain, ',');
    std::istringstream words(plain);
    for (std::string word; words >> word;) EXPECT_TRUE(truths.contains(word)) << text;
  }
  const Still row = parse_still("three small red crosses, top row, on white").take();
  std::set<std::string> rows;
  for (int i = 0; i < 200; ++i) rows.insert(vague_caption(row, random));
  EXPECT_TRUE(rows.contains("three red crosses"));
  EXPECT_TRUE(rows.contains("three small figures, top row, on white"));
}

TEST(StillTest, DrawsTheSameAtEverySize) {
  const Still still = parse_still("a large red square, middle centre, on white").take();
  for (int64_t side : {32, 64, 128, 192}) {
    const Picture picture = draw_still(still, side);
    ASSERT_EQ(picture.width, side);
    const auto is = [&](double x, double y, const Rgb& rgb) {
      const uint8_t* pixel =
          picture.pixel(static_cast<int64_t>(x * static_cast<double>(side) / 64),
                        static_cast<int64_t>(y * static_cast<double>(side) / 64));
      return Rgb{double(pixel[0]), double(pixel[1]), double(pixel[2])} == rgb;
    };
    EXPECT_TRUE(is(25, 25, rgb_of(Colour::red)) && is(38, 38, rgb_of(Colour::red))) << side;
    EXPECT_TRUE(is(22, 32, rgb_of(Ground::white)) && is(32, 41, rgb_of(Ground::white))) << side;
  }
}

TEST(DrawingTest, FormsHaveTheirOutlines) {
  // Every form is as wide or as high as its radius says, no wider, and none of the others.
  std::set<std::string> outlines;
  for (int64_t index = 0; index < kAllForms; ++index) {
    const Form form = static_cast<Form>(index);
    double widest = 0;
    std::string outline;
    for (int y = -30; y <= 30; ++y)
      for (int x = -30; x <= 30; ++x) {
        const bool inside = distance_to_edge(form, x / 20.0, y / 20.0) <= 0;
        if (inside) widest = std::max({widest, std::abs(x / 20.0), std::abs(y / 20.0)});
        outline += inside ? 'x' : '.';
      }
    EXPECT_GE(widest, 0.9) << word(form);
    EXPECT_LE(widest, 1.1) << word(form);
    EXPECT_TRUE(outlines.insert(outline).second) << word(form);
  }
  EXPECT_LT(distance_to_edge(Form::circle, 0, 0), -0.9);
  EXPECT_GT(distance_to_edge(Form::ring, 0, 0), 0.4);
  EXPECT_LT(distance_to_edge(Form::square, 0.9, 0.9), 0);
  EXPECT_GT(distance_to_edge(Form::triangle, 0.8, -0.5), 0.2);
  EXPECT_LT(distance_to_edge(Form::triangle, 0.8, 0.8), 0);
  EXPECT_GT(distance_to_edge(Form::cross, 0.6, 0.6), 0.2);
  EXPECT_LT(distance_to_edge(Form::cross, 0, 0.9), 0);
  EXPECT_LT(distance_to_edge(Form::star, 0, -1), 0);
  EXPECT_GT(distance_to_edge(Form::star, 0, 0.6), 0.05);
}

}  // namespace
}  // namespace hadal
