// SPDX-License-Identifier: MIT
// Reads a haystack once, and asks for each of its needles.
#include "tools/eval_needles.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "tools/haystack.h"
#include "tools/needle_plot.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pace.h"
#include "tools/progress.h"

namespace hadal {
namespace {

struct NeedlesOptions {
  ModelChoice model;
  int64_t tokens = 65536;
  HaystackOptions haystack{.needles = 50};
  bool dense = false;
  std::string svg;
};

// What one way of looking found.
struct Findings {
  std::vector<NeedleAnswer> answers;
  std::vector<int64_t> words;  // the likeliest answers
  double read_seconds = 0, ask_seconds = 0;
  int64_t asked_tokens = 0;  // of the questions

  int64_t found() const {
    return std::count_if(answers.begin(), answers.end(),
                         [](const NeedleAnswer& answer) { return answer.found; });
  }
};

// Attention to all entries lists them for every row of a chunk: chunks must be small.
constexpr int64_t kSparseChunk = 512, kDenseChunk = 32;
// Behind the haystack: the question and the answer.
constexpr int64_t kQuestionTokens = 3;

double probability_of(std::span<const float> logits, int64_t id) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return std::exp(logits[static_cast<size_t>(id)] - most) / sum;
}

// In slices, so that there is something to show.
Status read_haystack(Session& session, const std::vector<int64_t>& ids, bool quiet) {
  const std::span<const int64_t> all(ids);
  const size_t slice = std::max<size_t>(4096, ids.size() / 64);
  ProgressLine progress("reading the haystack", quiet);
  for (size_t end = 0; end < ids.size();) {
    end = std::min(ids.size(), end + slice);
    TRY(const Prefill prefill, session.extend(all.first(end), nullptr));
    CHECK(prefill.reused + prefill.read == static_cast<int64_t>(end), prefill.reused);
    progress.show(static_cast<int64_t>(end), static_cast<int64_t>(ids.size()));
  }
  return Ok{};
}

// Behind the haystack, which stays read.
Status ask(Session& session, const Haystack& haystack, const Needle& needle, Findings& findings) {
  std::vector<int64_t> ids = haystack.ids;
  for (int64_t id : question(needle)) ids.push_back(id);
  TRY(const Prefill prefill, session.extend(ids, nullptr));
  CHECK(prefill.reused >= static_cast<int64_t>(haystack.ids.size()), prefill.reused,
        " tokens were kept of a haystack of ", haystack.ids.size());
  findings.asked_tokens += prefill.read;
  const std::span<const float> logits = session.logits();
  const int64_t word = std::max_element(logits.begin(), logits.end()) - logits.begin();
  findings.answers.push_back({.place = needle.place,
                              .found = word == needle.value,
                              .probability = probability_of(logits, needle.value)});
  findings.words.push_back(word);
  return Ok{};
}

Result<Findings> look(const NeedlesOptions& options, const Haystack& haystack, bool dense) {
  ModelChoice choice = options.model;
  choice.context = options.tokens;
  TRY(OpenModel open, open_model(choice, {.max_chunk = dense ? kDenseChunk : kSparseChunk,
                                          .needs_tokenizer = false}));
  open.model->options().dense_selection = dense;
  Findings findings;
  const auto start = SteadyClock::now();
  TRY_STATUS(read_haystack(*open.session, haystack.ids, choice.quiet));
  findings.read_seconds = seconds_since(start);
  const auto asking = SteadyClock::now();
  for (const Needle& needle : haystack.needles)
    TRY_STATUS(ask(*open.session, haystack, needle, findings));
  findings.ask_seconds = seconds_since(asking);
  return findings;
}

std::string report(const char* name, const Haystack& haystack, const Findings& findings) {
  double least = 1;
  for (const NeedleAnswer& answer : findings.answers) least = std::min(least, answer.probability);
  std::array<char, 320> text{};
  std::snprintf(text.data(), text.size(),
                "%-7s found %lld of %zu   least probability of a value %.4f   read in %.1f s "
                "(%.0f tokens/s)   %.2f ms a token of a question\n",
                name, static_cast<long long>(findings.found()), haystack.needles.size(), least,
                findings.read_seconds,
                static_cast<double>(haystack.ids.size()) / findings.read_seconds,
                1e3 * findings.ask_seconds / static_cast<double>(findings.asked_tokens));
  std::string lines = text.data();
  for (size_t i = 0; i < findings.answers.size(); ++i)
    if (const NeedleAnswer& answer = findings.answers[i]; !answer.found) {
      std::snprintf(text.data(), text.size(),
                    "        missed the needle at %lld, probability %.4f\n",
                    static_cast<long long>(answer.place), answer.probability);
      lines += text.data();
    }
  return lines;
}

Result<int> find_needles(NeedlesOptions options) {
  TRY(const std::string folder, model_folder(options.model));
  TRY(const ModelConfig config, ModelConfig::open(folder));
  HaystackOptions& hay = options.haystack;
  hay.tokens = options.tokens - kQuestionTokens;
  hay.vocab = config.text_vocab();
  hay.bos_id = config.bos_id;
  if (!fits_haystack(hay))
    return fail(hay.needles, " needles do not fit into ", hay.tokens, " tokens of a vocabulary of ",
                hay.vocab);
  const Haystack haystack = make_haystack(hay);
  Output out;
  TRY(const Findings sparse, look(options, haystack, false));
  out.write(std::to_string(options.tokens) + " tokens, " + std::to_string(hay.needles) +
            " needles; " + folder + "\n");
  out.write(report("sparse", haystack, sparse));
  bool all = sparse.found() == hay.needles;
  if (options.dense) {
    TRY(const Findings dense, look(options, haystack, true));
    int64_t same = 0;
    for (size_t i = 0; i < dense.words.size(); ++i) same += dense.words[i] == sparse.words[i];
    out.write(report("dense", haystack, dense));
    out.write("same answers of both: " + std::to_string(same) + " of " +
              std::to_string(hay.needles) + "\n");
    all = all && same == hay.needles;
  }
  if (!options.svg.empty()) {
    const std::string title = std::to_string(sparse.found()) + " of " +
                              std::to_string(hay.needles) + " needles found in " +
                              std::to_string(options.tokens) + " tokens";
    TRY_STATUS(write_file(options.svg, needle_plot(title, hay.tokens, sparse.answers)));
  }
  TRY_STATUS(out.finish());
  return all ? 0 : 1;
}

}  // namespace

void add_needles(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand(
      "needles", "Whether a model finds what stands anywhere in a long context");
  auto options = std::make_shared<NeedlesOptions>();
  HaystackOptions& hay = options->haystack;
  add_model_options(*command, options->model);
  command
      ->add_option("--tokens", options->tokens,
                   "Length of the context: the haystack, a question and its answer")
      ->check(CLI::Range(int64_t{256}, int64_t{1} << 24))
      ->capture_default_str();
  command->add_option("--needles", hay.needles, "What is asked for, spread evenly")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 16))
      ->capture_default_str();
  command->add_option("--seed", hay.seed, "Of the haystack")->capture_default_str();
  command->add_flag("--dense", options->dense,
                    "Look again with attention to all entries, and compare the answers");
  command->add_option("--svg", options->svg, "File for a plot: depth against probability");
  command->footer(
      "Example:\n"
      "  hadal eval needles --model DIR --tokens 1048576 --svg depth.svg\n"
      "Exits with 1 where a needle is missed, or where the answers differ.");
  command->callback([options, &chosen] { chosen = [options] { return find_needles(*options); }; });
}

}  // namespace hadal
