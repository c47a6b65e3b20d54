// SPDX-License-Identifier: MIT
// Answers of random tokens, held to forms.
#include "tools/bench_masks.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "base/random.h"
#include "grammar/ebnf.h"
#include "grammar/json_schema.h"
#include "grammar/regex.h"
#include "grammar/token_constraint.h"

namespace hadal {
namespace {

// Time of this thread alone: what else the machine does is not the masks' cost.
struct ThreadClock {
  using duration = std::chrono::nanoseconds;
  static duration now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  }
};

constexpr int64_t kTokens = 129'280;  // of the published models
constexpr int64_t kEnd = 256;
constexpr int64_t kAnswers = 20;
constexpr int64_t kLongestAnswer = 400;

double micros_since(ThreadClock::duration start) {
  return std::chrono::duration<double, std::micro>(ThreadClock::now() - start).count();
}

// Words of syllables, with and without a blank; words of two scripts beyond ASCII; numbers; and
// runs of the signs that programs and JSON are made of.
std::string made_up_token(Random& random) {
  static constexpr std::array<const char*, 24> kSyllables = {
      "a", "con", "de", "er", "f", "gra",  "hi", "in",  "ka", "lo", "men", "ne",
      "o", "pre", "qu", "ra", "s", "tion", "u",  "ver", "wi", "x",  "y",   "ze"};
  static constexpr std::array<const char*, 20> kSigns = {"\"", "\":", "\",", "{", "}", "[",  "]",
                                                         ",",  ":",   "(",   ")", ";", "\n", " ",
                                                         "  ", "=",   "\\",  "/", "-", "."};
  const auto below = [&](uint64_t n) {
    return static_cast<size_t>(random.below(static_cast<int64_t>(n)));
  };
  const size_t kind = below(100);
  std::string token = kind < 45 || kind % 7 == 0 ? " " : "";
  const size_t parts = 1 + below(4);
  for (size_t i = 0; i < parts; ++i) {
    if (kind < 60)
      token += kSyllables[below(kSyllables.size())];
    else if (kind < 85)
      token += utf8_of(static_cast<char32_t>(0x4e00 + below(4000)));
    else if (kind < 90)
      token += utf8_of(static_cast<char32_t>(0x430 + below(32)));
    else if (kind < 93)
      token += std::to_string(below(1000));
    else
      token += kSigns[below(kSigns.size())];
  }
  return kind == 99 ? token + std::string(below(64), ' ') : token;
}

Result<std::shared_ptr<const Vocabulary>> made_up_vocabulary() {
  Random random(1);
  std::vector<VocabularyToken> tokens;
  std::set<std::string> known;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back({{static_cast<char>(byte)}, false});
  tokens.push_back({"<end>", true});
  while (static_cast<int64_t>(tokens.size()) < kTokens) {
    std::string token = made_up_token(random);
    if (token.size() > 1 && known.insert(token).second) tokens.push_back({std::move(token), false});
  }
  TRY(Vocabulary vocabulary, Vocabulary::make(std::move(tokens), kTokens));
  return std::make_shared<const Vocabulary>(std::move(vocabulary));
}

// A token that the mask allows, and not always the same.
int64_t some_allowed(std::span<const uint64_t> mask, Random& random) {
  const size_t first = static_cast<size_t>(random.below(static_cast<int64_t>(mask.size())));
  for (size_t i = 0; i < mask.size(); ++i) {
    const size_t at = (first + i) % mask.size();
    if (mask[at] == 0) continue;
    return static_cast<int64_t>(at * 64) + __builtin_ctzll(mask[at]);
  }
  CHECK(false, "an empty mask");
}

// Microseconds a token, of answers that are the first to have the form, of further ones, and of
// those said once more, when all that can be known of the form is known.
struct Cost {
  double compile = 0;  // microseconds
  std::vector<double> first, further, again;
};

std::string summary(std::vector<double> costs) {
  std::sort(costs.begin(), costs.end());
  const double mean = std::accumulate(costs.begin(), costs.end(), 0.0) /
                      static_cast<double>(std::max<size_t>(1, costs.size()));
  std::array<char, 80> text{};
  std::snprintf(text.data(), text.size(), " | %7.1f %7.1f %7.1f", mean, costs[costs.size() / 2],
                costs[costs.size() * 99 / 100]);
  return text.data();
}

double mean_of(const std::vector<double>& costs) {
  return std::accumulate(costs.begin(), costs.end(), 0.0) / static_cast<double>(costs.size());
}

void answer(const std::shared_ptr<const TokenGrammar>& grammar, int64_t seed,
            std::vector<double>& costs) {
  Random random(static_cast<uint64_t>(seed) + 7);
  const auto constraint = make_constraint(grammar, {.end_ids = {kEnd}, .gates = {}});
  for (int64_t token = 0; token < kLongestAnswer && !constraint->finished(); ++token) {
    const auto begin = ThreadClock::now();
    const std::span<const uint64_t> mask = constraint->allowed();
    const double masked = micros_since(begin);
    const int64_t id = some_allowed(mask, random);
    const auto again = ThreadClock::now();
    constraint->accept(id);
    costs.push_back(masked + micros_since(again));
  }
}

Result<Cost> measure(const Result<Grammar>& rules,
                     const std::shared_ptr<const Vocabulary>& vocabulary) {
  if (!rules) return rules.error();
  Cost cost;
  std::shared_ptr<const TokenGrammar> grammar;
  for (int64_t seed = 0; seed < kAnswers; ++seed) {
    const auto start = ThreadClock::now();
    TRY(grammar, TokenGrammar::make(*rules, vocabulary));
    cost.compile += micros_since(start) / kAnswers;
    answer(grammar, seed, cost.first);
  }
  for (int64_t seed = 0; seed < kAnswers; ++seed) answer(grammar, seed, cost.further);
  for (int64_t seed = 0; seed < kAnswers; ++seed) answer(grammar, seed, cost.again);
  return cost;
}

std::vector<std::pair<std::string, Result<Grammar>>> forms() {
  using Json = nlohmann::ordered_json;
  const Json person = {{"type", "object"},
                       {"properties",
                        {{"name", {{"type", "string"}}},
                         {"bio", {{"type", "string"}, {"maxLength", 400}}},
                         {"age", {{"type", "integer"}, {"minimum", 0}, {"maximum", 150}}},
                         {"tags", {{"type", "array"}, {"items", {{"type", "string"}}}}},
                         {"mail", {{"type", "string"}, {"format", "email"}}},
                         {"friend", {{"anyOf", {{{"$ref", "#"}}, {{"type", "null"}}}}}}}},
                       {"required", {"name", "bio", "age", "tags"}}};
  std::vector<std::pair<std::string, Result<Grammar>>> forms;
  forms.emplace_back("JSON object", json_object_grammar());
  forms.emplace_back("JSON schema", json_schema_grammar(person));
  forms.emplace_back("regex", regex_grammar("([A-Z][a-z]+ ){2,8}\\d{4}-\\d{2}-\\d{2}: .{1,300}"));
  forms.emplace_back("EBNF", ebnf_grammar("root ::= line+\n"
                                          "line ::= [a-z]+ \" = \" sum \"\\n\"\n"
                                          "sum ::= term ((\" + \" | \" - \") term)*\n"
                                          "term ::= [0-9]{1,9} | [a-z]+ | \"(\" sum \")\"\n"));
  return forms;
}

}  // namespace

Result<std::string> mask_costs(double step_seconds) {
  TRY(const auto vocabulary, made_up_vocabulary());
  std::array<char, 200> line{};
  std::snprintf(line.data(), line.size(), "a step of the model: %.0f microseconds\n",
                step_seconds * 1e6);
  std::string table = line.data();
  table +=
      "masks at a vocabulary of 129,280, microseconds a token: mean, median, 99th percentile\n"
      "form            compile |    first answers        |    further ones         |"
      "    said again           | of a step: first, further, again\n";
  for (const auto& [name, rules] : forms()) {
    TRY(const Cost cost, measure(rules, vocabulary));
    std::snprintf(line.data(), line.size(), "%-14s %8.0f", name.c_str(), cost.compile);
    table += line.data() + summary(cost.first) + summary(cost.further) + summary(cost.again);
    const double percent = 100 / (step_seconds * 1e6);
    std::snprintf(line.data(), line.size(), " | %5.1f %5.1f %5.1f %%\n",
                  mean_of(cost.first) * percent, mean_of(cost.further) * percent,
                  mean_of(cost.again) * percent);
    table += line.data();
  }
  return table;
}

}  // namespace hadal
