// SPDX-License-Identifier: MIT
// `hadal quantize`: what it writes is a model, what it did not finish is none.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "program.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

// A folder for results, gone with the test.
class Results {
 public:
  Results() {
    path_ = testing::TempDir() + "hadal_quantize_XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
  }
  ~Results() { fs::remove_all(path_); }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Ran quantize(const std::string& model, const std::string& out, const std::string& recipe) {
  return run_program({"quantize", model, "-o", out, "--recipe", recipe, "--threads", "2"});
}

Ran answer(const std::string& model, const std::string& prompt) {
  return run_program({"generate", "--model", model, "--prompt", prompt, "--temperature", "0",
                      "--max-tokens", "12", "--quiet", "--threads", "2"});
}

TEST(Quantize, NanoInFourBitsStillAnswers) {
  const Results results;
  const std::string small = results / "nano-4bit";
  const Ran ran = quantize(kNano, small + "/", "4bit");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("tensors encoded (relative error"), std::string::npos) << ran.out;
  EXPECT_FALSE(fs::exists(small + ".partial"));
  EXPECT_EQ(read_whole(small + "/tokenizer.json"), read_whole(kNano + "/tokenizer.json"));

  const Ran inspected = run_program({"inspect", small});
  EXPECT_EQ(inspected.code, 0) << inspected.out;
  EXPECT_NE(inspected.out.find("every tensor is there"), std::string::npos) << inspected.out;

  const Ran said = answer(small, "LS(1)");
  EXPECT_EQ(said.code, 0) << said.err;
  EXPECT_GT(said.out.size(), 10U);
  const Ran compared = run_program({"eval", "modes", "--model", kNano, "--other-model", small,
                                    "--tokens", "64", "--most-kl", "0.5", "--least-agreement",
                                    "0.5", "--threads", "2", HADAL_TESTS_DIR "/../README.md"});
  EXPECT_EQ(compared.code, 0) << compared.out << compared.err;
}

TEST(Quantize, EveryGoldenModelOpensInEveryRecipe) {
  const Results results;
  for (const char* recipe : {"8bit", "4bit"})
    for (const char* name : {"v41-tiny", "v41-vision-tiny", "v41-tiny-fp8"}) {
      const std::string out = results / (std::string(name) + recipe);
      const Ran ran = quantize(golden(name), out, recipe);
      if (std::string(name) == "v41-tiny-fp8" && std::string(recipe) == "8bit") {
        EXPECT_EQ(ran.code, 2);
        EXPECT_NE(ran.err.find("nothing to encode"), std::string::npos) << ran.err;
        continue;
      }
      ASSERT_EQ(ran.code, 0) << ran.err;
      const Ran said = answer(out, "a");
      EXPECT_EQ(said.code, 0) << said.err;
    }
}

TEST(Quantize, RefusesWhatCannotBe) {
  const Results results;
  const std::string there = results / "there";
  fs::create_directory(there);
  expect_failure(quantize(kNano, there, "4bit"), 2,
                 there + ": is there already; name another folder, or remove it");
  EXPECT_TRUE(fs::is_empty(there));
  expect_failure(quantize(golden("v4-tiny"), results / "x", "4bit"), 2,
                 golden("v4-tiny") +
                     "/config.json: moe_intermediate_size: 48 is not a multiple of 32, as fp4 "
                     "needs");
  EXPECT_EQ(quantize("/nowhere", results / "x", "4bit").code, 2);
  EXPECT_EQ(quantize(kNano, results / "x", "3bit").code, 2);
  EXPECT_EQ(run_program({"quantize", kNano, "--recipe", "4bit"}).code, 2);
  EXPECT_FALSE(fs::exists(results / "x"));
}

TEST(Quantize, AWeightThatIsNoNumberIsNamed) {
  const Results results;
  const ModelFolder folder("v41-tiny");
  std::string bytes = read_whole(folder.file("model.safetensors"));
  const std::string name = "\"layers.0.attn.wq_b.weight\"";
  const size_t entry = bytes.find(name), offsets = bytes.find("data_offsets\":[", entry) + 15;
  ASSERT_NE(entry, std::string::npos);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  const size_t at = 8 + header + std::stoull(bytes.substr(offsets, 12));
  bytes[at] = '\x80';  // BF16's infinity
  bytes[at + 1] = '\x7f';
  std::ofstream(folder.file("model.safetensors"), std::ios::binary) << bytes;
  expect_failure(
      quantize(folder.path(), results / "x", "8bit"), 2,
      folder.path() + ": tensor layers.0.attn.wq_b.weight: row 0 holds a value that is not finite");
  EXPECT_FALSE(fs::exists(results / "x"));
}

// What is left when the machine stops: shards and nothing else.
void leave_unfinished(const std::string& out) {
  fs::rename(out, out + ".partial");
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors.index.json"})
    fs::remove(out + ".partial/" + name);
  std::ofstream(out + ".partial/model-2.safetensors.77-0.partial") << "half a shard";
}

TEST(Quantize, GoesOnFromWhatIsWholeAndOfTheSameModel) {
  const Results results;
  const std::string out = results / "out", shard = out + "/model-1.safetensors";
  const std::string model = golden("v41-tiny");
  ASSERT_EQ(quantize(model, out, "4bit").code, 0);
  const std::string whole = read_whole(shard),
                    index = read_whole(out + "/model.safetensors.index.json");

  leave_unfinished(out);
  const Ran unfinished = answer(out + ".partial", "a");
  EXPECT_EQ(unfinished.code, 2);
  EXPECT_EQ(answer(out, "a").code, 2);
  const auto written = fs::last_write_time(out + ".partial/model-1.safetensors");
  ASSERT_EQ(quantize(model, out, "4bit").code, 0);
  EXPECT_EQ(fs::last_write_time(shard), written);  // taken as it was
  EXPECT_EQ(read_whole(out + "/model.safetensors.index.json"), index);
  for (const auto& entry : fs::directory_iterator(out))
    EXPECT_FALSE(entry.path().string().ends_with(".partial")) << entry.path();

  leave_unfinished(out);  // a shard that lost its end is made again
  fs::resize_file(out + ".partial/model-1.safetensors", whole.size() / 2);
  ASSERT_EQ(quantize(model, out, "4bit").code, 0);
  EXPECT_EQ(read_whole(shard), whole);

  leave_unfinished(out);  // one of another recipe, too
  ASSERT_EQ(quantize(model, out, "8bit").code, 0);
  const std::string other = read_whole(shard);
  EXPECT_NE(other, whole);
  leave_unfinished(out);
  ASSERT_EQ(quantize(model, out, "4bit").code, 0);
  EXPECT_EQ(read_whole(shard), whole);
}

TEST(Quantize, FourBitsAreReadOnlyWhereTheConfigurationSaysSo) {
  const Results results;
  const std::string out = results / "out";
  ASSERT_EQ(quantize(golden("v41-tiny"), out, "4bit").code, 0);
  std::string config = read_whole(out + "/config.json");
  const size_t at = config.find("\"fp4\"", config.find("dense_dtype"));
  ASSERT_NE(at, std::string::npos);
  std::ofstream(out + "/config.json") << config.replace(at, 5, "\"fp8\"");
  const Ran ran = answer(out, "a");
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("found I8"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("no hadal.dense_dtype fp4"), std::string::npos) << ran.err;
  EXPECT_EQ(run_program({"inspect", out}).code, 2);
}

TEST(Quantize, RandomCheckpointsTakeTheSameRecipes) {
  const Results results;
  const std::string out = results / "random", config = golden("v41-tiny") + "/config.json";
  const Ran ran = run_program({"data", "checkpoint", "--config", config, "-o", out, "--tokenizer",
                               golden("v41-tiny") + "/tokenizer.json", "--recipe", "4bit"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(run_program({"inspect", out}).code, 0);
  EXPECT_EQ(answer(out, "a").code, 0);
}

}  // namespace
}  // namespace hadal
