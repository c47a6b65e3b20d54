// SPDX-License-Identifier: MIT
// Both ends of the pipe.  The child's half is on top, the parent's below.
#include "media/reader_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "media/reader_records.h"
#include "media/sandbox.h"

namespace hadal {
namespace {

constexpr char kChildWord[] = "--hadal-decodes-media-in-this-process";

// ---- the child

[[noreturn]] void end_child() {
  _exit(0);
}

void send_all(const void* bytes, size_t count) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t sent = write(STDOUT_FILENO, next, count);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) end_child();  // nobody listens any more
    next += sent;
    count -= static_cast<size_t>(sent);
  }
}

void send(ReaderRecord record, const void* bytes, size_t count) {
  record.bytes = static_cast<int64_t>(count);
  send_all(&record, sizeof record);
  send_all(bytes, count);
}

[[noreturn]] void send_verdict(const Verdict& verdict) {
  ReaderRecord record;
  record.numbers = {static_cast<int64_t>(verdict.refusal), verdict.found, verdict.limit};
  send(record, nullptr, 0);
  end_child();
}

class PipeSink : public DecodeSink {
 public:
  void facts(const MediaFacts& facts) override {
    ReaderRecord record;
    record.kind = RecordKind::facts;
    record.numbers = {static_cast<int64_t>(facts.kind), facts.width, facts.height, facts.frames};
    record.fps = {facts.fps, facts.clip_fps};
    send(record, facts.comment.data(), facts.comment.size());
  }
  void picture(const Picture& picture) override {
    ReaderRecord record;
    record.kind = RecordKind::picture;
    record.numbers = {picture.width, picture.height};
    send(record, picture.rgb.data(), picture.rgb.size());
  }
};

[[noreturn]] void run_child(const char* word) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody waits for an orphan
  const std::optional<DecodeTask> task = task_of_word(word);
  struct stat about {};
  if (!task || fstat(STDIN_FILENO, &about) != 0) send_verdict({Refusal::no_sandbox});
  const auto size = static_cast<size_t>(about.st_size);
  if (about.st_size > task->limits.file_bytes)
    send_verdict({Refusal::file_bytes, about.st_size, task->limits.file_bytes});
  if (size == 0) send_verdict({Refusal::unreadable});
  const void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
  if (bytes == MAP_FAILED) send_verdict({Refusal::no_sandbox});
  close(STDIN_FILENO);

  const auto seconds = static_cast<int64_t>(std::ceil(task->limits.wait_seconds));
  const SandboxLimits limits = {.memory_bytes = task->limits.memory_bytes, .cpu_seconds = seconds};
  if (!enter_sandbox(limits)) send_verdict({Refusal::no_sandbox});
  PipeSink sink;
  send_verdict(decode_media({static_cast<const uint8_t*>(bytes), size}, *task, sink));
}

// Runs before main(), with main's arguments (System V gABI; glibc hands them over).
__attribute__((constructor)) void become_child(int count, char** words) {
  if (count == 3 && std::strcmp(words[1], kChildWord) == 0) run_child(words[2]);
}

// ---- the parent

using Clock = std::chrono::steady_clock;

struct Descriptor {
  int number = -1;
  ~Descriptor() { reset(); }
  void reset() {
    if (number >= 0) close(number);
    number = -1;
  }
};

// The loader may need its path; sanitizers their options.  OpenBLAS would start threads before
// main() that the child has no use for.
std::vector<std::string> child_environment() {
  std::vector<std::string> environment = {"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1"};
  for (const char* name : {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"})
    if (const char* value = std::getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  return environment;
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// A process that is gone, whatever happened, when its owner is.
class Child {
 public:
  ~Child() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);  // a child that has ended waits to be waited for, and is unharmed
    while (waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  Status start(int file, int pipe, const DecodeTask& task) {
    std::vector<std::string> words = {"hadal-media", kChildWord, task_word(task)};
    std::vector<std::string> environment = child_environment();
    // High numbers first, because `pipe` may be 0 and `file` 1.
    constexpr int kAboveStandard = 10;
    const Descriptor high_file{fcntl(file, F_DUPFD_CLOEXEC, kAboveStandard)};
    const Descriptor high_pipe{fcntl(pipe, F_DUPFD_CLOEXEC, kAboveStandard)};
    if (high_file.number < 0 || high_pipe.number < 0)
      return fail_machine("a descriptor cannot be handed over: ", std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, high_file.number, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, high_pipe.number, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    const int code = posix_spawn(&process_, "/proc/self/exe", &actions, &attributes,
                                 pointers_to(words).data(), pointers_to(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (code == 0) return Ok{};
    process_ = -1;
    return fail_machine("the process that decodes media cannot be started: ", std::strerror(code));
  }

 private:
  pid_t process_ = -1;
};

enum class Heard { all, ended, too_late };

// Exactly `count` bytes, by the deadline.
Heard hear(int pipe, void* bytes, size_t count, Clock::time_point deadline) {
  char* next = static_cast<char*>(bytes);
  while (count > 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return Heard::too_late;
    pollfd waiting = {pipe, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::min<int64_t>(left, 1000)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t got = ready < 0 ? -1 : read(pipe, next, count);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Heard::ended;
    next += got;
    count -= static_cast<size_t>(got);
  }
  return Heard::all;
}

// Believes nothing: every record must be one that an honest child could send for this task.
class Conversation {
 public:
  Conversation(int pipe, const std::string& name, const DecodeTask& task, DecodeSink& sink)
      : pipe_(pipe), name_(name), task_(task), sink_(sink), deadline_(deadline_of(task)) {}

  Status listen() {
    while (true) {
      ReaderRecord record;
      TRY_STATUS(hear_bytes(&record, sizeof record));
      if (record.magic != ReaderRecord::kMagic) return unreadable();
      switch (record.kind) {
        case RecordKind::facts:
          TRY_STATUS(take_facts(record));
          break;
        case RecordKind::picture:
          TRY_STATUS(take_picture(record));
          break;
        case RecordKind::verdict:
          return take_verdict(record);
        default:
          return unreadable();
      }
    }
  }

 private:
  static Clock::time_point deadline_of(const DecodeTask& task) {
    constexpr double kMostSeconds = 86400;  // so that the sum stays a time
    const double seconds = std::clamp(task.limits.wait_seconds, 0.0, kMostSeconds);
    return Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  }

  Error unreadable() const { return fail(refusal_text(name_, {Refusal::unreadable})); }

  Status hear_bytes(void* bytes, size_t count) {
    const Heard heard = hear(pipe_, bytes, count, deadline_);
    if (heard == Heard::too_late)
      return fail(printable(name_), ": not decoded within ", task_.limits.wait_seconds, " seconds");
    return heard == Heard::all ? Status(Ok{}) : Status(unreadable());
  }

  Status take_facts(const ReaderRecord& record) {
    const auto [kind, width, height, frames] = record.numbers;
    const auto is_rate = [](double fps) { return std::isfinite(fps) && fps >= 0 && fps <= 1e6; };
    const bool honest = !has_facts_ && kind > 0 && kind <= static_cast<int64_t>(FileKind::webm) &&
                        is_size(width, height) && frames > 0 && frames <= task_.limits.frames &&
                        is_rate(record.fps[0]) && is_rate(record.fps[1]) && record.fps[1] > 0 &&
                        record.bytes >= 0 && record.bytes <= kMostCommentBytes;
    if (!honest) return unreadable();
    MediaFacts facts = {
        static_cast<FileKind>(kind), width, height, frames, record.fps[0], record.fps[1]};
    facts.comment.resize(static_cast<size_t>(record.bytes));
    TRY_STATUS(hear_bytes(facts.comment.data(), facts.comment.size()));
    has_facts_ = true;
    sink_.facts(facts);
    return Ok{};
  }

  bool is_size(int64_t width, int64_t height) const {
    return width > 0 && height > 0 && width <= task_.limits.frame_pixels / height;
  }

  Status take_picture(const ReaderRecord& record) {
    const int64_t width = record.numbers[0], height = record.numbers[1];
    const ReadRequest& request = task_.request;
    const bool asked = request.width > 0 ? width == request.width && height == request.height
                                         : is_size(width, height);
    const bool first = pictures_ == 0;
    if (!has_facts_ || task_.facts_only || !asked ||
        (!first && (width != width_ || height != height_)) ||
        ++pictures_ > task_.limits.total_pixels / (width * height) ||
        pictures_ > task_.limits.frames || record.bytes != width * height * 3)
      return unreadable();
    width_ = width;
    height_ = height;
    Picture picture(width, height);
    TRY_STATUS(hear_bytes(picture.rgb.data(), picture.rgb.size()));
    sink_.picture(picture);
    return Ok{};
  }

  Status take_verdict(const ReaderRecord& record) {
    const auto refusal = static_cast<Refusal>(record.numbers[0]);
    if (refusal == Refusal::no_sandbox)
      return fail_machine(printable(name_), ": the process that decodes media found no sandbox");
    const bool complete = has_facts_ && (task_.facts_only || pictures_ > 0);
    if (refusal == Refusal::none && complete) return Ok{};
    return fail(refusal_text(name_, {refusal, record.numbers[1], record.numbers[2]}));
  }

  int pipe_;
  const std::string& name_;
  const DecodeTask& task_;
  DecodeSink& sink_;
  Clock::time_point deadline_;
  bool has_facts_ = false;
  int64_t pictures_ = 0, width_ = 0, height_ = 0;
};

}  // namespace

Status read_in_child(int file, const std::string& name, const DecodeTask& task, DecodeSink& sink) {
  int ends[2] = {};
  if (pipe2(ends, O_CLOEXEC) != 0)
    return fail_machine("a pipe cannot be made: ", std::strerror(errno));
  Descriptor from{ends[0]}, to{ends[1]};
  constexpr int kPipeBytes = 1 << 20;  // fewer, larger steps; refused beyond the user's share
  fcntl(from.number, F_SETPIPE_SZ, kPipeBytes);
  Child child;
  TRY_STATUS(child.start(file, to.number, task));
  to.reset();  // the child's end is then the only one, and its death ends the pipe
  return Conversation(from.number, name, task, sink).listen();
}

}  // namespace hadal
