// SPDX-License-Identifier: MIT
// The demonstration.
#include "tools/demonstration.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "tools/answer.h"
#include "tools/conversation.h"
#include "tools/interrupt.h"
#include "tools/machine.h"
#include "tools/output.h"

namespace hadal {
namespace {

constexpr int64_t kLongestPrompts = 64 << 10;
constexpr int64_t kMostTokens = 96;  // a few lines each
constexpr uint64_t kUsualSeed = 7;   // everybody sees the same
constexpr std::string_view kChatMark = "chat: ";

struct DemoPrompt {
  std::string text;
  bool chat = false;
};

Result<std::vector<DemoPrompt>> demo_prompts(const std::string& folder) {
  const std::string path = folder + "/prompts.txt";
  if (!is_file(path)) return std::vector<DemoPrompt>{{"Once upon a time", false}};
  TRY(const std::string text, read_file(path, kLongestPrompts));
  std::vector<DemoPrompt> prompts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line.front() == '#') continue;
    const bool chat = line.starts_with(kChatMark);
    prompts.push_back({chat ? line.substr(kChatMark.size()) : line, chat});
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
  if (prompt.chat) {
    request.form.chat = CompletionOptions{.dialect = open.dialect()};
    Conversation talk(*open.tokenizer, {.dialect = open.dialect()});
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

Result<int> demonstrate(OpenModel& open, const SamplingChoice& sampling, bool quiet) {
  TRY(const std::vector<DemoPrompt> prompts, demo_prompts(open.folder));
  Output out;
  out.write(introduction(open));
  for (const DemoPrompt& prompt : prompts) {
    TRY(const AnswerRequest request, make_request(open, prompt, sampling));
    out.write((prompt.chat ? "you   > " : "text  > ") + prompt.text + "\nhadal > ");
    TRY(const Answer answer,
        give_answer(open, request, [&](const auto&, const auto& piece) { out.write(piece.text); }));
    out.write("\n");
    if (!quiet) note_line("        (" + speed_line(answer, request.sampler.seed) + ")");
    out.write("\n");
    if (answer.generated.finish == Finish::cancelled) return kInterruptedExit;
  }
  out.write("Your turn: ./run chat, or ./run generate --prompt '…'; more: ./run --help\n");
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace hadal
