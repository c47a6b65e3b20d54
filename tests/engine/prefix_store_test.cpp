// SPDX-License-Identifier: MIT
// The prefix store: it survives its program, and whatever happens to its files, what it gives back
// is what was kept, or nothing.
#include "engine/prefix_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "engine/step.h"
#include "tiny_model.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

class PrefixStoreTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = new TinyModel("v41-tiny"); }
  static void TearDownTestSuite() { delete tiny_; }
  void SetUp() override {
    folder_ = testing::TempDir() + "hadal_prefixes_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  PrefixStoreOptions options(const std::string& fingerprint = "model/cpu") {
    PrefixStoreOptions options;
    options.folder = folder_;
    options.fingerprint = fingerprint;
    options.log = [this](const std::string& line) { lines_.push_back(line); };
    return options;
  }
  void open(const PrefixStoreOptions& options) {
    store_.reset();
    Result<std::unique_ptr<PrefixStore>> opened =
        PrefixStore::open(tiny_->model->config(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = opened.take();
  }
  void open() { open(options()); }

  // Reads a text and keeps its end.
  SequenceState state_of(const std::vector<int64_t>& ids) {
    Cache cache = tiny_->cache(1, 64);
    Sequence sequence(tiny_->model->config(), cache, {});
    sequence.want(sequence.check(ids).take());
    Step step(*tiny_->model, *tiny_->ops, cache);
    while (sequence.unread() > 0) {
      step.add(sequence, std::min<int64_t>(64, sequence.unread()));
      step.run();
    }
    return sequence.save(sequence.length());
  }
  void keep(const std::vector<int64_t>& ids, const std::string& whose = "ann") {
    store_->keep(whose, state_of(ids));
    store_->flush();
  }
  static Wanted wanted(const std::vector<int64_t>& ids) {
    return {ids, std::vector<int64_t>(ids.size(), 0), {}, static_cast<int64_t>(ids.size()) - 1};
  }
  static bool same(const Tensor& a, const Tensor& b) {
    return a.defined() == b.defined() &&
           (!a.defined() || (a.dtype() == b.dtype() && a.shape() == b.shape() &&
                             std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0));
  }
  static bool same(const SequenceState& a, const SequenceState& b) {
    bool equal = a.ids == b.ids && a.marks == b.marks && a.needed_from == b.needed_from &&
                 same(a.logits_V, b.logits_V) && a.tensors.size() == b.tensors.size();
    for (const auto& [name, tensor] : a.tensors)
      equal = equal && b.tensors.count(name) > 0 && same(tensor, b.tensors.at(name));
    return equal;
  }
  // How much of a text is known, which must be as it was kept.
  int64_t known(const std::vector<int64_t>& ids, const std::string& whose = "ann") {
    const Wanted want = wanted(ids);
    const PrefixStore::Found found = store_->find(whose, want);
    if (found.length == 0) return 0;
    const Result<SequenceState> state = store_->read(found, want);
    if (!state) return -1;
    EXPECT_TRUE(same(*state, state_of({ids.begin(), ids.begin() + found.length})));
    return found.length;
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> paths;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path().extension() == ".prefixes") paths.push_back(entry.path().string());
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  static std::string bytes_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }

  static TinyModel* tiny_;
  std::string folder_;
  std::vector<std::string> lines_;
  std::unique_ptr<PrefixStore> store_;
};
TinyModel* PrefixStoreTest::tiny_ = nullptr;

TEST_F(PrefixStoreTest, AConversationSurvivesTheProgramAndIsWrittenOnce) {
  std::vector<int64_t> text = TinyModel::ids(200);
  open();
  keep(text);
  const int64_t first = store_->bytes();
  keep(text);
  EXPECT_EQ(store_->bytes(), first) << "it is there";
  for (int64_t turn = 1; turn < 4; ++turn) {
    open();
    EXPECT_EQ(known(text), static_cast<int64_t>(text.size()));
    text = joined(text, TinyModel::ids(10, turn));
    EXPECT_EQ(known(text), static_cast<int64_t>(text.size()) - 10);
    keep(text);
  }
  open();
  EXPECT_EQ(known(joined(text, {5, 6})), static_cast<int64_t>(text.size()));
  EXPECT_EQ(known(joined(TinyModel::ids(200), {5, 6})), 200) << "every turn can be gone on from";
  EXPECT_EQ(known(text, "bob"), 0);
  Wanted other = wanted(text);
  other.marks[3] = 77;
  EXPECT_EQ(store_->find("ann", other).length, 0);
}

TEST_F(PrefixStoreTest, WhatIsReadBackGoesOnWithTheSameBits) {
  const std::vector<int64_t> text = TinyModel::ids(120),
                             longer = joined(text, TinyModel::ids(9, 3));
  open();
  keep(text);
  open();
  const Wanted want = wanted(longer);
  Result<SequenceState> state = store_->read(store_->find("ann", want), want);
  ASSERT_TRUE(state);
  Cache cache = tiny_->cache(2, 64);
  Sequence sequence(tiny_->model->config(), cache, {.slot = 1});
  ASSERT_TRUE(sequence.load(state.take()));
  EXPECT_EQ(sequence.want(sequence.check(longer).take()), 120);
  Step step(*tiny_->model, *tiny_->ops, cache);
  step.add(sequence, sequence.unread());
  step.run();
  EXPECT_TRUE(same(sequence.logits_V(), state_of(longer).logits_V));
}

TEST_F(PrefixStoreTest, NoFlippedByteIsEverUsed) {
  const std::vector<int64_t> text = TinyModel::ids(24), longer = joined(text, TinyModel::ids(6, 1));
  open();
  keep(text);
  keep(longer);
  store_.reset();
  ASSERT_EQ(segments().size(), 1U);
  const std::string path = segments().front(), whole = bytes_of(path);
  const SequenceState first = state_of(text), second = state_of(longer);
  // Every byte of heads and index parts, and every 97th of the tensors; known() compares bits.
  int64_t lost = 0, tried = 0;
  const Wanted want = wanted(longer);
  for (size_t at = 0; at < whole.size(); at += at < 700 ? 1 : 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    write(path, damaged);
    open();
    ++tried;
    for (int tries = 0; tries < 4; ++tries) {
      const PrefixStore::Found found = store_->find("ann", want);
      const Result<SequenceState> state =
          found.length > 0 ? store_->read(found, want) : Result<SequenceState>(SequenceState{});
      if (state && found.length > 0) {
        ASSERT_TRUE(same(*state, found.length == 24 ? first : second)) << "byte " << at;
      }
      if (!state) continue;  // forgotten; what is left is looked for again
      lost += found.length < 30;
      break;
    }
  }
  EXPECT_EQ(lost, tried) << "one flipped byte is always noticed";
}

TEST_F(PrefixStoreTest, ATruncatedSegmentGivesWhatIsWholeAndGrowsNoMore) {
  const std::vector<int64_t> text = TinyModel::ids(40), longer = joined(text, TinyModel::ids(9, 1));
  open();
  keep(text);
  const size_t first = static_cast<size_t>(store_->bytes());
  keep(longer);
  store_.reset();
  const std::string path = segments().front(), whole = bytes_of(path);
  for (const size_t length :
       {size_t{0}, size_t{50}, size_t{88}, first - 1, first, first + 20, whole.size() - 1}) {
    write(path, whole.substr(0, length));
    open();
    EXPECT_EQ(known(longer), length >= first ? 40 : 0) << length;
    store_.reset();
    EXPECT_EQ(bytes_of(path).size(), length);
  }
  write(path, whole + "HPFXREC1 and then something else that is no record at all");
  open();
  EXPECT_EQ(known(longer), 49);
  write(segments().front(), whole.substr(0, first + 100));  // cut behind its back
  EXPECT_EQ(known(longer), -1);
  EXPECT_EQ(known(longer), 40);
}

TEST_F(PrefixStoreTest, AnotherModelsSegmentsAreNotUsedButMakeRoom) {
  open(options("other/cpu"));
  keep(TinyModel::ids(60));
  const int64_t theirs = store_->bytes();
  open();
  EXPECT_EQ(known(TinyModel::ids(60)), 0);
  EXPECT_EQ(store_->bytes(), theirs);
  PrefixStoreOptions small = options();
  small.budget_bytes = theirs * 5 / 2;
  small.segment_bytes = theirs;
  open(small);
  keep(TinyModel::ids(60, 1));
  keep(TinyModel::ids(60, 2));
  EXPECT_EQ(known(TinyModel::ids(60, 2)), 60);
  open(options("other/cpu"));
  EXPECT_EQ(known(TinyModel::ids(60)), 0) << "deleted, as the oldest";
}

TEST_F(PrefixStoreTest, TheOldestSegmentGoesFirst) {
  open();
  keep(TinyModel::ids(60));
  const int64_t one = store_->bytes();
  PrefixStoreOptions small = options();
  small.budget_bytes = 5 * one;
  small.segment_bytes = one;
  open(small);
  for (int64_t salt = 1; salt < 9; ++salt) {
    keep(TinyModel::ids(60, salt));
    EXPECT_LE(store_->bytes(), 5 * one);
  }
  EXPECT_EQ(known(TinyModel::ids(60)), 0);
  EXPECT_EQ(known(TinyModel::ids(60, 1)), 0);
  EXPECT_EQ(known(TinyModel::ids(60, 8)), 60);
  EXPECT_GE(segments().size(), 4U);
}

TEST_F(PrefixStoreTest, WritingHasABudgetOfItsOwn) {
  PrefixStoreOptions slow = options();
  auto now = std::chrono::steady_clock::time_point{};
  slow.now = [&now] { return now; };
  open();
  keep(TinyModel::ids(60));
  EXPECT_GT(store_->rows_written(), 0);
  EXPECT_LT(store_->rows_written(), store_->bytes_written());
  slow.bytes_an_hour = store_->bytes_written() * 3 / 2;
  store_.reset();
  fs::remove_all(folder_);
  open(slow);
  keep(TinyModel::ids(60, 1));
  keep(TinyModel::ids(60, 2));
  EXPECT_EQ(store_->skipped(), 1);
  EXPECT_EQ(known(TinyModel::ids(60, 1)), 60);
  EXPECT_EQ(known(TinyModel::ids(60, 2)), 0);
  now += std::chrono::minutes(50);
  keep(TinyModel::ids(60, 2));
  EXPECT_EQ(known(TinyModel::ids(60, 2)), 60);
  EXPECT_LE(store_->bytes_written(), 2 * slow.bytes_an_hour);
}

TEST_F(PrefixStoreTest, AFullDiskLosesTheTextAndNothingElse) {
  open();
  keep(TinyModel::ids(60));
  const int64_t before = store_->bytes();
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{static_cast<rlim_t>(before + 1000), limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  keep(TinyModel::ids(60, 1));
  keep(TinyModel::ids(60, 2));
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(lines_.size(), 1U) << "said once";
  EXPECT_EQ(store_->bytes(), before);
  EXPECT_EQ(known(TinyModel::ids(60)), 60);
  EXPECT_EQ(known(TinyModel::ids(60, 1)), 0);
  keep(TinyModel::ids(60, 3));
  open();
  EXPECT_EQ(known(TinyModel::ids(60)), 60);
  EXPECT_EQ(known(TinyModel::ids(60, 3)), 60) << "when there is room again";
}

TEST_F(PrefixStoreTest, OneProgramAFolder) {
  open();
  const auto second = PrefixStore::open(tiny_->model->config(), options());
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another program"), std::string::npos);
  EXPECT_EQ(fs::status(folder_).permissions() & (fs::perms::group_all | fs::perms::others_all),
            fs::perms::none);
}

TEST_F(PrefixStoreTest, FilesThatAreNoSegmentsAreLeftAlone) {
  open();
  keep(TinyModel::ids(30));
  store_.reset();
  write(folder_ + "/notes.txt", "mine");
  write(folder_ + "/00000000000000zz.prefixes", "mine");
  fs::create_directory(folder_ + "/00000000000000ff.prefixes");
  open();
  EXPECT_EQ(known(TinyModel::ids(30)), 30);
  EXPECT_EQ(bytes_of(folder_ + "/notes.txt"), "mine");
}

}  // namespace
}  // namespace hadal
