// SPDX-License-Identifier: MIT
// The Engram token map against maps computed by DeepSeek's own code.
#include "text/engram_keys.h"

#include <algorithm>
#include <cstring>

#include "testing.h"

namespace hadal {
namespace {

using nlohmann::json;

// A safetensors file: the length of the header (8 bytes), the header as JSON, the data.
std::vector<int64_t> int64_tensor(const std::string& file, const std::string& name) {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  json entry = json::parse(file.substr(8, header_bytes))[name];
  size_t begin = entry["data_offsets"][0];
  size_t end = entry["data_offsets"][1];
  std::vector<int64_t> values((end - begin) / sizeof(int64_t));
  std::memcpy(values.data(), file.data() + 8 + header_bytes + begin, end - begin);
  return values;
}

TEST(EngramKeys, NormalisesAsTheGoldenCases) {
  for (const json& item : json::parse(testing::read_golden("engram-hash/normalize_cases.json"))) {
    std::string text = item["text"];
    EXPECT_EQ(normalize_text(text), item["normalized"].get<std::string>()) << text;
    EXPECT_EQ(normalize_key(text), item["key"].get<std::string>()) << text;
  }
}

TEST(EngramKeys, MapEqualsTheGolden) {
  Tokenizer tokenizer = testing::golden_tokenizer();
  json golden = json::parse(testing::read_golden("engram-hash/token_map.json"));
  auto map = compressed_token_map(tokenizer, golden["vocab_size"]);
  ASSERT_TRUE(map);
  ASSERT_EQ(map->size(), golden["tokens"].size());
  for (const json& token : golden["tokens"]) {
    int32_t id = token["id"];
    EXPECT_EQ((*map)[id], token["compressed"].get<int32_t>()) << token.dump();
    EXPECT_EQ(tokenizer.token_text(id), token["token"].get<std::string>());
  }
  EXPECT_EQ(*std::max_element(map->begin(), map->end()) + 1,
            golden["compressed_vocab_size"].get<int32_t>());
}

TEST(EngramKeys, MapOfTheTinyV41ModelEqualsTheGolden) {
  auto map = compressed_token_map(testing::golden_tokenizer("v41-tiny"), 384);
  ASSERT_TRUE(map);
  EXPECT_EQ(
      std::vector<int64_t>(map->begin(), map->end()),
      int64_tensor(testing::read_golden("v41-tiny/expected.safetensors"), "engram.token_map"));
}

TEST(EngramKeys, IdsWithoutATokenAreKeysOfTheirOwn) {
  auto map = compressed_token_map(testing::golden_tokenizer(), 355);
  ASSERT_TRUE(map);
  EXPECT_EQ(std::vector<int32_t>(map->end() - 3, map->end()),
            (std::vector<int32_t>{283, 284, 285}));
  EXPECT_FALSE(compressed_token_map(testing::golden_tokenizer(), 351));
  EXPECT_FALSE(compressed_token_map(testing::golden_tokenizer(), int64_t{1} << 40));
}

}  // namespace
}  // namespace hadal
