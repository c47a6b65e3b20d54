// SPDX-License-Identifier: MIT
// A child process that serves.
#include "tools/soak_server.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

#include "tools/soak_client.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

// Draining takes 30 seconds at most, and then a few for the last bytes.
constexpr std::chrono::seconds kExitTime{60};

// "hadal serves nano at http://127.0.0.1:34567/v1"; nothing if the program ended before.
std::string first_line(int file) {
  std::string line;
  for (char c = 0; read(file, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

// Of a page in Prometheus' text format; 0 if it is not there.
double metric(const std::string& page, const std::string& name) {
  const size_t at = page.find("\n" + name + "{");
  if (at == std::string::npos) return 0;
  return std::strtod(page.c_str() + page.find("} ", at) + 1, nullptr);
}

int64_t resident_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace

Result<std::unique_ptr<SoakServer>> SoakServer::start(std::vector<std::string> options) {
  std::unique_ptr<SoakServer> server(new SoakServer());
  std::string folder = (fs::temp_directory_path() / "hadal-soak-XXXXXX").string();
  if (!mkdtemp(folder.data())) return fail(folder, ": ", std::strerror(errno));
  server->folder_ = folder;
  options.insert(options.end(), {"--port", "0", "--data", folder});
  TRY_STATUS(server->launch(options));
  return server;
}

Status SoakServer::launch(const std::vector<std::string>& options) {
  std::array<int, 2> out{};
  if (pipe2(out.data(), O_CLOEXEC) != 0) return fail("a pipe: ", std::strerror(errno));
  std::vector<std::string> words = {"hadal", "serve"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string log = folder_ + "/log";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int failed =
      posix_spawn(&process_, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  const std::string line = failed == 0 ? first_line(out[0]) : "";
  ::close(out[0]);
  if (failed != 0) {
    process_ = -1;
    return fail("hadal serve cannot be started: ", std::strerror(failed));
  }
  const size_t colon = line.rfind(':');
  if (colon != std::string::npos)
    std::from_chars(line.data() + colon + 1, line.data() + line.size(), port_);
  if (port_ != 0) return Ok{};
  std::ifstream file(log);
  std::string why((std::istreambuf_iterator<char>(file)), {});
  return fail("hadal serve did not begin to serve: ", why.substr(0, 500));
}

SoakServer::~SoakServer() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

bool SoakServer::alive() const {
  return kill(process_, 0) == 0 && resident_of(process_) > 0;
}

Result<std::string> SoakServer::page(const std::string& path) const {
  std::optional<LoopbackConnection> connection = LoopbackConnection::open(port_);
  if (!connection) return fail("the server cannot be reached: ", std::strerror(errno));
  connection->send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  std::optional<LoopbackAnswer> answer = connection->answer();
  if (!answer || answer->status != 200) return fail("the server does not answer to ", path);
  return std::move(answer->body);
}

Result<bool> SoakServer::draws() const {
  TRY(const std::string models, page("/v1/models"));
  const size_t output = models.find("\"output_modalities\"");
  return output != std::string::npos &&
         models.substr(output, models.find(']', output) - output).find("image") !=
             std::string::npos;
}

Result<SoakLevels> SoakServer::levels() const {
  TRY(const std::string metrics, page("/metrics"));
  const auto number = [&](const char* name) {
    return static_cast<int64_t>(metric(metrics, std::string("hadal:") + name));
  };
  return SoakLevels{
      .running = number("num_requests_running"),
      .waiting = number("num_requests_waiting"),
      .pictures = number("pictures_running") + number("pictures_waiting"),
      .connections = number("http_connections"),
      .answering = number("http_answering"),
      .body_bytes = number("http_body_bytes"),
      .answer_bytes = number("http_answer_bytes"),
      .slot_tokens = static_cast<int64_t>(1e6 * metric(metrics, "hadal:kv_cache_usage_perc")),
      .resident_bytes = resident_of(process_)};
}

Result<int> SoakServer::terminate() {
  kill(process_, SIGTERM);
  const auto limit = std::chrono::steady_clock::now() + kExitTime;
  int status = 0;
  while (waitpid(process_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > limit)
      return fail("SIGTERM: the server still runs after ", kExitTime.count(), " s");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace hadal
