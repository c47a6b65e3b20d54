// SPDX-License-Identifier: MIT
// The demonstration.
#include "tools/demonstration.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "tools/answer.h"
#include "tools/conversation.h"
#include "tools/draw.h"
#include "tools/interrupt.h"
#include "tools/machine.h"
#include "tools/output.h"

namespace hadal {
namespace {

constexpr int64_t kLongestPrompts = 64 << 10;
constexpr int64_t kMostTokens = 96;  // a few lines each
constexpr uint64_t kUsualSeed = 7;   // everybody sees the same
enum class Asks { text, answer, picture, clip };
constexpr std::pair<std::string_view, Asks> kMarks[] = {
    {"chat: ", Asks::answer}, {"draw: ", Asks::picture}, {"film: ", Asks::clip}};

struct DemoPrompt {
  std::string text;
  Asks asks = Asks::text;
};

Result<std::vector<DemoPrompt>> demo_prompts(const std::string& folder) {
  const std::string path = folder + "/prompts.txt";
  if (!is_file(path)) return std::vector<DemoPrompt>{{"Once upon a time"}};
  TRY(const std::string text, read_file(path, kLongestPrompts));
  std::vector<DemoPrompt> prompts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    DemoPrompt prompt{line};
    for (const auto& [mark, asks] : kMarks)
      if (line.starts_with(mark)) prompt = {line.substr(mark.size()), asks};
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

Result<AnswerRequest> make_request(const OpenModel& open, const DemoPrompt& prompt,
                                   const SamplingChoice& sampling) {
  AnswerRequest request;
  TRY(request.sampler, sampler_options(sampling, open.config().family));
  if (!sampling.seed) request.sampler.seed = kUsualSeed;
  request.max_tokens = std::min(kMostTokens, sampling.max_tokens);
  request.form.stops = sampling.stops;
  if (prompt.asks == Asks::answer) {
    request.form.chat = CompletionOptions{.dialect = open.dialect()};
    Conversation talk(*open.tokenizer, {.dialect = open.dialect()}, open.config());
    talk.add_user(prompt.text);
    TRY(request.prompt, talk.prompt());
    return request;
  }
  request.prompt = {open.config().bos_id};
  for (int32_t id : open.tokenizer->encode(prompt.text)) request.prompt.push_back(id);
  return request;
}

std::string introduction(const OpenModel& open) {
  const ModelConfig& config = open.config();
  std::ostringstream text;
  text << "This is hadal with " << open.folder << ": "
       << (config.family == Family::v41 ? "DeepSeek V4.1" : "DeepSeek V4") << " architecture, "
       << config.layers << " layers, " << config.experts << " experts, on the back end "
       << open.ops->name() << ".\n\n";
  return text.str();
}

}  // namespace

// Draws into the demonstration's folder and says where; false: stopped.
Result<bool> show_drawing(Studio& studio, const DemoPrompt& prompt, const Demonstration& choice,
                          Output& out) {
  if (!studio.visual)
    return fail(studio.open.folder, "/prompts.txt asks for a picture, and this model cannot draw");
  DrawTask task;
  task.model.quiet = choice.quiet;
  task.sampling.seed = choice.sampling.seed.value_or(kUsualSeed);
  task.prompt = prompt.text;
  const bool moves = prompt.asks == Asks::clip;
  task.draw.out = choice.folder + (moves ? "/clip.gif" : "/picture.png");
  TRY(const PictureRequest request, plan_drawing(task));
  TRY(const Drawn drawn, draw_with(studio, task, request));
  for (const std::string& path : drawn.paths) out.write(path + "\n");
  if (!choice.quiet) note_line("        (" + cost_line(drawn, request) + ")");
  out.write("\n");
  return drawn.whole;
}

Result<int> demonstrate(Studio& studio, const Demonstration& choice) {
  OpenModel& open = studio.open;
  TRY(const std::vector<DemoPrompt> prompts, demo_prompts(open.folder));
  Output out;
  out.write(introduction(open));
  for (const DemoPrompt& prompt : prompts) {
    out.write((prompt.asks == Asks::text ? "text  > " : "you   > ") + prompt.text + "\nhadal > ");
    if (prompt.asks == Asks::picture || prompt.asks == Asks::clip) {
      TRY(const bool whole, show_drawing(studio, prompt, choice, out));
      if (!whole) return kInterruptedExit;
      continue;
    }
    TRY(const AnswerRequest request, make_request(open, prompt, choice.sampling));
    TRY(const Answer answer,
        give_answer(open, request, [&](const auto&, const auto& piece) { out.write(piece.text); }));
    out.write("\n");
    if (!choice.quiet) note_line("        (" + speed_line(answer, request.sampler.seed) + ")");
    out.write("\n");
    if (answer.generated.finish == Finish::cancelled) return kInterruptedExit;
  }
  out.write("Your turn: ./run chat, or ./run generate --prompt '…'; more: ./run --help\n");
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace hadal
