// SPDX-License-Identifier: MIT
// No include runs upwards: every #include under src/ is held against the table of rooms in
// ARCHITECTURE.md, and a library that belongs to one room is included by that room only.
#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace fs = std::filesystem;

struct Room {
  std::string_view name;  // the folder under src/
  std::vector<std::string_view> may_include;
};

// Every room may include itself.  `backends` are the files beside the back ends' folders: the
// place that opens a back end by its name.
const std::vector<Room>& rooms() {
  static const std::vector<Room> kRooms = {
      {"base", {}},
      {"ops", {"base"}},
      {"backends/cpu", {"base", "ops"}},
      {"backends/cuda", {"base", "ops"}},
      {"backends/torch", {"base", "ops"}},
      {"backends", {"base", "ops", "backends/cpu", "backends/cuda", "backends/torch"}},
      {"grammar", {"base"}},
      {"text", {"base"}},
      {"media", {"base"}},
      {"scenes", {"base", "media"}},
      {"model", {"base", "ops"}},
      {"engine", {"base", "ops", "grammar", "model"}},
      {"serve", {"base", "grammar", "text", "media", "engine"}},
      {"train", {"base", "ops", "model", "backends/torch", "media", "scenes"}},
      {"tools",
       {"base", "ops", "backends", "backends/cpu", "backends/cuda", "backends/torch", "grammar", "text",
        "media", "scenes", "model", "engine", "serve", "train"}},
  };
  return kRooms;
}

// Libraries that only some rooms know, by the beginning of their headers' names.
struct Library {
  std::string_view prefix;
  std::vector<std::string_view> rooms;
};

const std::vector<Library>& libraries() {
  static const std::vector<Library> kLibraries = {
      {"torch/", {"backends/torch", "train"}},
      {"ATen/", {"backends/torch", "train"}},
      {"c10/", {"backends/torch", "train"}},
      {"gloo/", {"backends/torch", "train"}},
      {"cuda", {"backends/cuda"}},
      {"pcre2", {"text"}},
      {"unicode/", {"text"}},
      {"libav", {"media"}},
      {"libsw", {"media"}},
      {"ft2build", {"scenes"}},
      {"freetype/", {"scenes"}},
      {"boost/", {"serve"}},
      {"openssl/", {"serve"}},
      {"sqlite3", {"serve"}},
      {"CLI/", {"tools"}},
      {"gtest/", {}},
  };
  return kLibraries;
}

bool holds(const std::vector<std::string_view>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The room of a file, by its path under src/: the longest folder of the table that leads to it.
const Room* room_of(std::string_view path) {
  const Room* found = nullptr;
  for (const Room& room : rooms())
    if (path.starts_with(room.name) && path.substr(room.name.size()).starts_with('/') &&
        (!found || room.name.size() > found->name.size()))
      found = &room;
  return found;
}

struct Include {
  std::string path;
  bool ours = false;  // "quoted", not <angled>
};

// The include of one line of source, if it has one.
std::optional<Include> include_of(std::string_view line) {
  const auto skip_blanks = [&line] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  };
  skip_blanks();
  if (!line.starts_with('#')) return std::nullopt;
  line.remove_prefix(1);
  skip_blanks();
  constexpr std::string_view kWord = "include";
  if (!line.starts_with(kWord)) return std::nullopt;
  line.remove_prefix(kWord.size());
  skip_blanks();
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const bool ours = line.front() == '"';
  line.remove_prefix(1);
  return Include{std::string(line.substr(0, line.find(ours ? '"' : '>'))), ours};
}

// Why this room may not have this include; empty when it may.
std::string objection(const Room& room, const Include& include) {
  if (!include.ours) {
    for (const Library& library : libraries())
      if (include.path.starts_with(library.prefix) && !holds(library.rooms, room.name))
        return "room " + std::string(room.name) + " may not know <" + include.path + ">";
    return "";
  }
  if (include.path.find("..") != std::string::npos)
    return "\"" + include.path + "\" must be written from src/ downwards";
  if (include.path.find('/') == std::string::npos) return "";  // a neighbour in the same folder
  const Room* other = room_of(include.path);
  if (!other) return "\"" + include.path + "\" is in no room of the table";
  if (other == &room || holds(room.may_include, other->name)) return "";
  return "room " + std::string(room.name) + " may not include \"" + include.path + "\"";
}

bool is_source(const fs::path& path) {
  constexpr std::array<std::string_view, 5> kEndings = {".h", ".cpp", ".inc", ".cu", ".cuh"};
  return std::find(kEndings.begin(), kEndings.end(), path.extension().string()) != kEndings.end();
}

// The sources under a folder, as sorted paths relative to it.
std::vector<std::string> sources_under(const fs::path& folder) {
  std::vector<std::string> sources;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && is_source(entry.path()))
      sources.push_back(fs::relative(entry.path(), folder).generic_string());
  std::sort(sources.begin(), sources.end());
  return sources;
}

// One line "file:line: why" for everything under src that the table forbids.
std::vector<std::string> violations(const fs::path& src) {
  std::vector<std::string> found;
  for (const std::string& path : sources_under(src)) {
    const Room* room = room_of(path);
    if (!room) {
      found.push_back(path + ":1: the file is in no room of the table");
      continue;
    }
    std::ifstream stream(src / path);
    std::string line;
    for (int64_t number = 1; std::getline(stream, line); ++number) {
      const std::optional<Include> include = include_of(line);
      if (!include) continue;
      const std::string why = objection(*room, *include);
      if (!why.empty()) found.push_back(path + ":" + std::to_string(number) + ": " + why);
    }
  }
  return found;
}

// A small source tree that ends with the test.
class Tree {
 public:
  Tree() : root_(fs::path(testing::TempDir()) / "hadal_include_table_test") {
    fs::remove_all(root_);
  }
  ~Tree() { fs::remove_all(root_); }

  void write(const std::string& path, std::string_view text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  const fs::path& root() const { return root_; }

 private:
  fs::path root_;
};

TEST(IncludeTable, HoldsForOurSources) {
  const fs::path src = fs::path(HADAL_TESTS_DIR).parent_path() / "src";
  ASSERT_FALSE(sources_under(src).empty()) << src;
  for (const std::string& violation : violations(src)) ADD_FAILURE() << "src/" << violation;
}

TEST(IncludeTable, AllowsWhatTheTableAllows) {
  const Tree tree;
  tree.write("base/tensor.h", "#pragma once\n#include <vector>\n");
  tree.write("ops/ops.h", "#include \"base/tensor.h\"\n#include \"neighbour.h\"\n");
  tree.write("backends/torch/verbs.cpp", "#include <ATen/ATen.h>\n#include \"ops/ops.h\"\n");
  tree.write("backends/backends.cpp", "#include \"backends/cpu/cpu.h\"\n");
  tree.write("train/trainer.cpp", "#include \"backends/torch/libtorch.h\"\n");
  tree.write("tools/generate.cpp", "#include \"engine/engine.h\"\n#include <CLI/CLI.hpp>\n");
  tree.write("model/notes.txt", "#include \"tools/main.h\"\n");
  EXPECT_EQ(violations(tree.root()), std::vector<std::string>{});
}

TEST(IncludeTable, CatchesEveryKindOfViolation) {
  const Tree tree;
  tree.write("base/file.cpp", "// A comment.\n\n  #  include \"ops/ops.h\"\n");
  tree.write("backends/cpu/a.cpp", "#include \"backends/cuda/a.h\"\n");
  tree.write("cellar/wine.h", "#pragma once\n");
  tree.write("engine/engine.cpp", "#include \"backends/backends.h\"\n");
  tree.write("model/v4.cpp", "#include <ATen/ATen.h>\n#include \"../text/tokenizer.h\"\n");
  tree.write("text/chat.cpp", "#include \"attic/trunk.h\"\n");
  EXPECT_EQ(violations(tree.root()),
            (std::vector<std::string>{
                "backends/cpu/a.cpp:1: room backends/cpu may not include \"backends/cuda/a.h\"",
                "base/file.cpp:3: room base may not include \"ops/ops.h\"",
                "cellar/wine.h:1: the file is in no room of the table",
                "engine/engine.cpp:1: room engine may not include \"backends/backends.h\"",
                "model/v4.cpp:1: room model may not know <ATen/ATen.h>",
                "model/v4.cpp:2: \"../text/tokenizer.h\" must be written from src/ downwards",
                "text/chat.cpp:1: \"attic/trunk.h\" is in no room of the table",
            }));
}

}  // namespace
