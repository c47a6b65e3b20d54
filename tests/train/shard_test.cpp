// SPDX-License-Identifier: MIT
// Shards: what was written is read; what is damaged is refused with the place.
#include "train/shard.h"

#include <fstream>

#include "base/file.h"
#include "base/safetensors.h"
#include "testing.h"
#include "train/document_order.h"
#include "train/schedule.h"

namespace hadal {
namespace {

using testing::Folder;

TEST(ShardTest, ReadsWhatWasWritten) {
  Folder folder;
  ShardWriter writer("0123456789abcdef", 100);
  writer.add(std::vector<int32_t>{0, 99, 1}, 5);
  writer.add(std::vector<int32_t>{0, 1}, 0);
  ASSERT_TRUE(writer.write(folder / "a.shard"));
  Result<Shard> shard = Shard::open(folder / "a.shard");
  ASSERT_TRUE(shard) << shard.error().message;
  EXPECT_EQ(shard->documents(), 2);
  EXPECT_EQ(shard->token_count(), 5);
  EXPECT_EQ(shard->tokens(0)[1], 99);
  EXPECT_EQ(shard->length(1), 2);
  EXPECT_EQ(shard->text_bytes(0), 5);
  EXPECT_EQ(shard->vocab(), 100);
  EXPECT_EQ(shard->tokenizer(), "0123456789abcdef");
}

// Metadata and tensors of a shard that breaks one rule; the checksum is that of a good one.
Status open_changed(const Folder& folder, const std::vector<NamedTensor>& tensors,
                    const std::map<std::string, std::string>& metadata) {
  std::string path = folder / "changed.shard";
  EXPECT_TRUE(write_safetensors(path, tensors, metadata));
  Result<Shard> shard = Shard::open(path);
  if (!shard) return shard.error();
  return Ok{};
}

TEST(ShardTest, RefusesWhatIsNotAShard) {
  Folder folder;
  Tensor tokens = Tensor::zeros(DType::i32, {4});
  Tensor offsets = Tensor::of_ints({2}, {0, 4});
  Tensor bytes = Tensor::of_ints({1}, {3});
  std::map<std::string, std::string> metadata = {
      {"format", "hadal-shard-1"}, {"tokenizer", "x"}, {"vocab", "10"}, {"checksum", "0"}};
  std::vector<NamedTensor> good = {{"tokens", tokens}, {"offsets", offsets}, {"bytes", bytes}};

  Status status = open_changed(folder, good, metadata);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("checksum"), std::string::npos);
  EXPECT_FALSE(open_changed(folder, {{"tokens", tokens}}, metadata));
  EXPECT_FALSE(
      open_changed(folder, {{"tokens", bytes}, {"offsets", offsets}, {"bytes", bytes}}, metadata));
  for (const char* key : {"format", "tokenizer", "vocab", "checksum"}) {
    auto without = metadata;
    without.erase(key);
    EXPECT_FALSE(open_changed(folder, good, without)) << key;
  }
  for (const char* vocab : {"", "0", "-1", "99999999999999999999", "7x"}) {
    auto changed = metadata;
    changed["vocab"] = vocab;
    EXPECT_FALSE(open_changed(folder, good, changed)) << vocab;
  }
}

// The writer's own checksum over offsets and ids that are wrong.
TEST(ShardTest, RefusesIdsOutOfTheVocabulary) {
  Folder folder;
  for (int32_t id : {-1, 10}) {
    ShardWriter writer("x", 10);
    writer.add(std::vector<int32_t>{0, id}, 1);
    ASSERT_TRUE(writer.write(folder / "a.shard"));
    Result<Shard> shard = Shard::open(folder / "a.shard");
    ASSERT_FALSE(shard);
    EXPECT_NE(shard.error().message.find("token 1"), std::string::npos) << shard.error().message;
  }
}

TEST(ShardTest, RefusesEveryTruncation) {
  Folder folder;
  testing::write_documents(folder / "a.shard", 3, 4);
  Result<std::string> bytes = read_file(folder / "a.shard", 1 << 20);
  ASSERT_TRUE(bytes);
  for (size_t size = 0; size < bytes->size(); ++size) {
    std::ofstream(folder / "cut.shard", std::ios::binary) << bytes->substr(0, size);
    EXPECT_FALSE(Shard::open(folder / "cut.shard")) << size;
  }
}

TEST(ShardTest, RefusesEveryFlippedByteOfItsTensors) {
  Folder folder;
  testing::write_documents(folder / "a.shard", 2, 3);
  Result<std::string> bytes = read_file(folder / "a.shard", 1 << 20);
  ASSERT_TRUE(bytes);
  for (size_t i = bytes->size() - 60; i < bytes->size(); ++i) {
    std::string changed = *bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x11);
    std::ofstream(folder / "bad.shard", std::ios::binary) << changed;
    EXPECT_FALSE(Shard::open(folder / "bad.shard")) << i;
  }
}

std::vector<Shard> some_shards(const Folder& folder) {
  testing::write_documents(folder / "a.shard", 40, 30);
  std::vector<Shard> shards;
  shards.push_back(Shard::open(folder / "a.shard").take());
  return shards;
}

TEST(DocumentOrderTest, ReadsEveryDocumentOnceAnEpoch) {
  Folder folder;
  DocumentOrder order(some_shards(folder), {.seed = 3, .micro_tokens = 100, .max_length = 1000});
  std::vector<int> seen(40);
  for (int64_t i = 0; order.epoch_of(i) == 0; ++i) {
    int64_t tokens = 0;
    for (const Piece& piece : order.micro_batch(i)) {
      ++seen[static_cast<size_t>(piece.document)];
      tokens += piece.count;
    }
    EXPECT_LE(tokens, 100);
  }
  for (int count : seen) EXPECT_EQ(count, 1);
}

TEST(DocumentOrderTest, CutsLongDocumentsWithoutLosingATarget) {
  Folder folder;
  std::vector<Shard> shards = some_shards(folder);
  DocumentOrder order(shards, {.seed = 3, .micro_tokens = 100, .max_length = 10});
  std::vector<int64_t> tokens(40);
  for (int64_t i = 0; order.epoch_of(i) == 0; ++i)
    for (const Piece& piece : order.micro_batch(i)) {
      EXPECT_LE(piece.count, 10);
      tokens[static_cast<size_t>(piece.document)] += piece.count;
    }
  for (int64_t d = 0; d < 40; ++d)  // a last piece of one token has nothing to say
    EXPECT_GE(tokens[static_cast<size_t>(d)] + 1, shards[0].length(d));
}

TEST(DocumentOrderTest, DependsOnTheSeedAndTheIndexAlone) {
  Folder folder;
  std::vector<Shard> shards = some_shards(folder);
  DocumentOrder first(shards, {.seed = 3, .micro_tokens = 100, .max_length = 1000});
  DocumentOrder second(shards, {.seed = 3, .micro_tokens = 100, .max_length = 1000});
  DocumentOrder other(shards, {.seed = 4, .micro_tokens = 100, .max_length = 1000});
  auto documents = [](DocumentOrder& order, int64_t index) {
    std::vector<int64_t> ids;
    for (const Piece& piece : order.micro_batch(index)) ids.push_back(piece.document);
    return ids;
  };
  bool differs = false;
  std::vector<int64_t> late = documents(second, 45);  // the third epoch, without the first two
  for (int64_t i = 0; i < 45; ++i) differs |= documents(first, i) != documents(other, i);
  EXPECT_EQ(documents(first, 45), late);
  EXPECT_EQ(documents(first, 2), documents(second, 2));
  EXPECT_TRUE(differs);
}

TEST(ScheduleTest, WarmsUpStaysAndDecays) {
  Schedule schedule{
      .steps = 100, .warmup_steps = 10, .decay_start = 50, .peak_rate = 2, .final_rate = 1};
  EXPECT_DOUBLE_EQ(schedule.rate(0), 0.2);
  EXPECT_DOUBLE_EQ(schedule.rate(9), 2);
  EXPECT_DOUBLE_EQ(schedule.rate(49), 2);
  EXPECT_NEAR(schedule.rate(74), 1.5, 1e-12);  // half of the decay is done
  EXPECT_DOUBLE_EQ(schedule.rate(99), 1);
  EXPECT_DOUBLE_EQ(schedule.rate(200), 1);
}

}  // namespace
}  // namespace hadal
