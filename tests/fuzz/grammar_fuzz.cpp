// SPDX-License-Identifier: MIT
// Schemas, regular expressions and EBNF as hostile input.  The first byte chooses the reader, the
// second how an answer is drawn; the rest is the text.  What compiles must let an answer go on at
// every step, and never leave its grammar.
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "grammar/token_constraint.h"

namespace {

using namespace hadal;

constexpr int64_t kEnd = 256;

std::shared_ptr<const Vocabulary> bytes_and_words() {
  std::vector<VocabularyToken> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({{static_cast<char>(byte)}, false});
  tokens.push_back({"<end>", true});
  for (const char* word :
       {"\":", "\",\"", "}}", "],[", "  ", "\n  ", "abc", "12", "true", "\xe2\x82"})
    tokens.push_back({word, false});
  auto made = Vocabulary::make(std::move(tokens), 300);
  CHECK(made, made.error().message);
  return std::make_shared<const Vocabulary>(made.take());
}

Result<Grammar> read(int kind, std::string_view text) {
  if (kind == 0) return regex_grammar(text);
  if (kind == 1) return ebnf_grammar(text);
  // The doors that schemas come through bound their depth; so does this one.
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' || c == '[' ? 1 : 0;
    if (depth > 2000) return fail("deep");
  }
  const auto schema = nlohmann::ordered_json::parse(text, nullptr, false);
  if (schema.is_discarded()) return fail("no JSON");
  return json_schema_grammar(schema);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  static const std::shared_ptr<const Vocabulary> kVocabulary = bytes_and_words();
  if (size < 2 || size > 4096) return 0;
  const auto rules = read(bytes[0] % 3, {reinterpret_cast<const char*>(bytes) + 2, size - 2});
  if (!rules) return 0;
  const auto grammar = TokenGrammar::make(*rules, kVocabulary);
  if (!grammar) return 0;
  const auto constraint = make_constraint(*grammar, {.end_ids = {kEnd}, .gates = {}});
  uint64_t choice = bytes[1];
  for (int count = 0; count < 24 && !constraint->finished(); ++count) {
    const std::span<const uint64_t> mask = constraint->allowed();
    std::vector<int64_t> allowed;
    for (int64_t token = 0; token < kVocabulary->size(); ++token)
      if (mask[static_cast<size_t>(token) / 64] >> (static_cast<uint64_t>(token) % 64) & 1)
        allowed.push_back(token);
    CHECK(!allowed.empty(), "an answer that cannot go on");
    choice = choice * 6364136223846793005ULL + 1442695040888963407ULL;
    constraint->accept(allowed[static_cast<size_t>((choice >> 33) % allowed.size())]);
  }
  return 0;
}
