// SPDX-License-Identifier: MIT
// Tasks as words, and verdicts as sentences.
#include "media/reader_records.h"

#include <bit>
#include <charconv>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {
namespace {

// One list for both directions.  Rates and seconds travel as their bits.
constexpr size_t kNumbers = 15;
using Numbers = std::array<int64_t, kNumbers>;

Numbers numbers_of(const DecodeTask& task) {
  const auto bits = [](double value) { return std::bit_cast<int64_t>(value); };
  const ReadRequest& request = task.request;
  const ReadLimits& limits = task.limits;
  return {task.facts_only,
          request.width,
          request.height,
          static_cast<int64_t>(request.fit),
          static_cast<int64_t>(request.shows),
          bits(request.fps),
          request.frames,
          bits(request.start),
          limits.file_bytes,
          limits.frame_pixels,
          limits.frames,
          bits(limits.seconds),
          limits.total_pixels,
          bits(limits.wait_seconds),
          limits.memory_bytes};
}

DecodeTask task_of(const Numbers& n) {
  const auto real = [](int64_t bits) { return std::bit_cast<double>(bits); };
  DecodeTask task;
  task.facts_only = n[0] != 0;
  task.request = {n[1],
                  n[2],
                  n[3] == 0 ? Fit::cover : Fit::stretch,
                  n[4] == 0 ? Shows::colours : Shows::transparency,
                  real(n[5]),
                  n[6],
                  real(n[7])};
  task.limits = {n[8], n[9], n[10], real(n[11]), n[12], real(n[13]), n[14]};
  return task;
}

}  // namespace

std::string task_word(const DecodeTask& task) {
  std::string word;
  for (const int64_t number : numbers_of(task)) word += std::to_string(number) + ",";
  return word;
}

std::optional<DecodeTask> task_of_word(std::string_view word) {
  Numbers numbers{};
  for (int64_t& number : numbers) {
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (code != std::errc() || end == word.data() + word.size() || *end != ',') return std::nullopt;
    word.remove_prefix(static_cast<size_t>(end - word.data()) + 1);
  }
  return word.empty() ? std::optional(task_of(numbers)) : std::nullopt;
}

std::string refusal_text(const std::string& name, const Verdict& verdict) {
  const auto limited = [&](const char* what) {
    return detail::join_text(printable(name), ": ", verdict.found, what, ", at most ",
                             verdict.limit, " are read");
  };
  switch (verdict.refusal) {
    case Refusal::file_bytes:
      return limited(" bytes");
    case Refusal::frame_pixels:
      return limited(" pixels in a frame");
    case Refusal::frames:
      return limited(" frames");
    case Refusal::seconds:
      return limited(" seconds");
    case Refusal::total_pixels:
      return limited(" pixels in all frames");
    case Refusal::animated:
      return printable(name) + ": an animated WebP; of WebP, stills are read";
    default:
      return printable(name) + ": not a picture or clip that can be read";
  }
}

}  // namespace hadal
