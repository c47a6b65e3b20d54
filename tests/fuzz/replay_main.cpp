// SPDX-License-Identifier: MIT
// Feeds every file of a corpus folder to a fuzz target, once: what the fuzzer has found stays
// found, with any compiler.  Arguments: the corpus folders.  A folder that is missing or empty
// fails, because it would prove nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

namespace {

namespace fs = std::filesystem;

// Sorted, so that two runs meet the same failure first.
std::vector<fs::path> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void replay(const fs::path& file) {
  // Named before it is run: the last name printed is the input that crashed.
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);
  std::ifstream stream(file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "replay: no corpus folder was named\n");
    return 2;
  }
  for (int i = 1; i < count; ++i) {
    const std::vector<fs::path> files = files_under(arguments[i]);
    if (files.empty()) {
      std::fprintf(stderr, "replay: %s holds no files\n", arguments[i]);
      return 1;
    }
    for (const fs::path& file : files) replay(file);
    std::printf("replay: %zu files of %s\n", files.size(), arguments[i]);
  }
}
