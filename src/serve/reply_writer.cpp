// SPDX-License-Identifier: MIT
// What the writers share.
#include "serve/reply_writer.h"

namespace hadal {

void WholeReply::add(const ReplyEvent& event) {
  using Kind = ReplyEvent::Kind;
  switch (event.kind) {
    case Kind::reasoning:
      reasoning += event.text;
      break;
    case Kind::content:
      content += event.text;
      break;
    case Kind::call_begin:
      calls.push_back({event.call_id, event.text, {}});
      break;
    case Kind::call_arguments:
      calls.back().arguments += event.text;
      break;
    case Kind::call_end:
      break;
    case Kind::call_cancelled:
      calls.pop_back();
      break;
  }
}

std::string dump_json(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string sse(const OrderedJson& data, std::string_view event) {
  std::string text;
  if (!event.empty()) text = "event: " + std::string(event) + "\n";
  return text + "data: " + dump_json(data) + "\n\n";
}

std::string_view openai_finish(ReplyFinish finish) {
  switch (finish) {
    case ReplyFinish::stop:
    case ReplyFinish::stop_string:
      return "stop";
    case ReplyFinish::length:
      return "length";
    case ReplyFinish::tool_calls:
      return "tool_calls";
  }
  CHECK(false, "no such finish");
}

OrderedJson openai_usage(const ReplyEnd& end) {
  const GenerationEnd& tokens = end.generation;
  const int64_t prompt = tokens.hit + tokens.miss;
  OrderedJson usage = {{"prompt_tokens", prompt},
                       {"completion_tokens", tokens.output},
                       {"total_tokens", prompt + tokens.output},
                       {"prompt_cache_hit_tokens", tokens.hit},
                       {"prompt_cache_miss_tokens", tokens.miss},
                       {"prompt_tokens_details",
                        {{"cached_tokens", tokens.hit},
                         {"image_tokens", end.pictures},
                         {"cache_write_tokens", tokens.kept ? tokens.miss : 0}}},
                       {"completion_tokens_details",
                        {{"reasoning_tokens", end.reasoning},
                         {"accepted_prediction_tokens", 0},
                         {"rejected_prediction_tokens", 0},
                         {"image_tokens", 0}}}};
  if (!end.currency.empty())
    usage["cost"] = {{"currency", end.currency}, {"amount", money_text(end.cost)}};
  return usage;
}

OrderedJson llama_timings(const ReplyEnd& end) {
  const GenerationEnd& run = end.generation;
  const auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  return {{"cache_n", run.hit},
          {"prompt_n", run.miss},
          {"prompt_ms", run.prefill_seconds * 1000},
          {"prompt_per_second", rate(run.miss, run.prefill_seconds)},
          {"predicted_n", run.output},
          {"predicted_ms", run.decode_seconds * 1000},
          {"predicted_per_second", rate(run.output, run.decode_seconds)},
          {"draft_n", 0},
          {"draft_n_accepted", 0}};
}

}  // namespace hadal
