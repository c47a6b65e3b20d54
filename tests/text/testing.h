// SPDX-License-Identifier: MIT
// What the text tests share: golden files, a small tokenizer, a fixed source of randomness.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "text/tokenizer.h"

namespace hadal::testing {

inline std::string read_golden(const std::string& name) {
  std::ifstream stream(std::string(HADAL_TESTS_DIR) + "/goldens/" + name, std::ios::binary);
  EXPECT_TRUE(stream) << name;
  return {std::istreambuf_iterator<char>(stream), {}};
}

inline Tokenizer golden_tokenizer(const std::string& folder = "engram-hash") {
  auto tokenizer = Tokenizer::parse(read_golden(folder + "/tokenizer.json"), folder);
  if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
  return tokenizer.take();
}

// The golden tokenizer with these control tokens added at its end.
inline Tokenizer tokenizer_with(const std::vector<std::string>& control_tokens) {
  auto file = nlohmann::json::parse(read_golden("engram-hash/tokenizer.json"));
  int64_t id = 352;
  for (const std::string& content : control_tokens)
    file["added_tokens"].push_back({{"id", id++}, {"content", content}, {"special", true}});
  auto tokenizer = Tokenizer::parse(file.dump(), "with control tokens");
  if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
  return tokenizer.take();
}

inline std::string random_bytes(std::mt19937_64& random, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes += static_cast<char>(random() & 0xFF);
  return bytes;
}

}  // namespace hadal::testing
