// SPDX-License-Identifier: MIT
// `hadal generate` as its users see it: answers, events, stops, Ctrl-C.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

using nlohmann::json;

Ran generate(std::vector<std::string> arguments, const RunOptions& options = {}) {
  arguments.insert(arguments.begin(), {"generate", "--model", golden("v41-tiny")});
  return run_program(arguments, options);
}

std::vector<json> events_of(const Ran& ran) {
  std::vector<json> events;
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) events.push_back(json::parse(line));
  return events;
}

TEST(Generate, TheSameSeedGivesTheSameAnswer) {
  const std::vector<std::string> arguments = {"--prompt", "the sea", "--max-tokens",
                                              "24",       "--seed",  "7"};
  const Ran first = generate(arguments), second = generate(arguments);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_FALSE(first.out.empty());
  EXPECT_EQ(first.out, second.out);
  EXPECT_NE(first.out, generate({"--prompt", "the sea", "--max-tokens", "24", "--seed", "8"}).out);
}

TEST(Generate, WhereWeightsLieChangesNoWord) {
  const auto nano = [](const std::string& place) {
    return run_program({"generate", "--model", kNano, "--prompt", "The sea", "--max-tokens", "24",
                        "--seed", "7", "--weights", place});
  };
  const Ran file = nano("file"), memory = nano("memory");
  ASSERT_EQ(memory.code, 0) << memory.err;
  EXPECT_FALSE(memory.out.empty());
  EXPECT_EQ(file.out, memory.out);
  EXPECT_NE(nano("disk").code, 0);
}

TEST(Generate, ALineOfSpeedStandsOnStderrUnlessQuiet) {
  const Ran ran = generate({"--prompt", "a", "--max-tokens", "4", "--seed", "1"});
  EXPECT_NE(ran.err.find("answer 4 tokens"), std::string::npos) << ran.err;
  EXPECT_EQ(generate({"--prompt", "a", "--max-tokens", "4", "--quiet"}).err, "");
}

TEST(Generate, EventsParseAndAddUp) {
  const Ran ran = generate({"--prompt", "the sea", "--max-tokens", "12", "--seed", "7", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::vector<json> events = events_of(ran);
  int64_t tokens = 0;
  for (const json& event : events)
    if (event["type"] == "token" && event.contains("id")) ++tokens;
  const json& done = events.back();
  EXPECT_EQ(done["type"], "done");
  EXPECT_EQ(done["seed"], 7);
  EXPECT_EQ(done["usage"]["cached_tokens"], 0);
  EXPECT_GT(done["usage"]["prompt_tokens"], 1);
  if (done["reason"] == "length") {
    EXPECT_EQ(tokens, 12);
    EXPECT_EQ(done["usage"]["completion_tokens"], 12);
  }
}

TEST(Generate, AStopStringEndsTheAnswerAndIsNotShown) {
  const std::vector<std::string> arguments = {"--prompt", "the sea", "--max-tokens", "40",
                                              "--seed",   "7",       "--quiet"};
  const std::string whole = generate(arguments).out;
  ASSERT_GT(whole.size(), 20U);
  const std::string stop = whole.substr(9, 5);
  std::vector<std::string> stopped = arguments;
  stopped.insert(stopped.end(), {"--stop", stop});
  const Ran ran = generate(stopped);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, whole.substr(0, whole.find(stop)) + "\n");
}

TEST(Generate, GuessingAheadChangesNoWord) {
  for (const char* temperature : {"0", "1"}) {
    std::vector<std::string> words = {"--prompt",  "the sea", "--max-tokens", "40",
                                      "--seed",    "7",       "--quiet",      "--temperature",
                                      temperature, "--draft", "off"};
    const Ran plain = generate(words);
    ASSERT_EQ(plain.code, 0) << plain.err;
    for (const char* draft : {"auto", "1", "3"}) {
      words.back() = draft;
      EXPECT_EQ(generate(words).out, plain.out) << draft << " at temperature " << temperature;
    }
  }
}

TEST(Generate, StatsSayWhatGuessingBrought) {
  const Ran ran = generate({"--prompt", "the sea", "--max-tokens", "20", "--seed", "7", "--draft",
                            "2", "--stats", "--quiet"});
  EXPECT_EQ(ran.code, 0);
  for (const char* part : {" tokens a pass", " guessed, ", " right by place: "})
    EXPECT_NE(ran.err.find(part), std::string::npos) << ran.err;
  EXPECT_EQ(
      generate({"--prompt", "a", "--max-tokens", "2", "--stats", "--quiet", "--draft", "off"}).err,
      "nothing was guessed ahead\n");
}

TEST(Generate, ADraftThatCannotBeIsRefused) {
  const auto refused = [](const std::string& length) {
    const Ran ran = generate({"--prompt", "a", "--max-tokens", "2", "--quiet", "--draft", length});
    EXPECT_EQ(ran.code, 2) << length;
    return ran.err;
  };
  EXPECT_NE(refused("4").find("guesses at most 3 tokens"), std::string::npos);
  for (const char* length : {"0", "-1", "2x", "on", "99999999999999999999"})
    EXPECT_NE(refused(length).find("expected auto, off or a number"), std::string::npos) << length;
  const Ran headless = run_program({"generate", "--model", golden("v41-vision-tiny"), "--prompt",
                                    "a", "--max-tokens", "2", "--quiet", "--draft", "1"});
  EXPECT_EQ(headless.code, 2);
  EXPECT_NE(headless.err.find("has no draft head"), std::string::npos) << headless.err;
}

TEST(Generate, AnyBytesMayBeAPrompt) {
  const std::string bytes = "caf\xc3\xa9 \xff\xfe\xf0\x9f and \xe2\x82";
  const Ran ran =
      generate({"--file", "-", "--echo", "--max-tokens", "1", "--quiet"}, {.input = bytes});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.substr(0, bytes.size()), bytes);
  for (const json& event :
       events_of(generate({"--file", "-", "--json", "--max-tokens", "30"}, {.input = bytes})))
    EXPECT_TRUE(event.contains("type"));
}

TEST(Generate, APromptLongerThanTheContextIsRefused) {
  const Ran ran =
      generate({"--prompt", std::string(400, 'x') + std::string(400, '?'), "--context", "20"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_NE(ran.err.find("tokens, the context holds 20\n"), std::string::npos) << ran.err;
  expect_failure(generate({"--prompt", "x", "--context", "65537"}), 2,
                 "--context is 65537, the model was made for at most 65536");
}

TEST(Generate, TooLittleMemoryIsSaidBeforeAnythingIsRead) {
  const Ran ran =
      generate({"--prompt", "x", "--context", "65536"}, {.address_space_bytes = int64_t{80} << 20});
  constexpr int kCannotLoad = 127;
  if (ran.code == kCannotLoad) GTEST_SKIP() << "libtorch's code alone is larger than the limit";
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_NE(ran.err.find("hadal: context 65536 needs "), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find(" is available; "), std::string::npos) << ran.err;
}

TEST(Generate, CtrlCPrintsWhatThereIsAndExitsWith130) {
  const Ran ran = generate(
      {"--prompt", "the sea", "--max-tokens", "60000", "--context", "60001", "--seed", "7"},
      {.interrupt_when = [](const std::string& out) { return !out.empty(); }});
  EXPECT_EQ(ran.code, 130) << ran.err;
  EXPECT_FALSE(ran.out.empty());
  EXPECT_NE(ran.err.find("cancelled"), std::string::npos) << ran.err;
}

TEST(Generate, WithoutAPromptItDemonstrates) {
  const Ran ran = generate({"--max-tokens", "4"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("DeepSeek V4.1 architecture, 11 layers"), std::string::npos) << ran.out;
}

TEST(Generate, OptionsThatCannotBeAreOneLine) {
  expect_failure(generate({"--prompt", "x", "--top-p", "1.5"}), 2,
                 "top-p is 1.5, expected more than 0 and at most 1");
  expect_failure(generate({"--prompt", "x", "--think"}), 2,
                 "--system, --think and --effort need --chat");
  expect_failure(generate({"--prompt", "x", "--tmperature", "1"}), 2,
                 "\"--tmperature\" is no option or command of hadal generate; did you mean "
                 "--temperature?; see hadal generate --help");
  expect_failure(generate({"--prompt", "x", "--backend", "abacus"}), 2,
                 "back end is \"abacus\", this build has: cpu, reference");
  expect_failure(run_program({"generatr"}), 2,
                 "\"generatr\" is no option or command of hadal; did you mean generate?; see "
                 "hadal --help");
}

TEST(Generate, DrawsOnlyWithAModelThatCanAndSaysSo) {
  const std::string file = testing::TempDir() + "/drawn.png";
  const Ran ran = generate({"--prompt", "a red circle", "--out", file});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, "hadal: " + golden("v41-tiny") +
                         ": this model has no visual vocabulary: it cannot draw\n");
  EXPECT_EQ(generate({"--prompt", "x", "--out", "x.txt"}).code, 2);
  EXPECT_EQ(generate({"--out", file}).code, 2);
  EXPECT_EQ(generate({"--prompt", "x", "--out", file, "--size", "64"}).code, 2);
  EXPECT_EQ(generate({"--prompt", "x", "--out", file, "--frames", "9"}).code, 2);
  EXPECT_EQ(generate({"--prompt", "x", "--out", file, "--chat"}).code, 2);
}

TEST(Program, VersionHelpAndDoctorSucceed) {
  EXPECT_EQ(run_program({"--version"}).out.substr(0, 6), "hadal ");
  for (const char* command : {"generate", "chat", "bench", "doctor", "inspect", "data"}) {
    const Ran help = run_program({command, "--help"});
    EXPECT_EQ(help.code, 0) << command;
    EXPECT_NE(help.out.find("--help"), std::string::npos) << command;
  }
  const Ran doctor = run_program({"doctor"});
  EXPECT_EQ(doctor.code, 0) << doctor.err;
  EXPECT_NE(doctor.out.find("back end      cpu"), std::string::npos) << doctor.out;
}

TEST(Program, BenchShowsSpeedsBesideTheirBounds) {
  const std::string file = scratch_file("");
  const std::vector<std::string> arguments = {
      "bench",      "--model", golden("v41-tiny"), "--prefill", "64,128", "--contexts", "0,32",
      "--tokens",   "4",       "--rounds",         "1",         "--json", file,         "--svg",
      file + ".svg"};
  const Ran ran = run_program(arguments);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json figures = json::parse(read_whole(file));
  for (const char* key : {"read_bytes_per_second", "load_seconds", "resident_bytes", "active_bytes",
                          "operations_per_token"})
    EXPECT_GT(figures[key].get<double>(), 0) << key;
  ASSERT_EQ(figures["prefill"].size(), 2U);
  EXPECT_EQ(figures["prefill"][1]["tokens"], 128);
  for (const char* key : {"tokens_per_second", "shortcut_tokens_per_second", "share_of_peak"})
    EXPECT_GT(figures["prefill"][1][key].get<double>(), 0) << key;
  ASSERT_EQ(figures["decode"].size(), 2U);
  EXPECT_GT(figures["decode"][1]["share_of_bandwidth"].get<double>(), 0);
  EXPECT_GT(figures["decode"][1]["cache_bytes_read"].get<double>(),
            figures["decode"][0]["cache_bytes_read"].get<double>());
  EXPECT_NE(read_whole(file + ".svg").find("</svg>"), std::string::npos);
  const Ran again =
      run_program({"bench", "--model", golden("v41-tiny"), "--prefill", "64", "--contexts", "32",
                   "--tokens", "2", "--rounds", "1", "--compare", file});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.out.find(" x "), std::string::npos) << again.out;
  EXPECT_EQ(run_program({"bench", "--cpu-time", "--threads", "2"}).code, 2);
}

TEST(Program, RandomCheckpointsLoadAndDependOnTheirSeed) {
  const std::string folder = scratch_file("") + ".d", other = folder + "2";
  const std::string config = golden("v4-tiny-fp8") + "/config.json";
  for (const auto& [out, seed] : {std::pair{folder, "1"}, std::pair{other, "2"}})
    ASSERT_EQ(
        run_program({"data", "checkpoint", "--config", config, "--out", out, "--seed", seed}).code,
        0);
  EXPECT_NE(read_whole(folder + "/model-1.safetensors"),
            read_whole(other + "/model-1.safetensors"));
  const Ran bench = run_program({"bench", "--model", folder, "--prefill", "40", "--contexts", "8",
                                 "--tokens", "2", "--rounds", "1"});
  EXPECT_EQ(bench.code, 0) << bench.err;
  for (const std::string& made : {folder, other}) std::filesystem::remove_all(made);
}

}  // namespace
}  // namespace hadal
