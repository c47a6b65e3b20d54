// SPDX-License-Identifier: MIT
// From options to a length, and what came of it.
#include "tools/draft_option.h"

#include <CLI/CLI.hpp>

#include <array>
#include <charconv>
#include <cstdio>

#include "base/json.h"
#include "tools/output.h"

namespace hadal {
namespace {

// 0: adapts.
Result<int64_t> fixed_length(const DraftChoice& choice) {
  if (choice.length == "auto") return 0;
  int64_t length = 0;
  const char* end = choice.length.data() + choice.length.size();
  const auto [stop, error] = std::from_chars(choice.length.data(), end, length);
  if (error != std::errc() || stop != end || length < 1)
    return fail("--draft is \"", printable(choice.length), "\", expected auto, off or a number");
  return length;
}

std::string number(const char* format, double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

void add_draft_options(CLI::App& command, DraftChoice& choice) {
  command
      .add_option("--draft", choice.length,
                  "Tokens that the model's draft head guesses at once: auto (as many as pay), "
                  "off, or a number; the answer is the same")
      ->capture_default_str();
  command.add_flag("--stats", choice.stats, "Say on stderr what guessing brought");
}

Result<std::unique_ptr<DraftLength>> open_drafts(const DraftChoice& choice, const OpenModel& open,
                                                 bool quiet) {
  if (!choice.wanted()) return std::unique_ptr<DraftLength>();
  TRY(const int64_t fixed, fixed_length(choice));
  const int64_t limit = open.model->draft_limit();
  const std::string& problem = open.model->draft_problem();
  if (fixed > 0 && limit == 0)
    return fail("--draft ", fixed, ": ", open.folder, " has no draft head",
                problem.empty() ? "" : " that is known: ", problem);
  if (fixed > limit)
    return fail("--draft ", fixed, ": ", open.folder, " guesses at most ", limit, " tokens");
  if (limit > 0) return std::make_unique<DraftLength>(limit, fixed);
  if (!problem.empty() && !quiet) note_line("nothing is guessed ahead: " + problem);
  return std::unique_ptr<DraftLength>();
}

std::string draft_line(const DraftLength* drafts) {
  if (!drafts) return "nothing was guessed ahead";
  const DraftStats& stats = drafts->stats();
  const double passes = static_cast<double>(stats.passes);
  std::string line = number("%.2f", ratio(passes + static_cast<double>(stats.right), passes)) +
                     " tokens a pass · " + std::to_string(stats.guessed) + " guessed, " +
                     std::to_string(stats.read) + " read, " + std::to_string(stats.right) +
                     " right";
  if (stats.read > 0) line += " · right by place:";
  for (size_t at = 0; at < stats.judged_at.size() && stats.judged_at[at] > 0; ++at)
    line += number(" %.0f %%", 100 * ratio(static_cast<double>(stats.right_at[at]),
                                           static_cast<double>(stats.judged_at[at])));
  const double all = stats.draft_seconds + stats.read_seconds;
  return line + " · guessing took " + number("%.0f %%", 100 * ratio(stats.draft_seconds, all)) +
         " of the time";
}

}  // namespace hadal
