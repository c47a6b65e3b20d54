// SPDX-License-Identifier: MIT
// `hadal data` for pictures: the same options give the same bytes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

std::string gallery_of(std::vector<std::string> arguments) {
  const std::string path = scratch_file("");
  arguments.insert(arguments.begin(), "data");
  arguments.insert(arguments.end(), {"--out", path});
  const Ran ran = run_program(arguments);
  EXPECT_EQ(ran.code, 0) << ran.err;
  const std::string bytes = read_whole(path);
  std::filesystem::remove(path);
  return bytes;
}

TEST(Data, ScenesDependOnTheOptionsAlone) {
  const std::string shapes = gallery_of({"shapes", "--count", "20", "--seed", "3"});
  EXPECT_GT(shapes.size(), 20U * 64 * 64 * 3);
  EXPECT_EQ(gallery_of({"shapes", "--count", "20", "--seed", "3"}), shapes);
  EXPECT_NE(gallery_of({"shapes", "--count", "20", "--seed", "4"}), shapes);
  EXPECT_NE(gallery_of({"shapes", "--count", "20", "--seed", "3", "--split", "unseen"}), shapes);
  EXPECT_NE(gallery_of({"shapes", "--count", "20", "--seed", "3", "--all-words"}), shapes);
  EXPECT_LT(gallery_of({"shapes", "--count", "20", "--seed", "3", "--vague", "1"}).size(),
            shapes.size());
  EXPECT_GT(gallery_of({"motion", "--count", "2", "--frames", "5", "--size", "32"}).size(),
            2U * 5 * 32 * 32 * 3);
}

TEST(Data, ShowsAGalleryOnOnePicture) {
  const std::string gallery = scratch_file(""), sheet = gallery + ".png";
  ASSERT_EQ(run_program({"data", "shapes", "--count", "20", "--size", "32", "--out", gallery}).code,
            0);
  const Ran shown =
      run_program({"data", "show", gallery, "--first", "2", "--count", "17", "-o", sheet});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_NE(shown.out.find("shapes, 1 of 32 × 32  "), std::string::npos) << shown.out;
  const Ran inspected = run_program({"inspect", sheet});  // 16 columns, 2 rows, borders of 1
  EXPECT_NE(inspected.out.find("544 × 68"), std::string::npos) << inspected.out;
  EXPECT_EQ(run_program({"data", "show", gallery, "--first", "20"}).code, 2);
  std::filesystem::remove(gallery);
  std::filesystem::remove(sheet);
}

TEST(Data, RefusesScenesThatCannotBe) {
  const std::string path = testing::TempDir() + "hadal_no.gallery";
  for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
           {"--count", "0"}, {"--split", "some"}, {"--frames", "9"}, {"--vague", "1.5"}}) {
    std::vector<std::string> arguments = {"data", "shapes", "--out", path};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    EXPECT_EQ(run_program(arguments).code, 2) << bad[0];
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace hadal
