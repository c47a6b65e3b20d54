// SPDX-License-Identifier: MIT
// Haystacks with questions, as a shard.
#include "tools/data_needles.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "tools/haystack.h"
#include "train/shard.h"

namespace hadal {
namespace {

struct NeedleDataOptions {
  std::string out;
  int64_t documents = 1000;
  int64_t shortest = 128, longest = 512;
  int64_t fewest_words = kFewestWords;
  int64_t vocab = 512;
  uint64_t seed = 1;
};

Result<int> make_needle_shard(const NeedleDataOptions& options) {
  if (options.shortest > options.longest)
    return fail("--shortest ", options.shortest, " is above --longest ", options.longest);
  if (options.fewest_words > options.vocab - kFirstWord)
    return fail("--words ", options.fewest_words, ", --vocab leaves ", options.vocab - kFirstWord);
  // There is no tokenizer: the words are their ids.
  ShardWriter writer(fingerprint("needles " + std::to_string(options.vocab)), options.vocab);
  Random random(options.seed);
  for (int64_t d = 0; d < options.documents; ++d) {
    // Lengths as common as their logarithms: most documents are short, and quickly read.
    const double ratio =
        static_cast<double>(options.longest) / static_cast<double>(options.shortest);
    const double length = static_cast<double>(options.shortest) * std::pow(ratio, random.uniform());
    const NeedleDocument document = make_needle_document({.tokens = static_cast<int64_t>(length),
                                                          .fewest_words = options.fewest_words,
                                                          .vocab = options.vocab,
                                                          .bos_id = 0,
                                                          .seed = random.next()});
    writer.add(std::vector<int32_t>(document.ids.begin(), document.ids.end()), 0, document.given);
  }
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld documents, %lld tokens\n", options.out.c_str(),
              static_cast<long long>(writer.documents()),
              static_cast<long long>(writer.token_count()));
  return 0;
}

}  // namespace

void add_needle_data(CLI::App& data, Command& chosen) {
  CLI::App* command = data.add_subcommand(
      "needles", "Haystacks of random words with questions about them, as a shard");
  auto options = std::make_shared<NeedleDataOptions>();
  command->add_option("--out", options->out, "File to write")->required();
  command->add_option("--documents", options->documents, "How many")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->capture_default_str();
  const CLI::Range lengths(kShortestDocument, int64_t{1} << 20);
  command
      ->add_option("--shortest", options->shortest,
                   "Tokens of a document, half of them haystack, at most half questions")
      ->check(lengths)
      ->capture_default_str();
  command->add_option("--longest", options->longest, "Tokens of a document")
      ->check(lengths)
      ->capture_default_str();
  command
      ->add_option("--words", options->fewest_words,
                   "The fewest different words of a document; the most are all there are")
      ->check(CLI::Range(kFewestWords, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--vocab", options->vocab, "Ids: five control ids, the rest are words")
      ->check(CLI::Range(kFirstWord + kFewestWords, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of everything that is drawn")
      ->capture_default_str();
  command->callback(
      [options, &chosen] { chosen = [options] { return make_needle_shard(*options); }; });
}

}  // namespace hadal
