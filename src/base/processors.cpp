// SPDX-License-Identifier: MIT
// Affinity masks, and /sys.
#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <thread>

namespace hadal {
namespace {

namespace fs = std::filesystem;

// As many as Linux can be built for; a smaller mask than the machine's is refused by the kernel.
constexpr int kMostProcessors = 8192;

// A mask of any number of processors.
class ProcessorSet {
 public:
  ProcessorSet() : set_(CPU_ALLOC(kMostProcessors)) { CPU_ZERO_S(bytes(), set_); }
  ~ProcessorSet() { CPU_FREE(set_); }
  ProcessorSet(const ProcessorSet&) = delete;
  ProcessorSet& operator=(const ProcessorSet&) = delete;

  cpu_set_t* get() const { return set_; }
  static size_t bytes() { return CPU_ALLOC_SIZE(kMostProcessors); }

 private:
  cpu_set_t* set_;
};

// A whole decimal number without a sign; -1 for anything else.
int number_of(std::string_view text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  return whole && number >= 0 && number < kMostProcessors ? number : -1;
}

}  // namespace

std::vector<int> usable_processors() {
  const ProcessorSet set;
  std::vector<int> usable;
  if (sched_getaffinity(0, ProcessorSet::bytes(), set.get()) == 0)
    for (int processor = 0; processor < kMostProcessors; ++processor)
      if (CPU_ISSET_S(static_cast<size_t>(processor), ProcessorSet::bytes(), set.get()))
        usable.push_back(processor);
  if (!usable.empty()) return usable;
  const int count = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (int processor = 0; processor < count; ++processor) usable.push_back(processor);
  return usable;
}

std::vector<int> processor_list(const std::string& text) {
  std::vector<int> processors;
  std::string_view rest = text;
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == ' ')) rest.remove_suffix(1);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view range = rest.substr(0, comma);
    const size_t dash = std::min(range.find('-'), range.size());
    const int first = number_of(range.substr(0, dash));
    const int last = dash == range.size() ? first : number_of(range.substr(dash + 1));
    if (first < 0 || last < first) return {};
    for (int processor = first; processor <= last; ++processor) processors.push_back(processor);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return processors;
}

std::vector<MemoryNode> memory_nodes(const std::string& folder, const std::vector<int>& usable) {
  std::vector<MemoryNode> nodes;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    const int id = name.starts_with("node") ? number_of(std::string_view(name).substr(4)) : -1;
    if (id < 0) continue;
    std::ifstream file(entry.path() / "cpulist");
    std::string line;
    std::getline(file, line);
    MemoryNode node{id, {}};
    for (const int processor : processor_list(line))
      if (std::binary_search(usable.begin(), usable.end(), processor))
        node.processors.push_back(processor);
    std::sort(node.processors.begin(), node.processors.end());
    if (!node.processors.empty()) nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(),
            [](const MemoryNode& a, const MemoryNode& b) { return a.id < b.id; });
  if (nodes.empty()) nodes.push_back({0, usable});
  return nodes;
}

std::vector<std::vector<int>> homes_of(int64_t threads, const std::vector<int>& usable,
                                       const std::vector<MemoryNode>& nodes) {
  std::vector<std::vector<int>> homes;
  if (threads == static_cast<int64_t>(usable.size())) {
    for (const MemoryNode& node : nodes)
      for (const int processor : node.processors) homes.push_back({processor});
    // Nodes that do not list every usable processor are not to be believed.
    if (static_cast<int64_t>(homes.size()) != threads) homes.clear();
    return homes;
  }
  const int64_t count = static_cast<int64_t>(nodes.size());
  if (count == 1) return homes;
  for (int64_t thread = 0; thread < threads; ++thread)
    homes.push_back(nodes[static_cast<size_t>(thread * count / threads)].processors);
  return homes;
}

bool keep_on(pthread_t thread, const std::vector<int>& processors) {
  const ProcessorSet set;
  for (const int processor : processors)
    CPU_SET_S(static_cast<size_t>(processor), ProcessorSet::bytes(), set.get());
  return pthread_setaffinity_np(thread, ProcessorSet::bytes(), set.get()) == 0;
}

}  // namespace hadal
