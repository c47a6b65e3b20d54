// SPDX-License-Identifier: MIT
// What the decoding child and its parent say to each other; the layout is drawn in reader_child.h.
// Both ends are the same program on the same machine, so numbers are in its own byte order.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "media/decode.h"

namespace hadal {

enum class RecordKind : uint32_t { facts = 1, picture, verdict };

struct ReaderRecord {
  static constexpr uint32_t kMagic = 0x48444d31;

  uint32_t magic = kMagic;
  RecordKind kind = RecordKind::verdict;
  std::array<int64_t, 4> numbers{};
  std::array<double, 2> fps{};
  int64_t bytes = 0;
};
static_assert(sizeof(ReaderRecord) == 64);

// The task as one word of the child's command line, and back.
std::string task_word(const DecodeTask& task);
std::optional<DecodeTask> task_of_word(std::string_view word);

// The one line for a file that was not read.
std::string refusal_text(const std::string& name, const Verdict& verdict);

}  // namespace hadal
