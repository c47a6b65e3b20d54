// SPDX-License-Identifier: MIT
// `hadal bench verbs`.
#include "tools/bench_verbs.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/timed_ops.h"

namespace hadal {
namespace {

struct VerbsChoice {
  ModelChoice model;
  std::vector<int64_t> rows = {1, 2, 4, 8};
  int64_t context = 256, passes = 32, rounds = 5;
  bool one_stream = false;
};

double verbs_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

// VerbColumn over one number of rows: microseconds by verb, one a round.
struct VerbColumn {
  std::map<std::string, std::vector<double>> verbs;
  std::map<std::string, int64_t> calls;  // a pass
  std::vector<double> all;
};

class VerbsBench {
 public:
  VerbsBench(const VerbsChoice& choice, OpenModel& open, TimedOps& ops)
      : choice_(choice), open_(open), ops_(ops) {}

  std::vector<VerbColumn> run() {
    std::vector<VerbColumn> columns(choice_.rows.size());
    // One round more than is counted: the first touches the weights.
    for (int64_t round = 0; round <= choice_.rounds; ++round)
      for (size_t i = 0; i < columns.size(); ++i) {
        if (round == 0) columns[i] = {};
        measure(choice_.rows[i], columns[i]);
        if (round == 0) columns[i] = {};
      }
    return columns;
  }

 private:
  void measure(int64_t rows, VerbColumn& passes) {
    const int64_t streams = choice_.one_stream ? 1 : rows;
    const int64_t tokens = choice_.one_stream ? rows : 1;
    read_contexts(streams);
    ops_.clear();
    const auto start = std::chrono::steady_clock::now();
    for (int64_t pass = 0; pass < choice_.passes; ++pass) {
      Batch batch;
      for (int64_t stream = 0; stream < streams; ++stream)
        batch.append(stream, choice_.context + pass * tokens, made_up(tokens));
      for (int64_t row = 0; row < batch.rows(); ++row) batch.wanted.push_back(row);
      open_.model->forward(batch, *open_.cache);
    }
    const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - start;
    const double count = static_cast<double>(choice_.passes);
    passes.all.push_back(all.count() / count);
    double in_verbs = 0;
    for (const auto& [verb, time] : ops_.spent()) {
      passes.verbs[verb].push_back(1e6 * time.seconds / count);
      passes.calls[verb] = (time.calls + choice_.passes / 2) / choice_.passes;
      in_verbs += 1e6 * time.seconds / count;
    }
    passes.verbs["between"].push_back(passes.all.back() - in_verbs);
  }

  void read_contexts(int64_t streams) {
    const int64_t chunk = open_.cache->options().max_chunk;
    for (int64_t stream = 0; stream < streams; ++stream)
      for (int64_t at = 0; at < choice_.context; at += chunk) {
        Batch batch;
        batch.append(stream, at, made_up(std::min(chunk, choice_.context - at)));
        open_.model->states(batch, *open_.cache);
      }
  }

  std::vector<int64_t> made_up(int64_t count) {
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(random_.below(open_.config().text_vocab()));
    return ids;
  }

  const VerbsChoice& choice_;
  OpenModel& open_;
  TimedOps& ops_;
  Random random_{1};
};

std::string verb_line(const std::string& name, int64_t calls, const std::vector<double>& columns) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%-32s %5lld", name.c_str(),
                static_cast<long long>(calls));
  std::string row = text.data();
  for (const double microseconds : columns) {
    std::snprintf(text.data(), text.size(), " %9.1f", microseconds);
    row += text.data();
  }
  std::snprintf(text.data(), text.size(), "  %6.2fx\n",
                columns.back() / std::max(1e-9, columns.front()));
  return row + text.data();
}

std::string verbs_table(const VerbsChoice& choice, const std::vector<VerbColumn>& columns) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%-32s %5s", "microseconds a pass", "calls");
  std::string table = text.data();
  for (const int64_t rows : choice.rows) {
    std::snprintf(text.data(), text.size(), " %4lld rows", static_cast<long long>(rows));
    table += text.data();
  }
  table += "   times\n";
  std::set<std::string> names;
  for (const VerbColumn& passes : columns)
    for (const auto& [verb, series] : passes.verbs) names.insert(verb);
  for (const std::string& name : names) {
    std::vector<double> medians;
    int64_t calls = 0;
    for (const VerbColumn& passes : columns) {
      const auto found = passes.verbs.find(name);
      medians.push_back(found == passes.verbs.end() ? 0 : verbs_median(found->second));
      if (passes.calls.contains(name)) calls = passes.calls.at(name);
    }
    table += verb_line(name, calls, medians);
  }
  std::vector<double> all;
  all.reserve(columns.size());
  for (const VerbColumn& passes : columns) all.push_back(verbs_median(passes.all));
  return table + verb_line("the pass", 1, all);
}

Result<int> bench_verbs(const VerbsChoice& choice) {
  ModelChoice model = choice.model;
  const int64_t most = *std::max_element(choice.rows.begin(), choice.rows.end());
  if (model.context == 0) model.context = choice.context + choice.passes * most;
  std::unique_ptr<TimedOps> timed;
  OpenOptions options{
      .slots = choice.one_stream ? 1 : most, .needs_tokenizer = false, .stays = true};
  options.stand_before = [&timed](Ops& ops) -> Ops& {
    timed = std::make_unique<TimedOps>(ops);
    return *timed;
  };
  TRY(OpenModel open, open_model(model, options));
  TRY_STATUS(wait_for_weights(open, model.quiet));
  Output out;
  out.write(verbs_table(choice, VerbsBench(choice, open, *timed).run()));
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_bench_verbs(CLI::App& bench, Command& chosen) {
  CLI::App* command = bench.add_subcommand("verbs", "Where the time of a small pass goes");
  auto choice = std::make_shared<VerbsChoice>();
  command->add_option("--rows", choice->rows, "Tokens of a pass, one column each")
      ->delimiter(',')
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  command->add_option("--behind", choice->context, "Tokens before those of a pass")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command->add_option("--passes", choice->passes, "Passes that are timed together")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--rounds", choice->rounds, "Times to measure; the medians count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--one-stream", choice->one_stream,
                    "The tokens follow each other, instead of one each of so many streams");
  add_model_options(*command, choice->model);
  command->callback([choice, &chosen] { chosen = [choice] { return bench_verbs(*choice); }; });
}

}  // namespace hadal
