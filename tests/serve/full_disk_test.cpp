// SPDX-License-Identifier: MIT
// `hadal serve` on a disk that takes nothing more: it answers all the same, and what it owes the
// ledger is written when there is room again.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "served_program.h"

namespace hadal {
namespace {

using nlohmann::json;

class FullDisk : public ServeProgram {
 protected:
  // A disk of its own, of 4 MiB.
  bool mount_small_disk() {
    data_ = folder_.file("disk");
    mkdir(data_.c_str(), 0700);
    mounted_ = mount("tmpfs", data_.c_str(), "tmpfs", 0, "size=4m") == 0;
    return mounted_;
  }
  void fill_disk() const {
    std::ofstream filler(data_ + "/filler", std::ios::binary);
    const std::string block(4096, 'x');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void limit_files(rlim_t bytes) const {
    const rlimit limit{bytes, RLIM_INFINITY};
    EXPECT_EQ(prlimit(child_.pid, RLIMIT_FSIZE, &limit, nullptr), 0);
  }
  void TearDown() override {
    ServeProgram::TearDown();
    if (mounted_) umount2(data_.c_str(), MNT_DETACH);
  }
  void ask(int number) const {
    const json body = {{"prompt", "Number " + std::to_string(number) + " of the sea and of ships"},
                       {"max_tokens", 4}};
    const json told = answer(post_text("/v1/completions", body.dump(), bearer(key_)));
    EXPECT_TRUE(told.contains("choices")) << told;
  }
  // `fill` takes the room away and `free` gives it back.
  template <typename Fill, typename Free>
  void outlive(const Fill& fill, const Free& free) {
    ask(0);
    fill();
    for (int number = 1; number < 6; ++number) ask(number);
    EXPECT_TRUE(soon([&] { return metric("hadal:ledger_failures_total", bearer(key_)) >= 1; }));
    free();
    ask(6);  // what waits is written before it
    EXPECT_EQ(terminate(), 0) << log();
    EXPECT_EQ(entries(key_), 7) << "each of them once";
  }

  std::string key_;
  bool mounted_ = false;
};

TEST_F(FullDisk, IsOutlived) {
  if (!mount_small_disk()) GTEST_SKIP() << "may not mount a small disk: " << std::strerror(errno);
  key_ = add_key();
  start();
  outlive([&] { fill_disk(); }, [&] { std::remove((data_ + "/filler").c_str()); });
  EXPECT_NE(log().find("texts are not kept on disk"), std::string::npos) << log();
}

// The same without a disk of its own: no file may grow.
TEST_F(FullDisk, OrFilesThatMayNotGrowAreOutlived) {
  key_ = add_key();
  // A program begins with what its parent ignores.
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  start();
  signal(SIGXFSZ, handler);
  outlive([&] { limit_files(1); }, [&] { limit_files(RLIM_INFINITY); });
}

}  // namespace
}  // namespace hadal
