// SPDX-License-Identifier: MIT
// The machine that the program runs on: memory that may still be used, cores, the program's file.
//
// Linux: /proc and cgroups, versions 1 and 2.  What cannot be read counts as no limit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hadal {

struct Memory {
  int64_t total_bytes = 0;      // of the machine, or of the cgroup if that is less
  int64_t available_bytes = 0;  // what this process can still take: the least of machine, cgroup
                                // and address space limit (ulimit -v)
};
Memory machine_memory();

int64_t machine_cores();                     // that this process may use
std::string processor_name();                // as /proc/cpuinfo says
std::vector<std::string> processor_flags();  // those that kernels care for

// What this process holds in memory now, pages of mapped files that were read among it; 0 if the
// system does not say.
int64_t resident_bytes();

// The folder that holds the running program; empty if the system does not say.
std::string program_folder();

// "1.5 GiB", "320.0 MiB", "17 B".
std::string bytes_text(int64_t bytes);

}  // namespace hadal
