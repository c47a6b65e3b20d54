// SPDX-License-Identifier: MIT
// Events for programs.
#include "tools/json_events.h"

#include <nlohmann/json.hpp>

namespace hadal {

using nlohmann::ordered_json;

std::string token_event(const std::optional<Sample>& token, const AnswerPiece& piece) {
  if (!piece.picture.empty())
    return ordered_json{{"type", "picture"}, {"path", piece.picture}}.dump(
               -1, ' ', false, ordered_json::error_handler_t::replace) +
           "\n";
  if (!token && piece.text.empty() && piece.reasoning.empty()) return "";
  ordered_json event = {{"type", "token"}};
  if (token) {
    event["id"] = token->id;
    event["logprob"] = token->logprob;
  }
  if (!piece.reasoning.empty()) event["reasoning"] = piece.reasoning;
  if (!piece.text.empty() || piece.reasoning.empty()) event["text"] = piece.text;
  return event.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string done_event(const Answer& answer, uint64_t seed) {
  const Prefill& prefill = answer.prefill;
  const Generated& generated = answer.generated;
  const ordered_json event = {
      {"type", "done"},
      {"reason", finish_name(generated.finish)},
      {"seed", seed},
      {"usage",
       {{"prompt_tokens", prefill.reused + prefill.read},
        {"cached_tokens", prefill.reused},
        {"completion_tokens", generated.ids.size()}}},
      {"timing", {{"prompt_seconds", prefill.seconds}, {"completion_seconds", generated.seconds}}}};
  return event.dump() + "\n";
}

}  // namespace hadal
