// SPDX-License-Identifier: MIT
// The trainer against a plain recount of everything after every merge.
#include "text/bpe_trainer.h"

#include <cstdio>
#include <map>

#include "testing.h"
#include "text/byte_alphabet.h"
#include "text/chat.h"

namespace hadal {
namespace {

DocumentSource from(const std::vector<std::string>& documents) {
  return [&documents, next = size_t{0}](std::string_view& document) mutable {
    if (next == documents.size()) return false;
    document = documents[next++];
    return true;
  };
}

std::vector<std::string> small_corpus(uint64_t seed) {
  const char* words[] = {"the ",   "then ",    "there ", "aaaa",     "ababab ",
                         "中文",   "中国",     "12345",  "\n\n",     "  ",
                         "don't ", "x.size()", "é",      "\xFF\xFE", "banana "};
  std::mt19937_64 random(seed);
  std::vector<std::string> documents(20);
  for (std::string& document : documents)
    for (int i = 0; i < 60; ++i) document += words[random() % std::size(words)];
  return documents;
}

// Counts every pair of the corpus anew for each merge.
std::vector<std::pair<int32_t, int32_t>> naive_merges(const std::vector<std::string>& documents,
                                                      const TrainerOptions& options) {
  std::vector<std::string> tokens(3);
  std::map<std::string, int32_t> ids;
  for (uint8_t byte : bytes_in_alphabet_order()) {
    ids[std::string(1, static_cast<char>(byte))] = static_cast<int32_t>(tokens.size());
    tokens.emplace_back(1, static_cast<char>(byte));
  }
  std::vector<std::vector<int32_t>> words;
  Pretokenizer cutter = Pretokenizer::create(deepseek_split_patterns()).take();
  for (const std::string& document : documents)
    cutter.split(document, [&](std::string_view piece) {
      words.emplace_back();
      for (char byte : piece) words.back().push_back(ids[std::string(1, byte)]);
    });

  std::vector<std::pair<int32_t, int32_t>> merges;
  while (static_cast<int64_t>(tokens.size()) < options.vocab_size) {
    std::map<std::pair<int32_t, int32_t>, int64_t> counts;
    for (const auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i) ++counts[{word[i], word[i + 1]}];
    std::pair<int32_t, int32_t> best;
    int64_t best_count = options.min_count - 1;
    for (const auto& [pair, count] : counts) {
      size_t bytes = tokens[pair.first].size() + tokens[pair.second].size();
      if (count > best_count && static_cast<int64_t>(bytes) <= options.max_token_bytes) {
        best = pair;
        best_count = count;
      }
    }
    if (best_count < options.min_count) break;
    merges.push_back(best);
    std::string text = tokens[best.first] + tokens[best.second];
    auto [found, is_new] = ids.emplace(text, static_cast<int32_t>(tokens.size()));
    if (is_new) tokens.push_back(text);
    for (auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == best.first && word[i + 1] == best.second) {
          word[i] = found->second;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return merges;
}

TEST(BpeTrainer, MergesAreGreedy) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    std::vector<std::string> documents = small_corpus(seed);
    TrainerOptions options = {.vocab_size = 259 + 60, .max_token_bytes = seed == 1 ? 4 : 64};
    auto trained = train_bpe(from(documents), options);
    ASSERT_TRUE(trained);
    EXPECT_EQ(trained->merges, naive_merges(documents, options)) << seed;
    EXPECT_LE(static_cast<int64_t>(trained->tokens.size()), options.vocab_size);
  }
}

TEST(BpeTrainer, WritesWhatTheTokenizerReads) {
  std::vector<std::string> documents = small_corpus(9);
  auto trained = train_bpe(from(documents), {.vocab_size = 300});
  ASSERT_TRUE(trained);
  auto again = train_bpe(from(documents), {.vocab_size = 300});
  std::vector<AddedToken> controls;
  for (const char* name : {"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"})
    controls.push_back(
        {.id = static_cast<int32_t>(trained->tokens.size() + controls.size()), .content = name});
  controls.push_back({.id = static_cast<int32_t>(trained->tokens.size() + controls.size()),
                      .content = "<｜System｜>",
                      .special = false,
                      .normalized = true});
  auto text = tokenizer_json(*trained, controls);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_EQ(*text, *tokenizer_json(*again, controls));

  std::string path = ::testing::TempDir() + "/bpe_trainer_test.json";
  ASSERT_TRUE(write_tokenizer_json(path, *trained, controls));
  auto tokenizer = Tokenizer::open(path);
  std::remove(path.c_str());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->vocab_size(), static_cast<int64_t>(trained->tokens.size()) + 5);
  for (size_t id = 0; id < trained->tokens.size(); ++id)
    EXPECT_EQ(tokenizer->token_bytes(static_cast<int32_t>(id)), trained->tokens[id]);
  for (const std::string& document : documents) {
    std::vector<int32_t> ids = tokenizer->encode(document);
    EXPECT_EQ(tokenizer->decode(ids), document);
    EXPECT_LT(ids.size(), document.size() / 2);
  }
  EXPECT_TRUE(
      encode_chat(*tokenizer, {text_message(Role::user, "the banana")}, {.thinking = true}));

  auto layout = nlohmann::json::parse(*text);
  auto published = nlohmann::json::parse(testing::read_golden("engram-hash/tokenizer.json"));
  for (const char* key : {"version", "truncation", "padding", "normalizer", "pre_tokenizer",
                          "post_processor", "decoder"})
    EXPECT_EQ(layout[key], published[key]) << key;
  EXPECT_EQ(layout["added_tokens"][0], published["added_tokens"][0]);
  layout["model"].erase("vocab");
  layout["model"].erase("merges");
  published["model"].erase("vocab");
  published["model"].erase("merges");
  EXPECT_EQ(layout["model"], published["model"]);
}

TEST(BpeTrainer, RefusesBadSizesAndIds) {
  std::vector<std::string> documents = small_corpus(9);
  EXPECT_FALSE(train_bpe(from(documents), {.vocab_size = 258}));
  EXPECT_FALSE(train_bpe(from(documents), {.vocab_size = int64_t{1} << 40}));
  const std::vector<std::string> nothing;
  auto bytes_only = train_bpe(from(nothing), {.vocab_size = 1000});
  ASSERT_TRUE(bytes_only);
  EXPECT_EQ(bytes_only->tokens.size(), 259u);
  std::vector<AddedToken> gap = {{.id = 260, .content = "<x>"}};
  EXPECT_FALSE(tokenizer_json(*bytes_only, gap));
  std::vector<AddedToken> byte_token = {{.id = 259, .content = "a"}};
  EXPECT_FALSE(tokenizer_json(*bytes_only, byte_token));
}

}  // namespace
}  // namespace hadal
