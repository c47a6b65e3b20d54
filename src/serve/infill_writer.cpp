// SPDX-License-Identifier: MIT
// What fills a gap, out: the words of llama.cpp's server, which editors read.
#include "serve/reply_writer.h"

namespace hadal {
namespace {

std::string_view stop_type(ReplyFinish finish) {
  switch (finish) {
    case ReplyFinish::stop:
    case ReplyFinish::tool_calls:
      return "eos";
    case ReplyFinish::stop_string:
      return "word";
    case ReplyFinish::length:
      return "limit";
  }
  CHECK(false, "no such finish");
}

// "timings/prompt_n": the value at that path, or nothing.
const OrderedJson* value_at(const OrderedJson& body, std::string_view path) {
  const OrderedJson* value = &body;
  while (value) {
    const size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    const bool there = value->is_object() && value->contains(name);
    value = there ? &value->at(name) : nullptr;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return value;
}

class InfillWriter : public ReplyWriter {
 public:
  InfillWriter(ReplyFacts facts, std::vector<std::string> wanted)
      : facts_(std::move(facts)), wanted_(std::move(wanted)) {}

  std::string begin() override { return ""; }
  std::string add(const ReplyEvent& event, const std::vector<TokenLogprob>&) override {
    if (event.text.empty()) return "";
    return sse({{"index", 0}, {"content", event.text}, {"stop", false}});
  }
  std::string end(const ReplyEnd& end) override { return sse(ended("", end)); }
  std::string failed(const ApiError& error) override {
    return "data: " + error_body(error, ErrorFamily::openai, {}) + "\n\n";
  }
  std::string whole(const std::vector<WholeReply>& replies, const ReplyEnd& end) override {
    return dump_json(ended(replies.front().content, end));
  }

 private:
  OrderedJson ended(const std::string& content, const ReplyEnd& end) const {
    const GenerationEnd& run = end.generation;
    const OrderedJson body = {{"index", 0},
                              {"content", content},
                              {"id", facts_.id},
                              {"stop", true},
                              {"model", facts_.model},
                              {"tokens_predicted", run.output},
                              {"tokens_evaluated", run.hit + run.miss},
                              {"tokens_cached", run.hit},
                              {"truncated", run.finish == GenerationFinish::context},
                              {"stop_type", stop_type(end.finish)},
                              {"stopping_word", end.stop_string},
                              {"timings", llama_timings(end)}};
    if (wanted_.empty()) return body;
    OrderedJson told = OrderedJson::object();
    for (const std::string& path : wanted_)
      if (const OrderedJson* const value = value_at(body, path)) told[path] = *value;
    return told;
  }

  ReplyFacts facts_;
  const std::vector<std::string> wanted_;
};

}  // namespace

std::unique_ptr<ReplyWriter> make_infill_writer(ReplyFacts facts, std::vector<std::string> wanted) {
  return std::make_unique<InfillWriter>(std::move(facts), std::move(wanted));
}

}  // namespace hadal
