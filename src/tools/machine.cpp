// SPDX-License-Identifier: MIT
// The machine: /proc and cgroups.
#include "tools/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/processors.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// The number after `key` in a file of lines "key number"; an empty key: the file's first word.
std::optional<int64_t> number_in(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    int64_t number = 0;
    if (rest >> number) return number;
    return std::nullopt;  // "max"
  }
  return std::nullopt;
}

struct Group {
  int64_t limit_bytes = kNoLimit;
  int64_t used_bytes = 0;  // without pages of files, which go when memory is short
};

// The tightest of a cgroup and its parents.
Group tightest(const fs::path& root, std::string inside, const std::string& limit_name,
               const std::string& used_name, const std::string& cached_key) {
  Group group;
  while (true) {
    const fs::path folder = root / fs::path(inside).relative_path();
    const std::optional<int64_t> limit = number_in(folder / limit_name, "");
    if (limit && *limit < group.limit_bytes) {
      const int64_t used = number_in(folder / used_name, "").value_or(0);
      const int64_t cached = number_in(folder / "memory.stat", cached_key).value_or(0);
      group = {*limit, std::max<int64_t>(0, used - cached)};
    }
    if (inside.empty() || inside == "/") return group;
    inside = fs::path(inside).parent_path().string();
  }
}

Group memory_group() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  Group group;
  while (std::getline(file, line)) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string kinds = line.substr(first + 1, second - first - 1);
    const std::string inside = line.substr(second + 1);
    if (kinds.empty())
      group = tightest("/sys/fs/cgroup", inside, "memory.max", "memory.current", "inactive_file ");
    else if (kinds.find("memory") != std::string::npos)
      return tightest("/sys/fs/cgroup/memory", inside, "memory.limit_in_bytes",
                      "memory.usage_in_bytes", "total_inactive_file ");
  }
  return group;
}

// What `ulimit -v` leaves.
int64_t address_space_left() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  const int64_t pages = number_in("/proc/self/statm", "").value_or(0);
  return static_cast<int64_t>(limit.rlim_cur) - pages * sysconf(_SC_PAGESIZE);
}

}  // namespace

Memory machine_memory() {
  constexpr int64_t kKilo = 1024;  // /proc/meminfo counts in these
  const std::optional<int64_t> total = number_in("/proc/meminfo", "MemTotal:");
  const std::optional<int64_t> available = number_in("/proc/meminfo", "MemAvailable:");
  Memory memory{total ? *total * kKilo : kNoLimit, available ? *available * kKilo : kNoLimit};
  const Group group = memory_group();
  memory.total_bytes = std::min(memory.total_bytes, group.limit_bytes);
  memory.available_bytes = std::min(
      {memory.available_bytes, group.limit_bytes - group.used_bytes, address_space_left()});
  memory.available_bytes = std::max<int64_t>(0, memory.available_bytes);
  return memory;
}

int64_t machine_cores() {
  return static_cast<int64_t>(usable_processors().size());
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with("model name") && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return "unknown";
}

std::vector<std::string> processor_flags() {
  constexpr std::array<const char*, 12> kInteresting = {
      "sse4_2",   "avx",         "f16c",        "fma",      "avx2",     "avx512f",
      "avx512bw", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "avx_vnni"};
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && !line.starts_with("flags")) {
  }
  std::vector<std::string> flags;
  std::istringstream words(line);
  for (std::string word; words >> word;)
    if (std::find(kInteresting.begin(), kInteresting.end(), word) != kInteresting.end())
      flags.push_back(word);
  return flags;
}

std::string program_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return error ? "" : program.parent_path().string();
}

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");  // pages: of the address space, resident, …
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

std::string bytes_text(int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text.data();
}

}  // namespace hadal
