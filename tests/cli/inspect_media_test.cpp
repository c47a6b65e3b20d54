// SPDX-License-Identifier: MIT
// `hadal inspect` of pictures and clips.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "media/write.h"
#include "program.h"

namespace hadal {
namespace {

class InspectMedia : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "hadal_inspect_XXXXXX";
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string written(const std::string& name, size_t frames, const Metadata& metadata) const {
    Clip clip;
    clip.fps = 8;
    clip.frames.resize(frames, Picture(64, 48));
    const Status status = write_media(folder_ + "/" + name, clip, metadata);
    EXPECT_TRUE(status) << status.error().message;
    return folder_ + "/" + name;
  }

 private:
  std::string folder_;
};

TEST_F(InspectMedia, SaysWhatAPictureWasMadeWith) {
  const std::string path = written("a.png", 1, {{"prompt", "two\nred circles"}, {"seed", "7"}});
  const Ran ran = run_program({"inspect", path});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.starts_with(path + ": PNG, 64 × 48\n")) << ran.out;
  EXPECT_NE(ran.out.find("  seed = 7\n"), std::string::npos) << ran.out;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 3) << ran.out;

  const Ran json = run_program({"inspect", "--json", path});
  const nlohmann::json figures = nlohmann::json::parse(json.out);
  EXPECT_EQ(figures["format"], "PNG");
  EXPECT_EQ(figures["width"], 64);
  EXPECT_EQ(figures["frames"], 1);
  EXPECT_EQ(figures["metadata"]["prompt"], "two\nred circles");
}

TEST_F(InspectMedia, SaysHowLongAClipIs) {
  const Ran ran = run_program({"inspect", written("a.mp4", 12, {{"seed", "7"}})});
  EXPECT_NE(ran.out.find(": MP4, 64 × 48, 12 frames, 8 a second, 1.5 s\n  seed = 7\n"),
            std::string::npos)
      << ran.out << ran.err;
}

TEST_F(InspectMedia, SaysInOneLineWhatItCannotRead) {
  const std::string path = written("a.gif", 2, {});
  std::filesystem::resize_file(path, 9);
  expect_failure(run_program({"inspect", path}), 2,
                 path + ": not a picture or clip that can be read");
}

}  // namespace
}  // namespace hadal
