// SPDX-License-Identifier: MIT
// `hadal inspect` on presets, checkpoints and files.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

using nlohmann::json;

const std::string kPresets = HADAL_TESTS_DIR "/../presets/";

// The lines of `text` that begin with `start`, without it.
std::vector<std::string> lines_after(const std::string& text, const std::string& start) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (text.compare(at, start.size(), start) == 0)
      lines.push_back(text.substr(at + start.size(), end - at - start.size()));
    at = end + 1;
  }
  return lines;
}

TEST(Inspect, TellsThePublishedNumbersOfAPreset) {
  const Ran flash = run_program({"inspect", kPresets + "deepseek-v4-flash.json"});
  ASSERT_EQ(flash.code, 0) << flash.err;
  EXPECT_NE(flash.out.find("DeepSeek V4, 284.3B parameters, 13.3B active, context 1048576\n"),
            std::string::npos)
      << flash.out;
  EXPECT_NE(flash.out.find("69187 tensors, 159.6 GB"), std::string::npos);
  EXPECT_NE(flash.out.find("3514.25 B a token"), std::string::npos);

  const Ran v41 = run_program({"inspect", kPresets + "deepseek-v4.1-flash.json"});
  ASSERT_EQ(v41.code, 0) << v41.err;
  EXPECT_NE(v41.out.find("551.9B parameters + 196.6B Engram, 16.1B active (7.9B in a prompt)"),
            std::string::npos)
      << v41.out;
  EXPECT_NE(v41.out.find("890.00 B a token"), std::string::npos);
}

TEST(Inspect, GroupsEqualLayers) {
  const Ran v41 = run_program({"inspect", kPresets + "deepseek-v4.1-flash.json"});
  EXPECT_EQ(lines_after(v41.out, "  0–1"), std::vector<std::string>{"         window only"});
  EXPECT_EQ(lines_after(v41.out, "  3–7"),
            std::vector<std::string>{"         reuse of 2, ratio 2"});
  EXPECT_EQ(lines_after(v41.out, "  37–39"),
            std::vector<std::string>{"       reuse of 36, rows of 20, ratio 1"});
  const Ran flash = run_program({"inspect", kPresets + "deepseek-v4-flash.json"});
  EXPECT_EQ(lines_after(flash.out, "  2–42"),
            std::vector<std::string>{"        CSA, ratio 4 · HCA, ratio 128, in turn"});
}

TEST(Inspect, GivesTheSameFiguresAsJson) {
  const Ran ran = run_program({"inspect", "--json", kPresets + "hadal-1t.json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json figures = json::parse(ran.out);
  EXPECT_EQ(figures["layers"], 48);
  EXPECT_EQ(figures["vocabulary"], 145728);
  EXPECT_EQ(figures["weights"]["source"], "configuration");
  EXPECT_EQ(figures["cache"]["packed_bytes_per_token"], 890);
  EXPECT_EQ(figures["cache"]["contexts"].size(), 3u);
  int64_t parts = 0;
  for (const json& part : figures["parameters"]["parts"]) parts += part["total"].get<int64_t>();
  EXPECT_EQ(figures["parameters"]["total"], parts);
}

// A minute of 720p, as README tells it: 181 latent frames of 3,600 cells, each behind its <frame>;
// <start>, "45*80*181@24" and <data> in front, <end> behind.
TEST(Inspect, TellsWhatAClipCosts) {
  const Ran ran = run_program({"inspect", kPresets + "hadal-1t.json", "--clip", "1280x720",
                               "--seconds", "60", "--fps", "24", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json clip = json::parse(ran.out)["clip"];
  EXPECT_EQ(clip["latent_frames"], 181);
  EXPECT_EQ(clip["cells"], 181 * 3600);
  EXPECT_EQ(clip["positions"], 181 * 3601 + 12 + 3);
  EXPECT_TRUE(clip["fits_frame"]);
  EXPECT_LT(clip["positions"], clip["context"]);
  EXPECT_EQ(clip["passes_refined"], 181 * (8 + 2) + 12 + 3);
  expect_failure(run_program({"inspect", kPresets + "hadal-1t.json", "--clip", "1280"}), 2,
                 "--clip 1280: expected WIDTHxHEIGHT in pixels, as 1280x720");
  expect_failure(run_program({"inspect", kPresets + "deepseek-v4-pro.json", "--clip", "64x64"}), 2,
                 kPresets + "deepseek-v4-pro.json: this model has no visual vocabulary");
}

TEST(Inspect, ReadsACheckpointsHeaders) {
  const Ran ran = run_program({"inspect", golden("v4-tiny-fp8")});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("Weights, as the files say: 180 tensors, 3.4 MB"), std::string::npos)
      << ran.out;
  EXPECT_NE(ran.out.find("every tensor is there, with the expected shape"), std::string::npos);
}

TEST(Inspect, TellsWhatACheckpointLacks) {
  const ModelFolder folder("v41-tiny");
  folder.replace("model.safetensors", "layers.3.attn.wq_a.weight", "layers.3.attn.wq_x.weight");
  const Ran ran = run_program({"inspect", folder.path()});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.out.find("  layers.3.attn.wq_a.weight: missing\n"
                         "  1 tensors that the configuration does not call for\n"),
            std::string::npos)
      << ran.out;
}

TEST(Inspect, ListsTheTensorsOfAFile) {
  const Ran ran = run_program({"inspect", golden("v41-tiny/model.safetensors")});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(lines_after(ran.out, "  layers.*.attn.wkv.weight").size(), 1u) << ran.out;
  EXPECT_NE(ran.out.find("×11\n"), std::string::npos);
}

TEST(Inspect, FailsInOneLine) {
  expect_failure(run_program({"inspect", "/nonexistent"}), 2,
                 "/nonexistent: cannot be opened: No such file or directory");
}

}  // namespace
}  // namespace hadal
