// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace hadal {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  void write(const std::string& text) {
    Result<AtomicFile> file = AtomicFile::create(path_);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write(text.data(), static_cast<int64_t>(text.size())));
    ASSERT_TRUE(file->commit());
  }

  const fs::path folder_ = fs::temp_directory_path() / ("hadal-file-" + std::to_string(getpid()));
  const std::string path_ = (folder_ / "x").string();
};

TEST_F(FileTest, WhatIsCommittedIsRead) {
  write("old");
  write("new and longer");
  const Result<std::string> text = read_file(path_, 100);
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, "new and longer");
  EXPECT_EQ(files(), 1u);
  const Result<std::shared_ptr<MappedFile>> mapped = MappedFile::open(path_);
  ASSERT_TRUE(mapped);
  EXPECT_EQ(std::string((*mapped)->bytes(), static_cast<size_t>((*mapped)->size())), *text);
}

TEST_F(FileTest, WhatIsNotCommittedIsForgotten) {
  write("old");
  {
    Result<AtomicFile> file = AtomicFile::create(path_);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("half", 4));
    AtomicFile moved = file.take();
    EXPECT_EQ(files(), 2u);
  }
  EXPECT_EQ(files(), 1u);
  EXPECT_EQ(*read_file(path_, 100), "old");
}

TEST_F(FileTest, RefusesWhatIsTooLongOrNotAFile) {
  write("12345");
  EXPECT_EQ(read_file(path_, 4).error().message, path_ + ": 5 bytes, at most 4 are read");
  EXPECT_EQ(read_file(folder_.string(), 4).error().message,
            folder_.string() + ": is not a regular file");
  EXPECT_EQ(read_file(path_ + "y", 4).error().message,
            path_ + "y: cannot be opened: No such file or directory");
}

TEST_F(FileTest, ACommitThatFailsIsTheMachinesFault) {
  Result<AtomicFile> file = AtomicFile::create(path_);
  ASSERT_TRUE(file);
  fs::remove_all(folder_);
  const Status committed = file->commit();
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().blame, Blame::machine);
  EXPECT_EQ(committed.error().message, path_ + ": cannot be written: No such file or directory");
}

TEST(AtomicFile, LeavesAloneWhatIsNoRegularFile) {
  const Result<AtomicFile> device = AtomicFile::create("/dev/null");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, "/dev/null: exists and is no regular file");
  EXPECT_FALSE(AtomicFile::create(testing::TempDir()));
}

}  // namespace
}  // namespace hadal
