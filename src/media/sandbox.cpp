// SPDX-License-Identifier: MIT
// The fences of the sandbox.  Tested by sandbox_test.cpp, which runs against each of them.
#include "media/sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace hadal {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "the seccomp filter needs this processor's AUDIT_ARCH and its order of argument bytes"
#endif

// ---- the filter: a small program over struct seccomp_data, run by the kernel at each call

using Filter = std::vector<sock_filter>;

void load(Filter& filter, size_t offset) {
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)));
}

void answer(Filter& filter, uint32_t action) {
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, action));
}

// The lower half of argument i; both processors above are little-endian.
size_t argument(int i) {
  return offsetof(seccomp_data, args) + static_cast<size_t>(i) * sizeof(uint64_t);
}

void allow(Filter& filter, uint32_t call) {
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
  answer(filter, SECCOMP_RET_ALLOW);
}

// Allows the call where argument `i` shares no bit with `forbidden`, and all of `required`.
struct Bits {
  int argument;
  uint32_t forbidden, required;
};

void allow_with(Filter& filter, uint32_t call, const std::vector<Bits>& rules) {
  Filter body;
  for (const Bits& rule : rules) {
    load(body, argument(rule.argument));
    body.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, rule.forbidden | rule.required));
    body.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, rule.required, 1, 0));
    answer(body, SECCOMP_RET_KILL_PROCESS);
  }
  answer(body, SECCOMP_RET_ALLOW);
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, static_cast<uint8_t>(body.size())));
  filter.insert(filter.end(), body.begin(), body.end());
}

Filter computing_only() {
  constexpr uint32_t kAllBits = ~0u;
  Filter filter;
  load(filter, offsetof(seccomp_data, arch));
  filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  answer(filter, SECCOMP_RET_KILL_PROCESS);
  load(filter, offsetof(seccomp_data, nr));
  // sigaltstack is for AddressSanitizer, which asks for it before a process ends.
  for (const long call :
       {SYS_exit, SYS_exit_group, SYS_futex, SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
        SYS_sched_yield, SYS_clock_gettime, SYS_rt_sigreturn, SYS_sigaltstack})
    allow(filter, static_cast<uint32_t>(call));
  // Results go to descriptor 1; memory is anonymous and never executable.
  allow_with(filter, SYS_write, {{0, kAllBits & ~1u, 1}});
  allow_with(filter, SYS_mmap, {{2, PROT_EXEC, 0}, {3, 0, MAP_ANONYMOUS}});
  allow_with(filter, SYS_mprotect, {{2, PROT_EXEC, 0}});
  answer(filter, SECCOMP_RET_KILL_PROCESS);
  return filter;
}

// ---- limits

int64_t mapped_bytes() {
  char text[64] = {};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  const ssize_t got = read(file, text, sizeof text - 1);
  close(file);
  return got > 0 ? std::atoll(text) * sysconf(_SC_PAGESIZE) : -1;
}

int64_t used_cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + 1;
}

// Never above what the process was given: raising a limit is a privilege.
bool lower(int resource, int64_t value) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return false;
  const auto wanted = static_cast<rlim_t>(value);
  if (limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max) limit.rlim_max = wanted;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0;
}

Status lower_limits(const SandboxLimits& limits) {
  const int64_t mapped = mapped_bytes();
  if (mapped < 0) return fail_machine("sandbox: /proc/self/statm cannot be read");
  // Address space relative to what is mapped: a program with libtorch begins with gigabytes.
  const bool lowered = lower(RLIMIT_AS, mapped + limits.memory_bytes) &&
                       lower(RLIMIT_CPU, used_cpu_seconds() + limits.cpu_seconds) &&
                       lower(RLIMIT_FSIZE, 0) && lower(RLIMIT_NOFILE, 0) &&
                       lower(RLIMIT_NPROC, 0) && lower(RLIMIT_CORE, 0);
  if (!lowered) return fail_machine("sandbox: setrlimit: ", std::strerror(errno));
  return Ok{};
}

}  // namespace

Status enter_sandbox(const SandboxLimits& limits) {
  TRY_STATUS(lower_limits(limits));
  // Not dumpable: no other process of this user may look into it while it holds foreign bytes.
  if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return fail_machine("sandbox: prctl: ", std::strerror(errno));
  Filter filter = computing_only();
  const sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
    return fail_machine("sandbox: this system has no seccomp filter: ", std::strerror(errno));
  return Ok{};
}

}  // namespace hadal
