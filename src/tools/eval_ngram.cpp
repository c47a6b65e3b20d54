// SPDX-License-Identifier: MIT
// Counts one shard, measures on another.
#include "tools/eval_ngram.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "train/ngram.h"
#include "train/shard.h"

namespace hadal {

namespace {

struct NgramOptions {
  std::string train, valid;
  int64_t order = 5;
};

constexpr int64_t kVocabLimit = 1 << 16;  // ids are 16 bits of a key

Result<int> measure(const NgramOptions& options) {
  TRY(Shard train, Shard::open(options.train));
  TRY(Shard valid, Shard::open(options.valid));
  if (train.tokenizer() != valid.tokenizer())
    return fail(options.valid, ": made with another tokenizer than ", options.train);
  if (train.vocab() > kVocabLimit)
    return fail(options.train, ": a vocabulary of ", train.vocab(), ", at most ", kVocabLimit);
  NgramModel model(options.order);
  for (int64_t d = 0; d < train.documents(); ++d) model.learn(train.tokens(d));
  model.finish(train.vocab());
  double bits = 0;
  int64_t tokens = 0, bytes = 0;
  for (int64_t d = 0; d < valid.documents(); ++d) {
    std::span<const int32_t> ids = valid.tokens(d);
    for (size_t i = 1; i < ids.size(); ++i)
      bits -= std::log2(model.probability(ids.first(i), ids[i]));
    tokens += valid.length(d) - 1;
    bytes += valid.text_bytes(d);
  }
  std::printf(
      "%lld-gram model, %lld entries: %lld tokens  %lld bytes  %.4f nats/token  "
      "%.4f bits/byte\n",
      static_cast<long long>(options.order), static_cast<long long>(model.entries()),
      static_cast<long long>(tokens), static_cast<long long>(bytes),
      bits * std::log(2.0) / static_cast<double>(tokens), bits / static_cast<double>(bytes));
  return 0;
}

}  // namespace

void add_ngram(CLI::App& eval, Command& chosen) {
  CLI::App* command =
      eval.add_subcommand("ngram", "Bits per byte of a token n-gram model, as a baseline");
  auto options = std::make_shared<NgramOptions>();
  command->add_option("--train", options->train, "Shard to count")->required();
  command->add_option("--valid", options->valid, "Shard to measure")->required();
  command->add_option("--order", options->order, "Tokens of an n-gram")->check(CLI::Range(1, 5));
  command->callback([options, &chosen] { chosen = [options] { return measure(*options); }; });
}

}  // namespace hadal
