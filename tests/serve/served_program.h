// SPDX-License-Identifier: MIT
// `hadal serve` as its users start it, over real sockets.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http_client.h"
#include "scratch.h"
#include "serve/accounts.h"

namespace hadal {

struct Child {
  pid_t pid = -1;
  int out = -1;
};

inline Child start_program(const std::vector<std::string>& arguments, const std::string& errors) {
  std::array<int, 2> out{};
  EXPECT_EQ(pipe(out.data()), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    close(out[0]);
    if (!std::freopen(errors.c_str(), "a", stderr)) _exit(126);
    std::string name = "hadal";
    std::vector<std::string> words = arguments;
    std::vector<char*> pointers = {name.data()};
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    execv(HADAL_PROGRAM, pointers.data());
    _exit(127);
  }
  close(out[1]);
  return {pid, out[0]};
}

inline int exit_code(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class ServeProgram : public testing::Test {
 protected:
  void start(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"serve",  "--model",   model_,      "--port", "0",
                                          "--data", data_,       "--context", "4096",   "--slots",
                                          "3",      "--threads", threads_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    child_ = start_program(arguments, folder_.file("log"));
    std::string line;
    for (char c = 0; read(child_.out, &c, 1) == 1 && c != '\n';) line += c;
    const size_t colon = line.rfind(':');
    const std::string id = model_.substr(model_.rfind('/') + 1);
    ASSERT_TRUE(line.starts_with("hadal serves " + id + " at http://127.0.0.1:")) << line << log();
    port_ = static_cast<uint16_t>(std::stoi(line.substr(colon + 1)));
  }
  // Of somebody who may ask; before the server starts.
  std::string add_key() const {
    const Child keys = start_program({"keys", "add", "ann", "--data", data_}, folder_.file("log"));
    std::string key;
    for (char c = 0; read(keys.out, &c, 1) == 1 && c != '\n';) key += c;
    close(keys.out);
    EXPECT_EQ(exit_code(keys.pid), 0) << log();
    return key;
  }
  // What stands in the ledger of a key; of a server that has ended.
  int64_t entries(const std::string& key) const {
    const auto accounts = Accounts::open(data_ + "/accounts.db");
    EXPECT_TRUE(accounts) << accounts.error().message;
    if (!accounts) return -1;
    const auto record = (*accounts)->find(key);
    return record && *record ? (*accounts)->entries((*record)->number).take() : -1;
  }
  static std::string bearer(const std::string& key) {
    return "Authorization: Bearer " + key + "\r\n";
  }
  void TearDown() override {
    if (child_.pid > 0) {
      kill(child_.pid, SIGKILL);
      exit_code(child_.pid);
    }
    if (child_.out >= 0) close(child_.out);
  }
  // As by the kernel, or a power cut.
  void murder() {
    kill(child_.pid, SIGKILL);
    EXPECT_EQ(exit_code(std::exchange(child_.pid, -1)), 128 + SIGKILL);
    close(std::exchange(child_.out, -1));
  }
  int terminate() {
    kill(child_.pid, SIGTERM);
    return exit_code(std::exchange(child_.pid, -1));
  }
  std::string log() const {
    std::ifstream file(folder_.file("log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  HttpClient client() const { return HttpClient(port_); }
  nlohmann::json answer(const std::string& request) const {
    HttpClient one = client();
    one.send(request);
    // An answer that takes its time, on a busy machine, comes in chunks.
    const std::string head = one.until("\r\n\r\n", kPatienceMs);
    const bool chunked = head.find("chunked\r\n") != std::string::npos;
    const std::string body =
        chunked ? dechunked(one.until("\r\n0\r\n\r\n", kPatienceMs)) : body_of(one.answer());
    return nlohmann::json::parse(body, nullptr, false);
  }
  double metric(const std::string& name, const std::string& headers = "") const {
    HttpClient one = client();
    one.send(get_text("/metrics", headers));
    const std::string page = one.answer();
    const size_t at = page.find("\n" + name + "{");
    return at == std::string::npos ? -1 : std::stod(page.substr(page.find(' ', at + 1)));
  }
  template <typename Condition>
  static bool soon(const Condition& condition) {
    for (int tries = 0; tries < 600 && !condition(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return condition();
  }

  static constexpr int kPatienceMs = 120'000;
  const ScratchFolder folder_;
  std::string data_ = folder_.path();
  std::string threads_ = "2";
  std::string model_ = std::string(HADAL_TESTS_DIR) + "/../models/nano";
  Child child_;
  uint16_t port_ = 0;
};

}  // namespace hadal
