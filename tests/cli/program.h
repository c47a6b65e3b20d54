// SPDX-License-Identifier: MIT
// Runs the built program as a shell would, and makes folders for it to run in.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace hadal {

// The model in the box.
inline const std::string kNano = HADAL_TESTS_DIR "/../models/nano";

struct Ran {
  int code = -1;  // exit code, or 128 + the signal that ended it
  std::string out, err;
};

struct RunOptions {
  std::string input = {};
  int64_t address_space_bytes = 0;  // 0: as it is
  std::string folder = {};          // to run in; empty: here
  // Looks at what came on stdout so far; true: send SIGINT (once).
  std::function<bool(const std::string& out)> interrupt_when = {};
};

inline std::string scratch_file(const std::string& text) {
  std::string path = testing::TempDir() + "hadal_cli_XXXXXX";
  const int file = mkstemp(path.data());
  EXPECT_EQ(write(file, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(file);
  return path;
}

inline std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline Ran run_program(const std::vector<std::string>& arguments, const RunOptions& options = {}) {
  const std::string input = scratch_file(options.input), error = scratch_file("");
  std::array<int, 2> out{};
  EXPECT_EQ(pipe(out.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (options.address_space_bytes > 0) {
      const auto bytes = static_cast<rlim_t>(options.address_space_bytes);
      const rlimit limit{bytes, bytes};
      setrlimit(RLIMIT_AS, &limit);
    }
    if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
    dup2(open(input.c_str(), O_RDONLY), STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(open(error.c_str(), O_WRONLY), STDERR_FILENO);
    close(out[0]);
    close(out[1]);
    std::string name = "hadal";
    std::vector<std::string> words = arguments;
    std::vector<char*> pointers = {name.data()};
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(HADAL_PROGRAM, pointers.data());
    _exit(127);
  }
  close(out[1]);
  Ran ran;
  bool interrupted = false;
  std::array<char, 4096> bytes{};
  for (ssize_t count = 0; (count = read(out[0], bytes.data(), bytes.size())) > 0;) {
    ran.out.append(bytes.data(), static_cast<size_t>(count));
    if (options.interrupt_when && !interrupted && options.interrupt_when(ran.out)) {
      interrupted = true;
      kill(child, SIGINT);
    }
  }
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ran.err = read_whole(error);
  std::remove(input.c_str());
  std::remove(error.c_str());
  return ran;
}

// The one line that a failure must be.
inline void expect_failure(const Ran& ran, int code, const std::string& line) {
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(ran.err, "hadal: " + line + "\n");
}

inline std::string golden(const std::string& name) {
  return std::string(HADAL_TESTS_DIR) + "/goldens/" + name;
}

// A copy of a golden folder's config, tokenizer and weights, gone with the test.
class ModelFolder {
 public:
  explicit ModelFolder(const std::string& name) {
    path_ = testing::TempDir() + "hadal_model_XXXXXX";
    EXPECT_NE(mkdtemp(path_.data()), nullptr);
    for (const char* file : {"config.json", "tokenizer.json", "model.safetensors"})
      std::filesystem::copy(golden(name) + "/" + file, path_ + "/" + file);
  }
  ~ModelFolder() { std::filesystem::remove_all(path_); }
  ModelFolder(const ModelFolder&) = delete;
  ModelFolder& operator=(const ModelFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void replace(const std::string& name, const std::string& from, const std::string& to) const {
    std::string text = read_whole(file(name));
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::ofstream(file(name), std::ios::binary) << text.replace(at, from.size(), to);
  }

 private:
  std::string path_;
};

}  // namespace hadal
