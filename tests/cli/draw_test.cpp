// SPDX-License-Identifier: MIT
// Drawing, filming and looking, with the model in the box.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "media/read.h"
#include "media/write.h"
#include "program.h"
#include "scenes/still.h"

namespace hadal {
namespace {

const std::string kCircle = "a large red circle, middle centre, on black";

class Draw : public testing::Test {
 protected:
  Draw() {
    folder_ = testing::TempDir() + "hadal_draw_XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }
  ~Draw() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  Ran generate(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"generate", "--model", kNano, "--seed", "5"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_program(arguments);
  }
  // Of the picture's border: what is its ground?
  static int64_t dark_border_pixels(const Picture& picture) {
    int64_t dark = 0;
    for (int64_t i = 0; i < 64; ++i)
      for (const uint8_t* pixel :
           {picture.pixel(i, 0), picture.pixel(i, 63), picture.pixel(0, i), picture.pixel(63, i)})
        dark += pixel[0] < 64 && pixel[1] < 64 && pixel[2] < 64;
    return dark;
  }

  std::string folder_;
};

TEST_F(Draw, APictureIsOfItsPromptAndSeedAlone) {
  const Ran ran = generate({"--prompt", kCircle, "-o", file("a.png")});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, file("a.png") + "\n");
  ASSERT_EQ(generate({"--prompt", kCircle, "-o", file("b.png"), "--threads", "1"}).code, 0);
  EXPECT_EQ(read_whole(file("a.png")), read_whole(file("b.png")));
  const Result<Clip> clip = read_media(file("a.png"));
  ASSERT_TRUE(clip) << clip.error().message;
  ASSERT_EQ(clip->width(), 64);
  EXPECT_GT(dark_border_pixels(clip->frames[0]), 200);  // of 256
  const Ran white = generate({"--prompt", "a small blue star, middle centre, on white", "-o",
                              file("white.png"), "--quiet"});
  EXPECT_EQ(white.err, "");
  const Result<Clip> other = read_media(file("white.png"));
  ASSERT_TRUE(other);
  EXPECT_LT(dark_border_pixels(other->frames[0]), 56);
  const Ran inspected = run_program({"inspect", file("a.png")});
  EXPECT_NE(inspected.out.find("prompt = " + kCircle), std::string::npos) << inspected.out;
  EXPECT_NE(inspected.out.find("seed = 5"), std::string::npos) << inspected.out;
  const std::string version = run_program({"--version"}).out;  // "hadal 0.1.0"
  EXPECT_NE(inspected.out.find("engine = " + version), std::string::npos) << inspected.out;
}

TEST_F(Draw, SeveralPicturesHaveSeedsInARow) {
  const Ran ran =
      generate({"--prompt", kCircle, "-o", file("c.png"), "-n", "2", "--passes", "4", "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, file("c-1.png") + "\n" + file("c-2.png") + "\n");
  const Ran second = run_program({"inspect", file("c-2.png")});
  EXPECT_NE(second.out.find("seed = 6"), std::string::npos) << second.out;
}

TEST_F(Draw, AFilmGoesOnFromItsFirstFrame) {
  const Result<Still> still = parse_still("a large blue triangle, middle left, on white");
  ASSERT_TRUE(still);
  const Picture first = draw_still(*still, 64);
  ASSERT_TRUE(write_media(file("first.png"), Clip{{first}, 8}));
  const Ran ran =
      generate({"--prompt", "a large blue triangle, middle left, moves right, on white", "--image",
                file("first.png"), "-o", file("film.gif"), "--timeline", file("time.jsonl")});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Result<Clip> film = read_media(file("film.gif"));
  ASSERT_TRUE(film) << film.error().message;
  ASSERT_EQ(film->frames.size(), 9U);
  double squares = 0;
  for (size_t i = 0; i < first.rgb.size(); ++i) {
    const double off = static_cast<double>(first.rgb[i]) - film->frames[0].rgb[i];
    squares += off * off / static_cast<double>(first.rgb.size());
  }
  EXPECT_LT(squares, 255.0 * 255 / 250) << "the given frame was not kept to 24 dB";
  const std::string timeline = read_whole(file("time.jsonl"));
  EXPECT_NE(timeline.find("{\"picture\":0,\"latent_frame\":2,"), std::string::npos) << timeline;
  EXPECT_NE(timeline.find("\"processor_seconds\":"), std::string::npos) << timeline;
}

TEST_F(Draw, LooksAtAPicture) {
  const Result<Still> still = parse_still("a large red circle, top left, on grey");
  ASSERT_TRUE(still);
  ASSERT_TRUE(write_media(file("seen.png"), Clip{{draw_still(*still, 64)}, 8}));
  const Ran ran = generate({"--image", file("seen.png"), "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Result<Still> read = parse_still(ran.out.substr(0, ran.out.find('\n')));
  ASSERT_TRUE(read) << ran.out;
  EXPECT_EQ(read->ground, Ground::grey) << ran.out;
}

TEST_F(Draw, ChatDrawsIntoTheFolderItRunsIn) {
  RunOptions options{.input = "/draw " + kCircle + "\n/draw " + kCircle + "\n/look hadal-1.png\n"};
  options.folder = folder_;
  const Ran ran = run_program({"chat", "--model", kNano, "--seed", "5", "--quiet"}, options);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with("hadal-1.png\nhadal-2.png\n")) << ran.out;
  EXPECT_EQ(read_whole(file("hadal-1.png")), read_whole(file("hadal-2.png")));
  EXPECT_GT(ran.out.size(), std::string("hadal-1.png\nhadal-2.png\n").size());
}

TEST_F(Draw, TheDemonstrationWritesAPictureAndAClip) {
  const Ran ran = generate({"--pictures", folder_, "--quiet", "--max-tokens", "4"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  for (const char* name : {"picture.png", "clip.gif"}) {
    EXPECT_NE(ran.out.find(file(name)), std::string::npos) << ran.out;
    EXPECT_TRUE(read_media_info(file(name)));
  }
}

TEST_F(Draw, SaysWhatIsWrong) {
  expect_failure(
      generate({"--prompt", kCircle, "-o", file("a.bmp")}), 2,
      file("a.bmp") + ": expected a name that ends in .png, .jpg, .webp, .gif, .mp4 or .webm");
  expect_failure(generate({"-o", file("a.png")}), 2, "a drawing needs words: --prompt or --file");
  expect_failure(generate({"--prompt", kCircle, "-o", file("a.png"), "--size", "64"}), 2,
                 "--size 64, expected WIDTHxHEIGHT in pixels");
  expect_failure(generate({"--prompt", kCircle, "-o", file("a.png"), "--frames", "9"}), 2,
                 file("a.png") + ": a file of this kind holds one frame, --frames is 9");
  expect_failure(run_program({"generate", "--model", golden("v41-tiny"), "--prompt", "x", "-o",
                              file("a.png")}),
                 2, golden("v41-tiny") + ": this model has no visual vocabulary: it cannot draw");
}

}  // namespace
}  // namespace hadal
