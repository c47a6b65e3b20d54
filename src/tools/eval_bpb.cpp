// SPDX-License-Identifier: MIT
// Reads the documents one after another and adds up what they cost.
#include "tools/eval_bpb.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "train/shard.h"

namespace hadal {

namespace {

struct BpbOptions {
  ModelChoice model;
  std::string data;
  int64_t limit = 0;  // documents; 0: all
};

// -log of the probability that the row gives to `target`.
double surprise(const float* logits, int64_t vocab, int64_t target) {
  float most = *std::max_element(logits, logits + vocab);
  double sum = 0;
  for (int64_t v = 0; v < vocab; ++v) sum += std::exp(static_cast<double>(logits[v] - most));
  return std::log(sum) - static_cast<double>(logits[target] - most);
}

// Nats of one document's tokens after the first, read in pieces that the cache takes.
double nats_of(const OpenModel& open, std::span<const int32_t> ids) {
  int64_t vocab = open.config().text_vocab();
  int64_t piece = open.cache->options().max_chunk;
  int64_t count = static_cast<int64_t>(ids.size());
  double nats = 0;
  for (int64_t start = 0; start < count; start += piece) {
    int64_t end = std::min(start + piece, count);
    Batch batch;
    batch.append(0, start, std::vector<int64_t>(ids.begin() + start, ids.begin() + end));
    for (int64_t row = 0; row < batch.rows() && start + row + 1 < count; ++row)
      batch.wanted.push_back(row);
    if (batch.wanted.empty()) break;
    Tensor logits = open.ops->to_host(open.model->forward(batch, *open.cache));
    for (int64_t row : batch.wanted)
      nats += surprise(logits.data<float>() + row * vocab, vocab,
                       ids[static_cast<size_t>(start + row + 1)]);
  }
  return nats;
}

Result<int> measure(const BpbOptions& options) {
  TRY(Shard shard, Shard::open(options.data));
  int64_t longest = 1;
  for (int64_t d = 0; d < shard.documents(); ++d) longest = std::max(longest, shard.length(d));
  ModelChoice choice = options.model;
  if (choice.context == 0) choice.context = longest;
  TRY(OpenModel open, open_model(choice, {}));
  TRY_STATUS(check_tokenizer(open, shard, options.data));
  if (longest > open.cache->options().max_positions)
    return fail(options.data, ": a document of ", longest, " tokens, the context has ",
                open.cache->options().max_positions);
  int64_t documents = shard.documents();
  if (options.limit > 0) documents = std::min(documents, options.limit);
  double nats = 0;
  int64_t tokens = 0, bytes = 0;
  {
    ProgressLine progress("reading " + options.data, choice.quiet);
    for (int64_t d = 0; d < documents; ++d) {
      nats += nats_of(open, shard.tokens(d));
      tokens += shard.length(d) - 1;
      bytes += shard.text_bytes(d);
      progress.show(d + 1, documents);
    }
  }
  std::printf("%lld documents  %lld tokens  %lld bytes  %.4f nats/token  %.4f bits/byte\n",
              static_cast<long long>(documents), static_cast<long long>(tokens),
              static_cast<long long>(bytes), nats / static_cast<double>(tokens),
              nats / std::log(2.0) / static_cast<double>(bytes));
  return 0;
}

}  // namespace

Status check_tokenizer(const OpenModel& open, const Shard& shard, const std::string& path) {
  TRY(std::string json, read_tokenizer_json(open.folder + "/tokenizer.json"));
  if (fingerprint(json) != shard.tokenizer())
    return fail(path, ": made with another tokenizer than ", open.folder, "/tokenizer.json");
  return Ok{};
}

void add_bpb(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand("bpb", "Bits per byte of a model on held-out documents");
  auto options = std::make_shared<BpbOptions>();
  add_model_options(*command, options->model);
  command->add_option("--data", options->data, "Shard of documents (hadal data shards)")
      ->required();
  command->add_option("--limit", options->limit, "Only the first documents")
      ->check(CLI::PositiveNumber);
  command->callback([options, &chosen] { chosen = [options] { return measure(*options); }; });
}

}  // namespace hadal
