// SPDX-License-Identifier: MIT
// A small vocabulary, and walks through masks.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/token_constraint.h"

namespace hadal {

inline constexpr int64_t kEnd = 256;     // the token that ends an answer
inline constexpr int64_t kMarker = 257;  // a control token that grammars may name
inline constexpr int64_t kOther = 258;   // … and one that none does
inline constexpr int64_t kFirstWord = 259;

// Every byte, three control tokens, and pieces as a tokenizer learns them: some end a JSON value
// and begin the next, some hold parts of characters, some are longer than the horizon.
inline std::shared_ptr<const Vocabulary> small_vocabulary() {
  std::vector<VocabularyToken> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({{static_cast<char>(byte)}});
  tokens.push_back({"<end>", true});
  tokens.push_back({"<marker>", true});
  tokens.push_back({"<other>", true});
  const std::vector<std::string> words = {"the",
                                          " the",
                                          "he",
                                          "name",
                                          "\"name",
                                          "\":",
                                          "\": ",
                                          "\",",
                                          "\", \"",
                                          "{\"",
                                          "\"}",
                                          "}}",
                                          "},{",
                                          "[[",
                                          "]]",
                                          "],",
                                          "], [",
                                          "\n  ",
                                          "\n    ",
                                          "  ",
                                          "    ",
                                          "12",
                                          "123",
                                          "00",
                                          "1.5",
                                          "-1",
                                          "e+",
                                          "true",
                                          "false",
                                          "null",
                                          "tru",
                                          "ue",
                                          "\\u",
                                          "\\n",
                                          "\\\"",
                                          "\\",
                                          "u00",
                                          "\xc3\xa9",
                                          "\xa9",
                                          "\xe2\x82",
                                          "\x82\xac",
                                          "\xf0\x9f",
                                          "\x98\x80",
                                          "caf\xc3",
                                          "ab",
                                          "abc",
                                          "abab",
                                          "yes",
                                          "no",
                                          "2026-11-",
                                          ":30",
                                          "00Z",
                                          "the",
                                          std::string(40, ' '),
                                          std::string(40, 'a'),
                                          std::string(33, '1'),
                                          "\"" + std::string(38, 'a') + "\","};
  for (const std::string& word : words) tokens.push_back({word});
  auto made = Vocabulary::make(std::move(tokens), 400);
  EXPECT_TRUE(made) << (made ? "" : made.error().message);
  return std::make_shared<const Vocabulary>(made.take());
}

inline std::shared_ptr<const TokenGrammar> compiled(Result<Grammar> grammar) {
  EXPECT_TRUE(grammar) << grammar.error().message;
  static const std::shared_ptr<const Vocabulary> kVocabulary = small_vocabulary();
  auto made = TokenGrammar::make(*grammar, kVocabulary);
  EXPECT_TRUE(made) << made.error().message;
  return *made;
}

inline std::unique_ptr<TokenConstraint> constraint(
    const std::shared_ptr<const TokenGrammar>& grammar) {
  return make_constraint(grammar, {.end_ids = {kEnd}, .gates = {}});
}

inline bool allows(TokenConstraint& constraint, int64_t token) {
  const std::span<const uint64_t> mask = constraint.allowed();
  return mask.empty() ||
         (mask[static_cast<size_t>(token) / 64] >> (static_cast<uint64_t>(token) % 64) & 1) != 0;
}

// Cut at random into tokens, is the text accepted, and may it end behind it?
inline bool accepts(const std::shared_ptr<const TokenGrammar>& grammar, std::string_view text,
                    uint32_t seed = 0) {
  const Vocabulary& vocabulary = grammar->vocabulary();
  std::minstd_rand random(seed + 1);
  const auto run = constraint(grammar);
  for (size_t at = 0; at < text.size();) {
    std::vector<int64_t> fitting;
    for (int64_t token = 0; token < vocabulary.size(); ++token) {
      const std::string_view bytes = vocabulary.bytes(token);
      if (!bytes.empty() && text.substr(at).starts_with(bytes)) fitting.push_back(token);
    }
    // With seed 0 byte by byte, which a vocabulary can always do.
    const int64_t token =
        seed == 0 ? static_cast<uint8_t>(text[at]) : fitting[random() % fitting.size()];
    if (!allows(*run, token)) return false;
    run->accept(token);
    at += vocabulary.bytes(token).size();
  }
  return allows(*run, kEnd);
}

// Accepted, whatever the tokens.
inline bool accepts_all_ways(const std::shared_ptr<const TokenGrammar>& grammar,
                             std::string_view text) {
  for (uint32_t seed = 0; seed < 6; ++seed)
    if (!accepts(grammar, text, seed)) return false;
  return true;
}

// Random tokens that the masks allow, until the answer ends.  Each answer is led to its end after
// some tokens by taking tokens that a sampler of short answers would: the shortest way is not
// known, so the closing ones are tried first.
inline std::string random_answer(const std::shared_ptr<const TokenGrammar>& grammar, uint32_t seed,
                                 size_t tokens = 60) {
  std::mt19937 random(seed);
  const auto run = constraint(grammar);
  std::string text;
  for (size_t count = 0; count < 20000; ++count) {
    std::vector<int64_t> allowed;
    for (int64_t token = 0; token < grammar->vocabulary().size(); ++token)
      if (allows(*run, token)) allowed.push_back(token);
    if (allowed.empty()) ADD_FAILURE() << "nothing is allowed behind " << text;
    if (allowed.empty()) return text;
    int64_t token = allowed[random() % allowed.size()];
    if (allows(*run, kEnd) && (random() % 8 == 0 || count > tokens)) token = kEnd;
    if (count > tokens)
      for (const char closing : {']', '}', '\\', '"'})
        if (random() % 4 != 0 && allows(*run, closing)) token = closing;
    if (allows(*run, kEnd) && count > tokens) token = kEnd;
    run->accept(token);
    if (run->finished()) return text;
    EXPECT_TRUE(token < 256 || token >= kFirstWord) << "a control token";
    text += grammar->vocabulary().bytes(token);
  }
  ADD_FAILURE() << "no end";
  return text;
}

}  // namespace hadal
