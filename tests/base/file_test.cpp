// SPDX-License-Identifier: MIT
#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

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

class MovedFile : public FileTest {
 protected:
  // Five large pages and a bit; every word says where it is.
  void SetUp() override {
    FileTest::SetUp();
    std::vector<uint64_t> words(kBytes / sizeof(uint64_t));
    for (size_t i = 0; i < words.size(); ++i) words[i] = i * 0x9e3779b97f4a7c15u;
    write({reinterpret_cast<const char*>(words.data()), kBytes});
    Result<std::shared_ptr<MappedFile>> opened = MappedFile::open(path_);
    ASSERT_TRUE(opened);
    file_ = opened.take();
  }
  uint64_t word(size_t i) const {
    uint64_t word = 0;
    std::memcpy(&word, file_->bytes() + i * sizeof word, sizeof word);
    return word;
  }
  bool is_right(size_t i) const { return word(i) == i * 0x9e3779b97f4a7c15u; }

  static constexpr size_t kPage = 2 << 20;
  static constexpr size_t kBytes = 5 * kPage + 4096;
  static constexpr size_t kWords = kBytes / sizeof(uint64_t);
  std::shared_ptr<MappedFile> file_;
};

TEST_F(MovedFile, ReadersNoticeNothing) {
  const char* const before = file_->bytes();
  std::atomic<bool> moved{false};
  std::atomic<size_t> wrong{0}, read{0};
  std::thread reader([&] {
    for (size_t i = 0; !moved || read < 2 * kWords; i = (i + 509) % kWords) {
      wrong += !is_right(i);
      ++read;
    }
  });
  const Status status = file_->move_into_memory([](int64_t) { return true; });
  moved = true;
  reader.join();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(file_->bytes(), before);
  // What was moved no longer needs the file.
  fs::resize_file(path_, 0);
  for (size_t i = 0; i < 5 * kPage / sizeof(uint64_t); ++i) ASSERT_TRUE(is_right(i)) << i;
}

TEST_F(MovedFile, EndsWhenItIsToldTo) {
  int64_t asked = 0;
  const Status status = file_->move_into_memory([&](int64_t moved) {
    EXPECT_EQ(moved, 0);
    ++asked;
    return false;
  });
  EXPECT_TRUE(status);
  EXPECT_EQ(asked, 1);
  for (size_t i = 0; i < kWords; i += 97) ASSERT_TRUE(is_right(i)) << i;
}

TEST_F(MovedFile, AFileThatWasCutIsTheMachinesFault) {
  fs::resize_file(path_, kPage);
  const Status status = file_->move_into_memory([](int64_t) { return true; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().blame, Blame::machine);
  EXPECT_NE(status.error().message.find("cannot be read into memory"), std::string::npos);
  EXPECT_TRUE(is_right(7)) << "what is left of it can be read";
}

TEST(AtomicFile, LeavesAloneWhatIsNoRegularFile) {
  const Result<AtomicFile> device = AtomicFile::create("/dev/null");
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, "/dev/null: exists and is no regular file");
  EXPECT_FALSE(AtomicFile::create(testing::TempDir()));
}

}  // namespace
}  // namespace hadal
