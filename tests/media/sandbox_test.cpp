// SPDX-License-Identifier: MIT
// In the sandbox a process can compute, write to descriptor 1, and end.  Everything else kills it.
#include "media/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace hadal {
namespace {

constexpr int kNoSandbox = 99;

// How a child ends that enters the sandbox and does `deed`: its exit code, or minus its signal.
int end_of(const std::function<int()>& deed,
           const SandboxLimits& limits = {.memory_bytes = 64 << 20, .cpu_seconds = 60}) {
  const pid_t child = fork();
  if (child == 0) {
    const int quiet = open("/dev/null", O_WRONLY);
    dup2(quiet, STDOUT_FILENO);
    dup2(quiet, STDERR_FILENO);
    if (!enter_sandbox(limits)) _exit(kNoSandbox);
    _exit(deed());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Sandbox, ComputingAndWritingToTheResult) {
  EXPECT_EQ(end_of([] {
              std::string text(1 << 20, 'x');
              text += text;
              return write(STDOUT_FILENO, text.data(), 100) == 100 ? 7 : 8;
            }),
            7);
}

TEST(Sandbox, NoFileIsOpened) {
  EXPECT_EQ(end_of([] { return open("/etc/passwd", O_RDONLY); }), -SIGSYS);
  EXPECT_EQ(end_of([] { return open("/tmp/hadal_sandbox", O_WRONLY | O_CREAT, 0600); }), -SIGSYS);
  EXPECT_EQ(end_of([] { return static_cast<int>(syscall(SYS_memfd_create, "x", 0)); }), -SIGSYS);
  EXPECT_EQ(end_of([] { return unlink("/tmp/hadal_sandbox"); }), -SIGSYS);
}

TEST(Sandbox, NoOtherDescriptorIsWrittenOrRead) {
  EXPECT_EQ(end_of([] { return static_cast<int>(write(STDERR_FILENO, "x", 1)); }), -SIGSYS);
  EXPECT_EQ(end_of([] {
              char byte = 0;
              return static_cast<int>(read(STDIN_FILENO, &byte, 1));
            }),
            -SIGSYS);
}

TEST(Sandbox, NoNetwork) {
  EXPECT_EQ(end_of([] { return socket(AF_INET, SOCK_STREAM, 0); }), -SIGSYS);
  EXPECT_EQ(end_of([] { return socket(AF_UNIX, SOCK_STREAM, 0); }), -SIGSYS);
}

TEST(Sandbox, NoOtherProcess) {
  EXPECT_EQ(end_of([] { return static_cast<int>(fork()); }), -SIGSYS);
  EXPECT_EQ(end_of([] {
              char* none[] = {nullptr};
              return execve("/bin/true", none, none);
            }),
            -SIGSYS);
  EXPECT_EQ(end_of([] { return kill(getppid(), 0); }), -SIGSYS);
}

TEST(Sandbox, NoCodeIsMade) {
  EXPECT_EQ(end_of([] {
              mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return 0;
            }),
            -SIGSYS);
  EXPECT_EQ(end_of([] {
              void* page =
                  mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : 1;
            }),
            -SIGSYS);
}

TEST(Sandbox, MemoryEndsAtTheLimit) {
  const auto maps = [](size_t bytes) {
    return [bytes] {
      void* memory =
          mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return memory == MAP_FAILED ? 5 : 6;
    };
  };
  EXPECT_EQ(end_of(maps(16 << 20)), 6);
  EXPECT_EQ(end_of(maps(65 << 20)), 5);
}

TEST(Sandbox, TimeEndsAtTheLimit) {
  const int end = end_of(
      [] {
        volatile bool forever = true;
        while (forever) {
        }
        return 0;
      },
      {.memory_bytes = 64 << 20, .cpu_seconds = 0});
  EXPECT_TRUE(end == -SIGXCPU || end == -SIGKILL) << end;
}

}  // namespace
}  // namespace hadal
