// SPDX-License-Identifier: MIT
// `hadal bench`: where the weights lay that were measured.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "program.h"

namespace hadal {
namespace {

using nlohmann::json;

json measured(const std::string& place) {
  const std::string report = scratch_file("");
  const Ran ran = run_program({"bench", "--model", kNano, "--weights", place, "--threads", "1",
                               "--prefill", "4", "--contexts", "0", "--tokens", "2", "--rounds",
                               "1", "--quiet", "--json", report});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.find("in memory after") != std::string::npos, place == "memory") << ran.out;
  return json::parse(read_whole(report), nullptr, false);
}

TEST(Bench, SaysWhenWeightsLieInMemory) {
  const json file = measured("file"), memory = measured("memory");
  ASSERT_TRUE(file.is_object() && memory.is_object());
  EXPECT_EQ(file["move_seconds"], 0.0);
  EXPECT_GT(memory["move_seconds"], 0.0);
  for (const json& one : {file, memory}) EXPECT_GT(one["decode"][0]["tokens_per_second"], 0.0);
}

}  // namespace
}  // namespace hadal
