// SPDX-License-Identifier: MIT
// Prompts by lot, pictures by the model, verdicts by the scenes.
#include "tools/eval_visual.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/random.h"
#include "media/write.h"
#include "model/visual_tokenizer_quality.h"
#include "scenes/film_check.h"
#include "scenes/gallery.h"
#include "scenes/named_pictures.h"
#include "scenes/page.h"
#include "scenes/page_recording.h"
#include "scenes/still_check.h"
#include "tools/contact_sheet.h"
#include "tools/page_folder.h"
#include "tools/score.h"
#include "tools/studio.h"

namespace hadal {
namespace {

constexpr int64_t kSide = 64;          // pixels: what nano was trained on
constexpr int64_t kFrames = 9;         // of a film
constexpr int64_t kShortCaption = 96;  // longer than any caption
constexpr int64_t kPageTokens = 256;   // longer than any page of the grammar
constexpr double kKeptDecibels = 24;   // a given frame that is nearer than this was kept

struct VisualEvalOptions {
  ModelChoice model;
  std::vector<std::string> sets = {"shapes", "motion", "animate", "read"};
  std::string names, pages, answers, out, json;
  int64_t count = 300;
  uint64_t seed = 1;
  double guidance = kUsualGuidance, temperature = kUsualTemperature;
  int64_t passes = 0, top_k = 0;
};

class VisualEval {
 public:
  VisualEval(Studio& studio, const VisualEvalOptions& options)
      : studio_(studio), options_(options) {}

  Result<int> run() {
    for (const std::string& set : options_.sets) {
      Status status = Ok{};
      if (set == "shapes") status = shapes();
      if (set == "motion") status = films(false);
      if (set == "animate") status = films(true);
      if (set == "read") status = reading();
      if (set == "names") status = names();
      if (set == "pages") status = pages();
      if (!status) return status.error();
    }
    if (!options_.json.empty()) TRY_STATUS(write_json());
    return 0;
  }

 private:
  PictureRequest request(int64_t frames) const {
    PictureRequest request;
    request.width = request.height = kSide;
    request.frames = frames;
    request.guidance = options_.guidance;
    request.temperature = options_.temperature;
    request.passes = options_.passes;
    request.top_k = options_.top_k;
    return request;
  }
  uint64_t seed(const std::string& what, int64_t i) const {
    return seed_for(options_.seed, what + std::to_string(i));
  }
  Clip through_tokenizer(const Clip& clip) const {
    return decode_clip(*studio_.visual, studio_.config(), studio_.encode(clip), clip.height(),
                       clip.width());
  }

  Status shapes() {
    Score score, ceiling;
    double seconds = 0;
    int64_t steps = 0;
    Clip sheet;
    for (const Split split : {Split::seen, Split::unseen}) {
      const std::string name(word(split));
      std::vector<Still> stills;
      std::vector<PictureOrder> orders;
      for (int64_t i = 0; i < options_.count; ++i) {
        stills.push_back(random_still(seed("shapes " + name, i), split));
        orders.push_back({caption(stills.back()), {}, seed("paint", i)});
        const Clip drawn{{draw_still(stills.back(), kSide)}, 8};
        add_verdict(ceiling, name, check_still(stills.back(), through_tokenizer(drawn).frames[0]));
      }
      TRY(const std::vector<Picturing> made, studio_.paint(orders, request(1), {}));
      for (size_t i = 0; i < made.size(); ++i) {
        add_verdict(score, name, check_still(stills[i], made[i].clip.frames[0]));
        if (sheet.frames.size() < 64) sheet.frames.push_back(made[i].clip.frames[0]);
      }
      add_cost(made, seconds, steps);
    }
    report("shapes", score, ceiling, seconds, steps);
    return write_sheet("shapes", sheet);
  }

  Status films(bool animate) {
    const std::string set = animate ? "animate" : "motion";
    Score score, ceiling;
    double seconds = 0;
    int64_t steps = 0;
    Clip sheet;
    for (const Split split : {Split::seen, Split::unseen}) {
      const std::string name(word(split));
      std::vector<FilmScene> asked;
      std::vector<PictureOrder> orders;
      std::vector<Clip> originals;
      for (int64_t i = 0; i < options_.count; ++i) {
        asked.push_back(random_film(seed("motion " + name, i), split));
        originals.push_back(draw_film(asked.back(), {.side = kSide, .frames = kFrames}));
        PictureOrder order{caption(asked.back()), {}, seed("paint", i)};
        if (animate) order.first_frame = studio_.encode(Clip{{originals.back().frames[0]}, 8});
        orders.push_back(std::move(order));
        add_verdict(ceiling, name, check_film(asked.back(), through_tokenizer(originals.back())));
      }
      TRY(const std::vector<Picturing> made, studio_.paint(orders, request(kFrames), {}));
      for (size_t i = 0; i < made.size(); ++i) {
        add_verdict(score, name, check_film(asked[i], made[i].clip));
        if (animate)
          score.add(name + ": given frame kept",
                    psnr(pixels_of(Clip{{originals[i].frames[0]}, 8}),
                         pixels_of(Clip{{made[i].clip.frames[0]}, 8})) >= kKeptDecibels);
        if (sheet.frames.size() < 90)
          for (size_t f = 0; f < made[i].clip.frames.size(); ++f)
            sheet.frames.push_back(made[i].clip.frames[f]);
      }
      add_cost(made, seconds, steps);
    }
    report(set, score, ceiling, seconds, steps);
    return write_sheet(set, sheet);
  }

  Status reading() {
    Score score;
    for (const Split split : {Split::seen, Split::unseen}) {
      const std::string name(word(split));
      for (int64_t i = 0; i < options_.count; ++i) {
        const Still still = random_still(seed("read " + name, i), split);
        TRY(const std::string said,
            studio_.describe(studio_.encode(Clip{{draw_still(still, kSide)}, 8}), kShortCaption));
        const Result<Still> read = parse_still(said);
        score.add(name + ": caption of a picture", read && *read == still);
        const FilmScene film = random_film(seed("watch " + name, i), split);
        TRY(const std::string told,
            studio_.describe(studio_.encode(draw_film(film, {.side = kSide, .frames = kFrames})),
                             kShortCaption));
        const Result<FilmScene> watched = parse_film(told);
        score.add(name + ": caption of a clip", watched && *watched == film);
        score.add(name + ": motion of a clip", watched && same_motion(*watched, film));
      }
    }
    score.print("read");
    results_["read"] = {{"score", score.json()}};
    return Ok{};
  }

  // The answers are written for a browser to judge; a text that is the same letter by letter is
  // right in all that a browser could see.
  Status pages() {
    if (options_.pages.empty() || options_.answers.empty())
      return fail("the set pages needs --pages FOLDER (recorded) and --answers FOLDER (to fill)");
    TRY(const std::vector<std::string> names, pages_in(options_.pages));
    TRY_STATUS(make_folder(options_.answers));
    Score score;
    for (const std::string& name : names) {
      TRY(const std::string asked, page_text(name));
      TRY(const PageRecording recording, PageRecording::open(name));
      TRY(const std::string said, studio_.describe(studio_.encode(recording.clip), kPageTokens));
      TRY_STATUS(write_file(options_.answers + "/" + page_stem(name) + ".html", said));
      add_page(score, asked, said);
    }
    score.print("pages");
    results_["pages"] = {{"score", score.json()}};
    return Ok{};
  }

  static void add_page(Score& score, const std::string& asked, const std::string& said) {
    score.add("the same text", said == asked);
    const Result<Page> page = parse_page(asked), read = parse_page(said);
    if (!page) return;
    const auto same = [&](auto Page::*part) { return read && (*read).*part == (*page).*part; };
    score.add("a page of the grammar", static_cast<bool>(read));
    score.add("ground and ink", same(&Page::ground) && same(&Page::ink));
    score.add("heading", same(&Page::heading));
    score.add("kind of part", same(&Page::part));
    score.add("words", same(&Page::words));
    if (page->part == PagePart::counter) score.add("count", same(&Page::start));
  }

  static bool same_motion(const FilmScene& a, const FilmScene& b) {
    if (a.plot != b.plot || a.actors.size() != b.actors.size()) return false;
    for (size_t i = 0; i < a.actors.size(); ++i)
      if (a.actors[i].motion != b.actors[i].motion) return false;
    return true;
  }

  Status names() {
    if (options_.names.empty()) return fail("the set names needs --names FILE.gallery");
    TRY(const Gallery gallery, Gallery::open(options_.names));
    NamedPictures set;
    std::vector<PictureOrder> orders;
    Score score, ceiling;
    for (int64_t i = 0; i < gallery.size(); ++i)
      set.add(std::string(gallery.caption(i)), gallery.clip(i).frames[0]);
    for (int64_t i = 0; i < gallery.size(); ++i) {
      orders.push_back({set.name(i), {}, seed("paint", i)});
      ceiling.add("nearest is the one asked for",
                  set.nearest(through_tokenizer(gallery.clip(i)).frames[0]).index == i);
    }
    TRY(const std::vector<Picturing> made, studio_.paint(orders, request(1), {}));
    Clip sheet;
    double seconds = 0;
    int64_t steps = 0;
    for (size_t i = 0; i < made.size(); ++i) {
      const Match match = set.nearest(made[i].clip.frames[0]);
      score.add("nearest is the one asked for", match.index == static_cast<int64_t>(i));
      if (sheet.frames.size() < 96) sheet.frames.push_back(made[i].clip.frames[0]);
    }
    add_cost(made, seconds, steps);
    report("names", score, ceiling, seconds, steps);
    return write_sheet("names", sheet);
  }

  // Each batch's seconds and steps stand in all of its pictures.
  static void add_cost(const std::vector<Picturing>& made, double& seconds, int64_t& steps) {
    for (size_t i = 0; i < made.size(); ++i)
      if (i == 0 || made[i].seconds != made[i - 1].seconds) {
        seconds += made[i].seconds;
        steps += made[i].steps;
      }
  }

  void report(const std::string& set, const Score& score, const Score& ceiling, double seconds,
              int64_t steps) {
    score.print(set);
    ceiling.print(set + ", by the tokenizer alone (what could be reached)");
    std::printf("  %lld passes, %.1f s\n\n", static_cast<long long>(steps), seconds);
    results_[set] = {{"score", score.json()},
                     {"ceiling", ceiling.json()},
                     {"passes", steps},
                     {"seconds", seconds}};
  }

  // The first pictures, in the order of their prompts: nothing is picked.
  Status write_sheet(const std::string& set, const Clip& frames) const {
    if (options_.out.empty() || frames.frames.empty()) return Ok{};
    const bool film = set == "motion" || set == "animate";
    const Picture sheet = contact_sheet(frames.frames, film ? kFrames : 16);
    return write_media(options_.out + "/" + set + ".png", Clip{{sheet}, 8},
                       {{"model", studio_.open.folder}, {"seed", std::to_string(options_.seed)}});
  }

  Status write_json() const {
    nlohmann::ordered_json document = {{"model", studio_.open.folder},
                                       {"seed", options_.seed},
                                       {"count", options_.count},
                                       {"guidance", options_.guidance},
                                       {"temperature", options_.temperature},
                                       {"passes", options_.passes},
                                       {"sets", results_}};
    const std::string text = document.dump(1) + "\n";
    return write_file(options_.json, text);
  }

  Studio& studio_;
  const VisualEvalOptions& options_;
  nlohmann::ordered_json results_;
};

Result<int> eval_visual(const VisualEvalOptions& options) {
  TRY(Studio studio, open_studio(options.model));
  return VisualEval(studio, options).run();
}

}  // namespace

void add_visual_eval(CLI::App& eval, Command& chosen) {
  CLI::App* command = eval.add_subcommand("visual", "Judge what a model draws and reads");
  auto options = std::make_shared<VisualEvalOptions>();
  add_model_options(*command, options->model);
  command
      ->add_option("--set", options->sets,
                   "shapes, motion, animate (from a first frame), read, names or pages; may be "
                   "repeated")
      ->check(CLI::IsMember({"shapes", "motion", "animate", "read", "names", "pages"}));
  command->add_option("--names", options->names, "Gallery of named pictures, for the set names");
  command->add_option("--pages", options->pages, "Folder of recorded pages, for the set pages");
  command->add_option("--answers", options->answers,
                      "Folder for the pages that the model wrote; record and judge them next");
  command->add_option("--count", options->count, "Prompts of each set and split")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of prompts and pictures")->capture_default_str();
  command->add_option("--guidance", options->guidance, "How much the caption weighs; 1: none")
      ->capture_default_str();
  command->add_option("--temperature", options->temperature, "Of the codes")->capture_default_str();
  command->add_option("--top-k", options->top_k, "Codes to draw from; 0: all");
  command->add_option("--passes", options->passes, "Passes a latent frame; 0: cell after cell");
  command->add_option("--out", options->out, "Folder for contact sheets (the first, not picked)");
  command->add_option("--json", options->json, "File for the figures");
  command->footer(
      "Examples:\n  hadal eval visual --model models/nano --set shapes --count 300 --passes 8\n"
      "  hadal eval visual --model models/nano --set pages --pages pages --answers answers\n"
      "  node models/nano/visual/record.mjs answers --script pages\n"
      "  hadal data pages --collect pages --answers answers");
  command->callback([options, &chosen] { chosen = [options] { return eval_visual(*options); }; });
}

}  // namespace hadal
