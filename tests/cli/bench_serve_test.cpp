// SPDX-License-Identifier: MIT
// `hadal bench serve`: every figure is there, and the requests were answered in full.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

using nlohmann::json;

Ran bench_serve(std::vector<std::string> options) {
  options.insert(options.begin(),
                 {"bench", "serve", "--model", kNano, "--quiet", "--threads", "1"});
  return run_program(options);
}

TEST(BenchServe, TellsThroughputAndTimesOfEveryRow) {
  const Ran ran =
      bench_serve({"--streams", "1,3", "--prompt-tokens", "12", "--tokens", "6", "--requests", "2",
                   "--long-prompt", "300", "--pace-streams", "2", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json told = json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(told.is_object()) << ran.out;
  ASSERT_EQ(told["rows"].size(), 2U);
  for (const json& row : told["rows"]) {
    EXPECT_GT(row["together_tokens_per_second"], 0.0);
    EXPECT_GT(row["output_tokens_per_second"], 0.0);
    EXPECT_LE(row["hit_share"], 1.0);
    for (const char* name : {"first_token_seconds", "gap_seconds"}) {
      ASSERT_EQ(row[name].size(), 3U);
      EXPECT_LE(row[name][0], row[name][1]);
      EXPECT_LE(row[name][1], row[name][2]);
    }
  }
  EXPECT_EQ(told["rows"][1]["streams"], 3);
  EXPECT_EQ(told["pace"]["streams"], 2);
  EXPECT_GE(told["pace"]["worst_p95_over_median"], 1.0);
}

TEST(BenchServe, PrintsATable) {
  const Ran ran =
      bench_serve({"--streams", "2", "--prompt-tokens", "8", "--tokens", "4", "--requests", "1"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.rfind("streams  together", 0), 0U) << ran.out;
  EXPECT_NE(ran.out.find("\n      2 "), std::string::npos) << ran.out;
}

TEST(BenchServe, DrawsAPlot) {
  const std::string file = scratch_file("");
  const Ran ran = bench_serve({"--streams", "1,2", "--prompt-tokens", "8", "--tokens", "4",
                               "--requests", "1", "--svg", file});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string svg = read_whole(file);
  EXPECT_EQ(svg.rfind("<svg ", 0), 0U) << svg;
  size_t points = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1))
    ++points;
  EXPECT_EQ(points, 8U) << svg;
}

TEST(BenchServe, RefusesWhatTheModelWasNotMadeFor) {
  const Ran ran = bench_serve({"--long-prompt", "1000000"});
  EXPECT_NE(ran.code, 0);
  EXPECT_NE(ran.err.find("the model was made for at most"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hadal
