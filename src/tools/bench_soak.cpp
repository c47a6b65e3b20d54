// SPDX-License-Identifier: MIT
// Clients for a time, rests in between, a verdict.
#include "tools/bench_soak.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "tools/machine.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pace.h"
#include "tools/soak_client.h"
#include "tools/soak_server.h"

namespace hadal {
namespace {

using SoakJson = nlohmann::ordered_json;

constexpr int64_t kStages = 10;
// Caches fill in the first half; what grows after it grows for ever.  Pages that the allocator
// keeps come and go by some megabytes.
constexpr int64_t kWarmStages = kStages / 2;
constexpr int64_t kMostGrowth = 24 << 20;
// Answers of at most 24 tokens end soon after the last client rests.
constexpr std::chrono::seconds kCalmTime{60};

struct SoakChoice {
  ModelChoice model;
  int64_t seconds = 3600, clients = 8, slots = 4;
  uint64_t seed = 1;
  bool json = false;
};

struct SoakStage {
  double minutes = 0;  // since the start
  int64_t requests = 0, right = 0, refused = 0, wrong = 0;
  SoakLevels levels;
  bool calm = false;
};

int64_t sum_of(const std::array<int64_t, kSoakActs>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0});
}

class Soak {
 public:
  Soak(const SoakChoice& choice, SoakServer& server, const SoakLevels& before, bool draws)
      : choice_(choice), server_(server), before_(before) {
    for (int64_t i = 0; i < choice.clients; ++i)
      clients_.push_back(std::make_unique<SoakClient>(
          server.port(), seed_for(choice.seed, "client " + std::to_string(i)), draws));
  }

  Result<SoakStage> stage() {
    const SoakTally tally =
        run(std::chrono::duration<double>(static_cast<double>(choice_.seconds) / kStages), [] {});
    all_.add(tally);
    SoakStage stage{.minutes = minutes(),
                    .right = sum_of(tally.right),
                    .refused = sum_of(tally.refused),
                    .wrong = sum_of(tally.wrong),
                    .levels = {}};
    stage.requests = stage.right + stage.refused + stage.wrong;
    TRY(stage.levels, calm_levels());
    stage.calm = stage.levels.same_pools(before_);
    return stage;
  }

  // SIGTERM in the midst of requests; what clients then see is that it goes.
  Result<int> end() {
    Result<int> code = 0;
    run(std::chrono::duration<double>(1), [&] { code = server_.terminate(); });
    return code;
  }

  const SoakTally& all() const { return all_; }

 private:
  double minutes() const {
    return std::chrono::duration<double>(SteadyClock::now() - start_).count() / 60;
  }

  // All clients for some time, then `meanwhile`, then no more.
  template <typename Meanwhile>
  SoakTally run(std::chrono::duration<double> time, const Meanwhile& meanwhile) {
    std::atomic<bool> over{false};
    std::vector<SoakTally> tallies(clients_.size());
    std::vector<std::thread> threads;
    for (size_t i = 0; i < clients_.size(); ++i)
      threads.emplace_back([&, i] {
        while (!over) clients_[i]->act(tallies[i]);
        clients_[i]->rest();
      });
    std::this_thread::sleep_for(time);
    meanwhile();
    over = true;
    for (std::thread& thread : threads) thread.join();
    SoakTally all;
    for (const SoakTally& tally : tallies) all.add(tally);
    return all;
  }

  // Once nothing moves any more, or the time is over.
  Result<SoakLevels> calm_levels() const {
    const SteadyClock::time_point limit = SteadyClock::now() + kCalmTime;
    while (true) {
      if (!server_.alive()) return fail("the server is gone");
      TRY(const SoakLevels levels, server_.levels());
      if (levels.same_pools(before_) || SteadyClock::now() > limit) return levels;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  const SoakChoice& choice_;
  SoakServer& server_;
  const SoakLevels before_;
  const SteadyClock::time_point start_ = SteadyClock::now();
  std::vector<std::unique_ptr<SoakClient>> clients_;
  SoakTally all_;
};

std::string stage_line(const SoakStage& stage) {
  std::array<char, 200> text{};
  const SoakLevels& levels = stage.levels;
  std::snprintf(
      text.data(), text.size(), "%7.2f %9lld %8lld %8lld %6lld %9.1f MiB  %s\n", stage.minutes,
      static_cast<long long>(stage.requests), static_cast<long long>(stage.right),
      static_cast<long long>(stage.refused), static_cast<long long>(stage.wrong),
      static_cast<double>(levels.resident_bytes) / (1 << 20), stage.calm ? "nothing" : "something");
  return text.data();
}

float at_share(std::vector<float> seconds, double share) {
  if (seconds.empty()) return 0;
  std::sort(seconds.begin(), seconds.end());
  return seconds[static_cast<size_t>(share * static_cast<double>(seconds.size() - 1))];
}

std::string acts_table(const SoakTally& all) {
  std::string table = "\n                      right  refused  wrong   p50, ms   p95, ms\n";
  for (size_t act = 0; act < kSoakActs; ++act) {
    std::array<char, 200> text{};
    std::snprintf(text.data(), text.size(), "%-18s %8lld %8lld %6lld %9.1f %9.1f\n",
                  soak_act_name(static_cast<SoakAct>(act)).data(),
                  static_cast<long long>(all.right[act]), static_cast<long long>(all.refused[act]),
                  static_cast<long long>(all.wrong[act]), 1e3F * at_share(all.seconds[act], 0.5),
                  1e3F * at_share(all.seconds[act], 0.95));
    table += text.data();
  }
  return table;
}

SoakJson soak_json(const std::vector<SoakStage>& stages, const SoakTally& all, int exit_code) {
  SoakJson rows = SoakJson::array(), acts = SoakJson::object();
  for (const SoakStage& stage : stages)
    rows.push_back({{"minutes", stage.minutes},
                    {"requests", stage.requests},
                    {"right", stage.right},
                    {"refused", stage.refused},
                    {"wrong", stage.wrong},
                    {"resident_bytes", stage.levels.resident_bytes},
                    {"pools_back", stage.calm}});
  for (size_t act = 0; act < kSoakActs; ++act)
    acts[std::string(soak_act_name(static_cast<SoakAct>(act)))] = {
        {"right", all.right[act]}, {"refused", all.refused[act]}, {"wrong", all.wrong[act]}};
  return {{"stages", std::move(rows)},
          {"acts", std::move(acts)},
          {"agent_prompt_tokens", all.prompt_tokens},
          {"agent_hit_tokens", all.hit_tokens},
          {"exit_code", exit_code}};
}

// What must be true in the end.
Status check_soak(const std::vector<SoakStage>& stages, const SoakTally& all, int exit_code) {
  if (!all.faults.empty()) return fail("soak: ", sum_of(all.wrong), " wrong; ", all.faults.front());
  for (const SoakStage& stage : stages)
    if (!stage.calm)
      return fail("soak: after ", stage.minutes, " minutes and a rest there are ",
                  stage.levels.running, " running, ", stage.levels.waiting, " waiting, ",
                  stage.levels.connections, " connections, ", stage.levels.body_bytes,
                  " bytes of requests and ", stage.levels.answer_bytes, " of answers");
  const int64_t warm = stages[kWarmStages - 1].levels.resident_bytes;
  const int64_t last = stages.back().levels.resident_bytes;
  if (last > warm + kMostGrowth)
    return fail("soak: memory grew from ", bytes_text(warm), " to ", bytes_text(last),
                " in the second half, expected at most ", bytes_text(kMostGrowth));
  if (exit_code != 0) return fail("soak: the server exited with ", exit_code, ", expected 0");
  return Ok{};
}

std::vector<std::string> server_options(const SoakChoice& choice, const std::string& folder) {
  // Small caches fill in the first minutes, so that what grows later is a leak.
  std::vector<std::string> options = {
      "--model",        folder, "--context",     "4096", "--slots", std::to_string(choice.slots),
      "--prefix-cache", "32",   "--prefix-disk", "32",   "--quiet"};
  if (choice.model.threads > 0)
    options.insert(options.end(), {"--threads", std::to_string(choice.model.threads)});
  if (!choice.model.backend.empty())
    options.insert(options.end(), {"--backend", choice.model.backend});
  return options;
}

Result<int> bench_soak(const SoakChoice& choice) {
  TRY(const std::string folder, model_folder(choice.model));
  TRY(const std::unique_ptr<SoakServer> server, SoakServer::start(server_options(choice, folder)));
  TRY(const SoakLevels before, server->levels());
  TRY(const bool draws, server->draws());
  Output out;
  if (!choice.json)
    out.write(" minute  requests    right  refused  wrong      resident  left over\n");
  std::vector<SoakStage> stages;
  Soak soak(choice, *server, before, draws);
  while (stages.size() < kStages) {
    TRY(const SoakStage stage, soak.stage());
    if (!choice.json) out.write(stage_line(stage));
    stages.push_back(stage);
  }
  TRY(const int exit_code, soak.end());
  if (choice.json)
    out.write(soak_json(stages, soak.all(), exit_code).dump() + "\n");
  else
    out.write(acts_table(soak.all()));
  TRY_STATUS(out.finish());
  TRY_STATUS(check_soak(stages, soak.all(), exit_code));
  return 0;
}

}  // namespace

void add_bench_soak(CLI::App& bench, Command& chosen) {
  CLI::App* command =
      bench.add_subcommand("soak", "Everything that clients do to a server, for a long time");
  auto choice = std::make_shared<SoakChoice>();
  command->add_option("--time", choice->seconds, "How long: 30s, 10m, 1h")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, int64_t>{{"s", 1}, {"m", 60}, {"h", 3600}}))
      ->check(CLI::Range(10, 7 * 86400))
      ->default_str("1h");
  command->add_option("--clients", choice->clients, "At once")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--slots", choice->slots, "Of the server")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--seed", choice->seed, "Of what clients do")->capture_default_str();
  command->add_flag("--json", choice->json, "One JSON object, for programs");
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal bench soak\n"
      "  hadal bench soak --time 10m --clients 32 --threads 2");
  command->callback([choice, &chosen] { chosen = [choice] { return bench_soak(*choice); }; });
}

}  // namespace hadal
