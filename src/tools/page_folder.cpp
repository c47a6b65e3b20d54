// SPDX-License-Identifier: MIT
#include "tools/page_folder.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"

namespace hadal {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kPageLimit = 64 << 10;  // bytes

}  // namespace

Result<std::vector<std::string>> pages_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end;
       entry.increment(problem))
    if (entry->path().extension() == ".html")
      names.push_back((entry->path().parent_path() / entry->path().stem()).string());
  if (problem) return fail(folder, ": cannot be listed: ", problem.message());
  if (names.empty()) return fail(folder, ": no pages in it");
  std::sort(names.begin(), names.end());
  return names;
}

std::string page_stem(const std::string& name) {
  return fs::path(name).filename().string();
}

Result<std::string> page_text(const std::string& name) {
  return read_file(name + ".html", kPageLimit);
}

Status make_folder(const std::string& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  if (problem) return fail(folder, ": no folder can be made: ", problem.message());
  return Ok{};
}

}  // namespace hadal
