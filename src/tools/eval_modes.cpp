// SPDX-License-Identifier: MIT
// Both arithmetics read the same tokens; their distributions of the next one are compared.
#include "tools/eval_modes.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tools/open_model.h"
#include "tools/options.h"

namespace hadal {

namespace {

struct ModesOptions {
  ModelChoice model;
  std::vector<std::string> texts;
  std::string other, other_model;  // empty: cpu:fast; the same model
  int64_t tokens = 2048;
  double most_kl = 1e-3, least_agreement = 0.99;
};

constexpr int64_t kTextLimit = 64 << 20;  // bytes

struct Distance {
  double kl = 0, worst = 0;
  int64_t agreed = 0, tokens = 0;

  // KL(exact || fast) of one position, in nats.
  void add(const float* exact, const float* fast, int64_t vocab) {
    const auto log_sum = [vocab](const float* row) {
      const double most = *std::max_element(row, row + vocab);
      double sum = 0;
      for (int64_t v = 0; v < vocab; ++v) sum += std::exp(row[v] - most);
      return most + std::log(sum);
    };
    const double exact_sum = log_sum(exact), fast_sum = log_sum(fast);
    double nats = 0;
    for (int64_t v = 0; v < vocab; ++v) {
      const double log_exact = exact[v] - exact_sum;
      nats += std::exp(log_exact) * (log_exact - (fast[v] - fast_sum));
    }
    kl += nats;
    worst = std::max(worst, nats);
    agreed += std::max_element(exact, exact + vocab) - exact ==
              std::max_element(fast, fast + vocab) - fast;
    ++tokens;
  }
};

// Distributions can be compared where ids mean the same.
Status check_alike(const OpenModel& exact, const OpenModel& other) {
  TRY(const std::string ours, read_tokenizer_json(exact.folder + "/tokenizer.json"));
  TRY(const std::string theirs, read_tokenizer_json(other.folder + "/tokenizer.json"));
  if (ours != theirs || exact.config().text_vocab() != other.config().text_vocab())
    return fail(other.folder, ": another tokenizer or vocabulary than ", exact.folder);
  return Ok{};
}

// Logits of every position of one text, in pieces that the cache takes.
std::vector<float> logits_of(OpenModel& open, const std::vector<int64_t>& ids) {
  std::vector<float> all;
  const int64_t count = static_cast<int64_t>(ids.size());
  const int64_t piece = open.cache->options().max_chunk;
  for (int64_t start = 0; start < count; start += piece) {
    const int64_t end = std::min(start + piece, count);
    Batch batch;
    batch.append(0, start, std::vector<int64_t>(ids.begin() + start, ids.begin() + end));
    for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
    const Tensor logits = open.ops->to_host(open.model->forward(batch, *open.cache));
    all.insert(all.end(), logits.data<float>(), logits.data<float>() + logits.count());
  }
  return all;
}

Result<int> compare(const ModesOptions& options) {
  ModelChoice choice = options.model;
  if (choice.context == 0) choice.context = options.tokens;
  choice.backend = "cpu";
  TRY(OpenModel exact, open_model(choice, {}));
  if (!options.other_model.empty()) choice.folder = options.other_model;
  if (!options.other.empty() || options.other_model.empty())
    choice.backend = options.other.empty() ? "cpu:fast" : options.other;
  TRY(OpenModel fast, open_model(choice, {}));
  TRY_STATUS(check_alike(exact, fast));
  std::printf("exact: %s   other: %s\n", std::string(exact.ops->name()).c_str(),
              std::string(fast.ops->name()).c_str());
  Distance all;
  for (const std::string& path : options.texts) {
    TRY(const std::string text, read_file(path, kTextLimit));
    std::vector<int64_t> ids = {exact.config().bos_id};
    for (const int32_t id : exact.tokenizer->encode(text)) ids.push_back(id);
    ids.resize(static_cast<size_t>(
        std::min({static_cast<int64_t>(ids.size()), options.tokens, choice.context})));
    const std::vector<float> expected = logits_of(exact, ids), found = logits_of(fast, ids);
    const int64_t vocab = exact.config().text_vocab();
    for (size_t at = 0; at < expected.size(); at += static_cast<size_t>(vocab))
      all.add(expected.data() + at, found.data() + at, vocab);
  }
  const double tokens = static_cast<double>(std::max<int64_t>(all.tokens, 1));
  const double kl = all.kl / tokens, agreement = static_cast<double>(all.agreed) / tokens;
  std::printf("%lld tokens   KL %.2e nats/token (worst %.2e)   same likeliest token %.2f %%\n",
              static_cast<long long>(all.tokens), kl, all.worst, 100 * agreement);
  return kl <= options.most_kl && agreement >= options.least_agreement ? 0 : 1;
}

}  // namespace

void add_modes(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand(
      "modes", "How far a faster arithmetic or smaller weights are from the exact ones");
  auto options = std::make_shared<ModesOptions>();
  add_model_options(*command, options->model);
  command->add_option("TEXT", options->texts, "Files of text to read")->required();
  command->add_option(
      "--other", options->other,
      "Back end that is compared with cpu (default: cpu:fast; cpu for another model)");
  command->add_option(
      "--other-model", options->other_model,
      "Folder of another model of the same tokenizer, for instance a quantised one");
  command->add_option("--tokens", options->tokens, "At most so many of each file")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--most-kl", options->most_kl, "Nats a token that are allowed")
      ->capture_default_str();
  command->add_option("--least-agreement", options->least_agreement, "Share of tokens, 0 to 1")
      ->capture_default_str();
  command->footer(
      "Examples:\n  hadal eval modes README.md CONTRIBUTING.md\n"
      "  hadal eval modes --other cpu:avx2 README.md\n"
      "  hadal eval modes --model models/nano --other-model /tmp/nano-4bit README.md\n"
      "Exits with 1 where the other arithmetic is further away than allowed.");
  command->callback([options, &chosen] { chosen = [options] { return compare(*options); }; });
}

}  // namespace hadal
