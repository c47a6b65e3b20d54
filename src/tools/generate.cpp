// SPDX-License-Identifier: MIT
// `hadal generate`.
#include "tools/generate.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <chrono>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "tools/answer.h"
#include "tools/conversation.h"
#include "tools/demonstration.h"
#include "tools/draft_option.h"
#include "tools/draw.h"
#include "tools/form_option.h"
#include "tools/interrupt.h"
#include "tools/json_events.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/shown.h"

namespace hadal {
namespace {

// Longer than any context in tokens of one byte.
constexpr int64_t kLongestPromptBytes = int64_t{64} << 20;

struct GenerateChoice {
  ModelChoice model;
  SamplingChoice sampling;
  std::optional<std::string> prompt;
  std::string file;  // "-": stdin
  bool chat = false;
  ShownFiles shown;
  DrawChoice draw;
  FormChoice form;
  DraftChoice draft;
  std::string pictures = ".";
  bool no_pictures = false;
  std::string system, effort;
  bool think = false;
  bool json = false;
  bool echo = false;
};

Result<std::string> read_stdin() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  if (static_cast<int64_t>(text.size()) > kLongestPromptBytes)
    return fail("standard input: ", text.size(), " bytes, expected at most ", kLongestPromptBytes);
  return text;
}

Result<std::string> prompt_text(const GenerateChoice& choice) {
  if (choice.prompt) return *choice.prompt;
  if (choice.file == "-") return read_stdin();
  return read_file(choice.file, kLongestPromptBytes);
}

// A conversation of one turn.
Result<SeenPrompt> chat_prompt(const GenerateChoice& choice, const OpenModel& open,
                               const std::string& text, Shown& shown) {
  Conversation talk(*open.tokenizer,
                    {.dialect = open.dialect(), .thinking = choice.think, .effort = choice.effort},
                    open.config());
  talk.set_system(choice.system);
  talk.add_user(shown_blocks(shown, text));
  TRY(const std::vector<int64_t> ids, talk.prompt());
  return look_at(shown, ids, open, choice.model.quiet);
}

// The ids of a text that is to be continued: begin-of-sequence, then the text.
std::vector<int64_t> plain_prompt(const OpenModel& open, const std::string& text) {
  const std::vector<int32_t> ids = open.tokenizer->encode(text);
  std::vector<int64_t> prompt = {open.config().bos_id};
  prompt.insert(prompt.end(), ids.begin(), ids.end());
  return prompt;
}

Result<AnswerRequest> make_request(const GenerateChoice& choice, const OpenModel& open,
                                   const std::string& text, Shown& shown) {
  AnswerRequest request;
  TRY(request.sampler, sampler_options(choice.sampling, open.config().family));
  request.max_tokens = choice.sampling.max_tokens;
  request.form.stops = choice.sampling.stops;
  request.form.raw_bytes = !choice.json;
  TRY(request.constraint, form_constraint(choice.form, open, choice.chat && choice.think));
  if (choice.chat) {
    request.form.chat = CompletionOptions{.dialect = open.dialect(), .thinking = choice.think};
    TRY(SeenPrompt prompt, chat_prompt(choice, open, text, shown));
    request.prompt = std::move(prompt.ids);
    request.given = std::move(prompt.given);
  } else {
    request.prompt = plain_prompt(open, text);
  }
  return request;
}

// What was read, as the tokens spell it.
void echo_prompt(const OpenModel& open, const AnswerRequest& request, Output& out) {
  const std::vector<int32_t> ids(request.prompt.begin(), request.prompt.end());
  for (int32_t id : ids)
    if (!open.tokenizer->is_special(id)) out.write(open.tokenizer->token_bytes(id));
}

void show_plainly(const AnswerPiece& piece, Output& out) {
  if (!piece.reasoning.empty()) std::cerr << piece.reasoning << std::flush;
  out.write(piece.text);
  if (!piece.picture.empty()) out.write_line(piece.picture);
}

Result<int> answer_once(const GenerateChoice& choice, Shown& shown, Studio& studio) {
  OpenModel& open = studio.open;
  TRY(const std::string text, prompt_text(choice));
  TRY(AnswerRequest request, make_request(choice, open, text, shown));
  TRY(const std::unique_ptr<DraftLength> drafts,
      open_drafts(choice.draft, open, choice.model.quiet));
  request.drafts = drafts.get();
  AnswerPictures pictures(
      studio, {choice.pictures, choice.model.quiet || choice.json, text, request.sampler.seed});
  request.spans = answer_spans(studio, !choice.no_pictures);
  request.pictures = &pictures;
  Output out;
  if (choice.echo && !choice.json) echo_prompt(open, request, out);
  TRY(const Answer answer, give_answer(open, request, [&](const auto& token, const auto& piece) {
        if (choice.json)
          out.write(token_event(token, piece));
        else
          show_plainly(piece, out);
      }));
  out.write(choice.json ? done_event(answer, request.sampler.seed) : "\n");
  TRY_STATUS(out.finish());
  if (!choice.model.quiet) note_line(speed_line(answer, request.sampler.seed));
  if (choice.draft.stats) note_line(draft_line(drafts.get()));
  return answer.generated.finish == Finish::cancelled ? kInterruptedExit : 0;
}

// Files are read before the model is: what cannot be shown is said at once.
Result<Shown> read_pictures(const GenerateChoice& choice) {
  if (choice.shown.empty()) return Shown{};
  if (!choice.chat) return fail("--image and --video need --chat");
  if (!choice.prompt && choice.file.empty())
    return fail("--image and --video need a question: --prompt or --file");
  TRY(const std::string folder, model_folder(choice.model));
  TRY(const ModelConfig config, ModelConfig::open(folder));
  if (config.vision.layers == 0)
    return fail(folder,
                ": this model does not see; --image and --video need one with a "
                "vision_config");
  return read_shown(choice.shown, config.vision);
}

// What this call wants of a model that writes in cells; false: it is a matter of text.
bool is_visual_task(const GenerateChoice& choice, const ModelConfig& config) {
  return choice.draw.asked() || (!choice.shown.empty() && reads_cells(config));
}

Result<int> do_visual_task(const GenerateChoice& choice) {
  if (choice.chat || choice.json || choice.echo)
    return fail("--chat, --json and --echo are for text");
  DrawTask task{choice.model, choice.sampling,     choice.draw,
                "",           choice.shown.images, choice.shown.videos};
  if (!choice.draw.asked()) return describe_files(task);
  if (!choice.prompt && choice.file.empty())
    return fail("a drawing needs words: --prompt or --file");
  TRY(task.prompt, prompt_text(choice));
  return draw_pictures(task);
}

Result<int> generate_command(const GenerateChoice& choice) {
  if (choice.prompt && !choice.file.empty())
    return fail("--prompt and --file are both given, expected one of them");
  if (!choice.chat && (choice.think || !choice.effort.empty() || !choice.system.empty()))
    return fail("--system, --think and --effort need --chat");
  TRY_STATUS(check_sampling(choice.sampling));
  if (choice.draw.asked() || !choice.shown.empty()) {
    TRY(const std::string folder, model_folder(choice.model));
    TRY(const ModelConfig config, ModelConfig::open(folder));
    if (is_visual_task(choice, config)) return do_visual_task(choice);
  }
  TRY(Shown shown, read_pictures(choice));
  TRY(OpenModel open, open_model(choice.model, {.drafts = choice.draft.wanted()}));
  TRY(Studio studio, open_studio_if_it_draws(std::move(open)));
  if (choice.prompt || !choice.file.empty()) return answer_once(choice, shown, studio);
  return demonstrate(studio, {choice.sampling, choice.pictures, choice.model.quiet});
}

}  // namespace

void add_generate(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("generate", "Continue a text, or answer a question");
  auto choice = std::make_shared<GenerateChoice>();
  choice->sampling.max_tokens = 512;
  command->add_option("--prompt", choice->prompt, "The text; none at all: a demonstration");
  command->add_option("--file", choice->file, "Read the text from a file; - is standard input");
  command->add_flag("--chat", choice->chat, "The text is a question to the assistant");
  command->add_option("--system", choice->system, "With --chat: what the assistant is told first");
  command->add_flag("--think", choice->think, "With --chat: think first (shown on stderr)");
  command->add_option("--effort", choice->effort,
                      "With --think: low, high, max (V4.1: or 1 to 100)");
  command->add_option("--image", choice->shown.images,
                      "With --chat: a picture to look at, before the text; may be given again");
  command->add_option(
      "--video", choice->shown.videos,
      "With --chat: a clip to look at: 2 frames a second, at most 64 over its whole "
      "length, each under its time; frames that show nothing new (no cell of a "
      "32x32 grid changed by more than 8 of 255) are left out");
  command->add_flag("--json", choice->json, "Events for programs, one JSON object a line");
  command->add_flag("--echo", choice->echo, "Print the prompt before its continuation");
  command
      ->add_option("--pictures", choice->pictures,
                   "Folder for pictures and clips that an answer, or the demonstration, draws")
      ->capture_default_str();
  command->add_flag("--no-pictures", choice->no_pictures,
                    "Words alone: the answer opens no picture of its own accord");
  add_form_options(*command, choice->form);
  add_draft_options(*command, choice->draft);
  add_draw_options(*command, choice->draw);
  add_sampling_options(*command, choice->sampling);
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal generate --prompt 'The sea is' --max-tokens 40 --seed 7\n"
      "  hadal generate --chat --prompt 'Why is the sky blue?' --temperature 0.6\n"
      "  hadal generate --model DIR --chat --image cat.png --prompt 'What is this?'\n"
      "  hadal generate --prompt 'a large red circle, top left, on white' -o circle.png\n"
      "  hadal generate --file letter.txt --stop 'Yours' --json");
  command->callback([choice, &chosen] { chosen = [choice] { return generate_command(*choice); }; });
}

}  // namespace hadal
