// SPDX-License-Identifier: MIT
#include "tools/data_pages.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/random.h"
#include "scenes/gallery.h"
#include "scenes/page.h"
#include "scenes/page_recording.h"
#include "tools/page_folder.h"

namespace hadal {

namespace {

struct PageOptions {
  std::string out, collect, answers, split = "seen";
  int64_t count = 100;
  uint64_t seed = 1;
};

std::string script_json(const std::vector<Click>& clicks) {
  std::string json = "{\"frames\": " + std::to_string(kPageFrames) + ", \"clicks\": [";
  for (const Click& click : clicks)
    json += detail::join_text(json.back() == '[' ? "" : ", ", "{\"frame\": ", click.frame,
                              ", \"target\": ", click.target, "}");
  return json + "]}\n";
}

std::string numbered(const std::string& folder, int64_t index) {
  const std::string digits = std::to_string(index);
  return folder + "/" + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
}

Result<int> write_pages(const PageOptions& options) {
  TRY_STATUS(make_folder(options.out));
  std::set<std::string> different;
  for (int64_t i = 0; i < options.count; ++i) {
    const uint64_t seed = seed_for(options.seed, std::to_string(i));
    const Page page = random_page(seed, *split_named(options.split));
    const std::string name = numbered(options.out, i);
    TRY_STATUS(write_file(name + ".html", html(page)));
    TRY_STATUS(write_file(name + ".script", script_json(script(page, seed))));
    different.insert(html(page));
  }
  std::printf("%s: %lld pages, %zu different; record them with models/nano/visual/record.mjs\n",
              options.out.c_str(), static_cast<long long>(options.count), different.size());
  return 0;
}

Result<int> collect_pages(const PageOptions& options) {
  TRY(std::vector<std::string> names, pages_in(options.collect));
  GalleryWriter writer;
  for (const std::string& name : names) {
    TRY(std::string text, page_text(name));
    TRY(PageRecording recording, PageRecording::open(name));
    TRY_STATUS(writer.add({"pages", text, recording.clip}));
  }
  TRY_STATUS(writer.write(options.out));
  std::printf("%s: %lld recordings\n", options.out.c_str(), static_cast<long long>(writer.size()));
  return 0;
}

// The verdict on the answer of the same name; one that was not given or broke is wrong.
PageVerdict verdict_on(const PageRecording& asked, const std::string& answer) {
  Result<PageRecording> recording = PageRecording::open(answer);
  if (!recording) return {false, false, false, recording.error().message};
  return judge_page(asked, *recording);
}

Result<int> judge_answers(const PageOptions& options) {
  TRY(std::vector<std::string> names, pages_in(options.collect));
  int64_t right = 0, dom = 0, pixels = 0, interaction = 0;
  for (const std::string& name : names) {
    TRY(PageRecording asked, PageRecording::open(name));
    const std::string stem = page_stem(name);
    const PageVerdict verdict = verdict_on(asked, options.answers + "/" + stem);
    right += verdict.right() ? 1 : 0;
    dom += verdict.dom ? 1 : 0;
    pixels += verdict.pixels ? 1 : 0;
    interaction += verdict.interaction ? 1 : 0;
    if (!verdict.right()) std::printf("%s: %s\n", stem.c_str(), verdict.problem.c_str());
  }
  std::printf("%lld of %zu pages right; DOM %lld, pixels %lld, interaction %lld\n",
              static_cast<long long>(right), names.size(), static_cast<long long>(dom),
              static_cast<long long>(pixels), static_cast<long long>(interaction));
  return 0;
}

Result<int> run_pages(const PageOptions& options) {
  if (!options.answers.empty() && options.collect.empty())
    return fail("--answers needs --collect: the folder of the pages that were asked for");
  if (!options.answers.empty()) return judge_answers(options);
  if (options.out.empty()) return fail("--out is missing: a folder, or with --collect a gallery");
  return options.collect.empty() ? write_pages(options) : collect_pages(options);
}

}  // namespace

void add_page_data(CLI::App& data, Command& chosen) {
  auto options = std::make_shared<PageOptions>();
  CLI::App* command = data.add_subcommand("pages", "Small web pages, their recordings, answers");
  command->add_option("-o,--out", options->out, "Folder to fill, or with --collect a gallery");
  command->add_option("--count", options->count, "Pages")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Another seed, other pages")->capture_default_str();
  command->add_option("--split", options->split, "seen: for training; unseen: the other eighth")
      ->check(CLI::IsMember({"seen", "unseen"}))
      ->capture_default_str();
  command->add_option("--collect", options->collect, "Folder of recorded pages");
  command->add_option("--answers", options->answers,
                      "Folder of recorded answers with the same names: judge them");
  command->callback([options, &chosen] { chosen = [options] { return run_pages(*options); }; });
  command->footer(
      "Examples:\n"
      "  hadal data pages -o pages --count 2000 --seed 1\n"
      "  node models/nano/visual/record.mjs pages\n"
      "  hadal data pages --collect pages -o pages.gallery\n"
      "  node models/nano/visual/record.mjs answers --script pages\n"
      "  hadal data pages --collect pages --answers answers");
}

}  // namespace hadal
