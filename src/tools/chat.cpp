// SPDX-License-Identifier: MIT
// `hadal chat`.
#include "tools/chat.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "media/read.h"
#include "tools/answer.h"
#include "tools/conversation.h"
#include "tools/draft_option.h"
#include "tools/draw.h"
#include "tools/interrupt.h"
#include "tools/line_reader.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/shown.h"
#include "tools/studio.h"

namespace hadal {
namespace {

struct ChatChoice {
  ModelChoice model;
  SamplingChoice sampling;
  DraftChoice draft;
  std::string system, effort;
  bool think = false;
  bool no_pictures = false;
};

constexpr std::string_view kHelp =
    "/system TEXT  what the assistant is told first; without TEXT: nothing\n"
    "/draw TEXT     draw a picture of it, into a file here (models that draw)\n"
    "/film TEXT     the same, a clip\n"
    "/look FILE     models that draw: say what a picture or clip shows;\n"
    "              models that see: show it with what is said next\n"
    "/save FILE    store the conversation with everything the model has read\n"
    "/load FILE    go on from there\n"
    "/reset        begin anew\n"
    "/stats        tokens in the cache, the last answer's speed, what guessing brought\n"
    "/quit         leave; so do Ctrl-D, and Ctrl-C twice\n"
    "Anything else is said to the assistant; Ctrl-C stops its answer.";

// What stands after a command's word: "/save a b" -> "a b".
std::string argument_of(const std::string& line, size_t word) {
  const size_t begin = line.find_first_not_of(" \t", word);
  const size_t end = line.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : line.substr(begin, end + 1 - begin);
}

class Chat {
 public:
  // `studio` without a visual tokenizer neither draws nor looks.
  Chat(const ChatChoice& choice, Studio& studio, const SamplerOptions& sampler, DraftLength* drafts)
      : choice_(choice),
        studio_(studio),
        open_(studio.open),
        sampler_(sampler),
        drafts_(drafts),
        terminal_(isatty(STDIN_FILENO) == 1),
        talk_(*studio.open.tokenizer,
              {.dialect = studio.open.dialect(), .thinking = choice.think, .effort = choice.effort},
              studio.config()) {
    talk_.set_system(choice.system);
  }

  Status run();

 private:
  enum class Next { go_on, leave };

  LineReader::Got read_line(std::string& line);
  Next obey(const std::string& line);
  Status command(const std::string& word, const std::string& argument);
  Status say(const std::string& text);
  Result<SeenPrompt> seen_prompt();
  Status draw(const std::string& text, const char* ending);
  Status look(const std::string& path);
  void begin_anew();
  Status save(const std::string& path);
  Status load(const std::string& path);
  void show_stats() const;
  void complain(const Error& error);

  const ChatChoice& choice_;
  Studio& studio_;
  OpenModel& open_;
  SamplerOptions sampler_;
  DraftLength* drafts_;  // null: tokens are not guessed ahead
  bool terminal_;
  Conversation talk_;
  Shown shown_;  // pictures of the conversation, in order
  Shown next_;   // … that go with what is said next
  LineReader lines_;
  Output out_;
  std::optional<Answer> last_;
  std::optional<Error> first_error_;  // of a conversation that nobody watches
};

// At the prompt the first Ctrl-C is answered with a hint, the next one leaves.
LineReader::Got Chat::read_line(std::string& line) {
  const InterruptGuard guard;
  if (terminal_) std::fputs("> ", stderr);
  LineReader::Got got = lines_.next(line);
  if (got != LineReader::Got::interrupt) return got;
  interrupt_flag() = false;
  note_line("\n(Ctrl-C again or /quit leaves)");
  if (terminal_) std::fputs("> ", stderr);
  return lines_.next(line);
}

Status Chat::run() {
  if (terminal_) note_line("hadal chat with " + open_.folder + "; /help lists the commands");
  std::string line;
  while (read_line(line) == LineReader::Got::line)
    if (obey(line) == Next::leave) break;
  TRY_STATUS(out_.finish());
  if (first_error_) return Error{"the conversation had errors, see above", first_error_->blame};
  return Ok{};
}

Chat::Next Chat::obey(const std::string& line) {
  if (line.find_first_not_of(" \t\r") == std::string::npos) return Next::go_on;
  const std::string word = line.substr(0, line.find_first_of(" \t\r"));
  if (word == "/quit") return Next::leave;
  const bool is_command = line.front() == '/';
  const Status status = is_command ? command(word, argument_of(line, word.size())) : say(line);
  if (!status) complain(status.error());
  return Next::go_on;
}

void Chat::complain(const Error& error) {
  note_line("hadal: " + error.message);
  if (!terminal_ && !first_error_) first_error_ = error;
}

Status Chat::command(const std::string& word, const std::string& argument) {
  if (word == "/save" || word == "/load") {
    if (argument.empty()) return fail(word, ": no file is named");
    return word == "/save" ? save(argument) : load(argument);
  }
  if (word == "/draw" || word == "/film" || word == "/look") {
    if (argument.empty()) return fail(word, ": expected words behind it");
    if (word == "/look") return look(argument);
    if (!studio_.visual) return fail(word, ": ", open_.folder, " cannot draw");
    return draw(argument, word == "/draw" ? ".png" : ".mp4");
  }
  if (word == "/help")
    note_line(kHelp);
  else if (word == "/stats")
    show_stats();
  else if (word == "/system")
    talk_.set_system(argument);
  else if (word == "/reset")
    begin_anew();
  else
    return fail("\"", printable(word), "\" is no command; /help lists them");
  return Ok{};
}

Result<SeenPrompt> Chat::seen_prompt() {
  TRY(const std::vector<int64_t> ids, talk_.prompt());
  return look_at(shown_, ids, open_, choice_.model.quiet);
}

Status Chat::say(const std::string& text) {
  // Pictures stay with the conversation: every turn's prompt has all of them again.
  const size_t before = shown_.items.size();
  talk_.add_user(shown_blocks(next_, text));
  shown_.items.insert(shown_.items.end(), next_.items.begin(), next_.items.end());
  AnswerRequest request;
  request.sampler = sampler_;
  request.max_tokens = choice_.sampling.max_tokens;
  request.drafts = drafts_;
  request.form.stops = choice_.sampling.stops;
  request.form.chat =
      CompletionOptions{.dialect = open_.dialect(), .thinking = talk_.options().thinking};
  request.spans = answer_spans(studio_, !choice_.no_pictures);
  AnswerPictures pictures(studio_,
                          {.quiet = choice_.model.quiet, .prompt = text, .seed = sampler_.seed});
  request.pictures = &pictures;
  Result<SeenPrompt> prompt = seen_prompt();
  Result<Answer> answer = fail("");
  if (prompt) {
    SeenPrompt seen = prompt.take();
    request.prompt = std::move(seen.ids);
    request.given = std::move(seen.given);
    answer = give_answer(open_, request, [&](const auto&, const AnswerPiece& piece) {
      if (!piece.reasoning.empty()) std::cerr << piece.reasoning << std::flush;
      out_.write(piece.text);
      if (!piece.picture.empty()) out_.write_line(piece.picture);
    });
  }
  if (!prompt || !answer) {
    talk_.take_back_user();
    shown_.items.resize(before);
    return prompt ? answer.error() : prompt.error();
  }
  out_.write("\n");
  last_ = answer.take();
  std::vector<int64_t> ids = last_->generated.ids;
  if (last_->generated.finish == Finish::end) ids.pop_back();
  if (ids.empty() && last_->generated.finish == Finish::cancelled) {
    talk_.take_back_user();
    shown_.items.resize(before);
  } else {
    talk_.add_answer(std::move(ids));
    next_.items.clear();
  }
  if (!choice_.model.quiet) note_line(speed_line(*last_, sampler_.seed));
  if (choice_.draft.stats) note_line(draft_line(drafts_));
  return Ok{};
}

Status Chat::draw(const std::string& text, const char* ending) {
  DrawTask task;
  task.model = choice_.model;
  task.sampling = choice_.sampling;
  task.prompt = text;
  task.draw.out = free_name(".", ending);
  TRY(const PictureRequest request, plan_drawing(task));
  TRY(const Drawn drawn, draw_with(studio_, task, request));
  for (const std::string& path : drawn.paths) out_.write(path + "\n");
  if (!choice_.model.quiet) note_line(cost_line(drawn, request));
  return Ok{};
}

Status Chat::look(const std::string& path) {
  const ModelConfig& config = open_.config();
  if (!studio_.visual && config.vision.layers == 0)
    return fail("/look: ", open_.folder, " neither sees nor draws");
  TRY(const MediaInfo info, read_media_info(path));
  if (!studio_.visual) {
    ShownFiles files;
    (info.frames == 1 ? files.images : files.videos).push_back(path);
    TRY(Shown more, read_shown(files, config.vision));
    std::move(more.items.begin(), more.items.end(), std::back_inserter(next_.items));
    note_line(std::to_string(next_.items.size()) + " pictures go with what you say next");
    return Ok{};
  }
  TRY(const std::string said, describe_file(studio_, path, info.frames == 1, 0));
  out_.write(said + "\n");
  return Ok{};
}

void Chat::begin_anew() {
  talk_.clear();
  shown_ = next_ = {};
}

Status Chat::save(const std::string& path) {
  if (!shown_.items.empty()) return fail("/save: a conversation with pictures is not stored");
  TRY_STATUS(open_.session->save(path, talk_.to_json()));
  note_line("saved " + std::to_string(talk_.turns()) + " turns, " +
            std::to_string(open_.session->length()) + " tokens to " + path);
  return Ok{};
}

Status Chat::load(const std::string& path) {
  TRY(const std::string note, open_.session->load(path));
  // What a session holds is known by its ids, so a bad note costs the conversation alone.
  if (Status status = talk_.from_json(note); !status)
    return fail(path, ": ", status.error().message);
  shown_ = next_ = {};
  note_line("loaded " + std::to_string(talk_.turns()) + " turns, " +
            std::to_string(open_.session->length()) + " tokens from " + path);
  return Ok{};
}

void Chat::show_stats() const {
  note_line(std::to_string(open_.session->length()) + " of " +
            std::to_string(open_.session->capacity()) + " tokens are in the cache, " +
            std::to_string(talk_.turns()) + " turns");
  if (last_) note_line(speed_line(*last_, sampler_.seed));
  note_line(draft_line(drafts_));
}

Result<int> chat_command(const ChatChoice& choice) {
  if (!choice.effort.empty() && !choice.think) return fail("--effort needs --think");
  TRY_STATUS(check_sampling(choice.sampling));
  TRY(OpenModel open, open_model(choice.model, {.drafts = choice.draft.wanted(), .stays = true}));
  TRY(const std::unique_ptr<DraftLength> drafts,
      open_drafts(choice.draft, open, choice.model.quiet));
  TRY(const SamplerOptions sampler, sampler_options(choice.sampling, open.config().family));
  TRY(Studio studio, open_studio_if_it_draws(std::move(open)));
  Chat chat(choice, studio, sampler, drafts.get());
  TRY_STATUS(chat.run());
  return 0;
}

}  // namespace

void add_chat(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("chat", "Talk with a model");
  auto choice = std::make_shared<ChatChoice>();
  choice->sampling.max_tokens = 4096;
  command->add_option("--system", choice->system, "What the assistant is told first");
  command->add_flag("--think", choice->think, "Think before answering (shown on stderr)");
  command->add_option("--effort", choice->effort,
                      "With --think: low, high, max (V4.1: or 1 to 100)");
  command->add_flag("--no-pictures", choice->no_pictures,
                    "Words alone: answers open no picture of their own accord");
  add_draft_options(*command, choice->draft);
  add_sampling_options(*command, choice->sampling);
  add_model_options(*command, choice->model);
  command->footer(
      "Inside: /help /draw TEXT /film TEXT /look FILE /save FILE /load FILE /reset /system TEXT "
      "/stats /quit\n"
      "Examples:\n"
      "  hadal chat\n"
      "  hadal chat --think --effort high --temperature 0.6\n"
      "  printf 'Hello!\\nAnd again.\\n' | hadal chat --seed 7");
  command->callback([choice, &chosen] { chosen = [choice] { return chat_command(*choice); }; });
}

}  // namespace hadal
