// SPDX-License-Identifier: MIT
// Folders that are no model: one line that says which file and what is wrong, and exit code 2.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "program.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

Ran generate(const std::string& folder) {
  return run_program({"generate", "--model", folder, "--prompt", "x", "--max-tokens", "1"});
}

// One line on stderr that begins with the file's name and holds `what`.
void expect_refused(const Ran& ran, const std::string& file, const std::string& what) {
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err.find("hadal: " + file), 0U) << ran.err;
  EXPECT_NE(ran.err.find(what), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
}

TEST(BrokenModel, AFolderThatIsNotThere) {
  expect_failure(generate("/nowhere/at/all"), 2,
                 "/nowhere/at/all: no such folder, expected a model's");
}

TEST(BrokenModel, MissingFilesAreNamed) {
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    const ModelFolder folder("v41-tiny");
    fs::remove(folder.file(name));
    expect_refused(generate(folder.path()), folder.path(), "");
  }
}

TEST(BrokenModel, ATruncatedFileOfWeights) {
  const ModelFolder folder("v41-tiny");
  const std::string weights = folder.file("model.safetensors");
  fs::resize_file(weights, fs::file_size(weights) / 2);
  expect_refused(generate(folder.path()), weights, "");
  fs::resize_file(weights, 5);
  expect_refused(generate(folder.path()), weights, "");
}

TEST(BrokenModel, AWrongShape) {
  const ModelFolder folder("v41-tiny");
  folder.replace("config.json", "\"q_lora_rank\": 64", "\"q_lora_rank\": 32");
  const Ran ran = generate(folder.path());
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("[64, 96]"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("[32, 96]"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find('\n'), ran.err.size() - 1) << ran.err;
}

TEST(BrokenModel, ATokenizerThatIsNoJson) {
  const ModelFolder folder("v41-tiny");
  folder.replace("tokenizer.json", "{", "[");
  expect_refused(generate(folder.path()), folder.file("tokenizer.json"), "");
}

}  // namespace
}  // namespace hadal
