// SPDX-License-Identifier: MIT
// `hadal bench soak`, half a minute of it: everything is answered as it should be, nothing is left.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "program.h"

namespace hadal {
namespace {

using nlohmann::json;

TEST(Soak, HalfAMinuteLeavesNothingBehind) {
  const Ran ran = run_program({"bench", "soak", "--model", kNano, "--time", "30s", "--clients", "6",
                               "--threads", "1", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err << ran.out;
  const json told = json::parse(ran.out, nullptr, false);
  ASSERT_TRUE(told.is_object()) << ran.out;
  ASSERT_EQ(told["stages"].size(), 10U);
  int64_t requests = 0;
  for (const json& stage : told["stages"]) {
    EXPECT_TRUE(stage["pools_back"]) << stage;
    EXPECT_EQ(stage["wrong"], 0) << stage;
    requests += stage["requests"].get<int64_t>();
  }
  EXPECT_GT(requests, 200);
  for (const auto& [act, counts] : told["acts"].items())
    if (act != "picture") {
      EXPECT_GT(counts["right"], 0) << act;
    }
  // Agents' conversations go on where they were.
  EXPECT_GT(told["agent_hit_tokens"], 0);
  EXPECT_EQ(told["exit_code"], 0);
}

TEST(Soak, TheTimeHasAUnitAndALeast) {
  const Ran ran = run_program({"bench", "soak", "--model", kNano, "--time", "2s"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("--time"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hadal
