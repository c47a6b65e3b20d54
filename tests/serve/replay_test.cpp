// SPDX-License-Identifier: MIT
// Agents send their whole conversation with every turn: it is read once, not thirty times.
//
// Conversations of 30 turns in the shapes that Claude Code (messages, with a billing line that
// changes each time), Codex (responses) and opencode (chat completions) send, through the API's own
// way from JSON to ids, and side by side into a worker with fewer slots than conversations.
#include <algorithm>
#include <future>

#include "../engine/tiny_model.h"
#include "api_fixture.h"
#include "serve/slot_worker.h"

namespace hadal {
namespace {

using nlohmann::json;

constexpr int kTurns = 30;

// What the tools of an agent gave back in a turn.
std::string output_of(int turn) {
  const std::string n = std::to_string(turn);
  return "src/parser/lexer_" + n + ".cpp:" + std::to_string(turn * 37 % 400) +
         ": error: expected ';' after expression\n    return value_" + n + "\n1 failed, " +
         std::to_string(40 + turn) + " passed in 0." + n + "s\n";
}
std::string command_of(int turn) {
  return "ninja -C build test_" + std::to_string(turn) + " && ctest -R lexer";
}
const std::string kRules =
    "You are an agent that helps with software. Keep answers short. Read files before you change "
    "them, run the tests afterwards, and never guess at paths. When a command fails, say what it "
    "printed. Working directory: /home/ann/parser. Platform: linux. Today is Monday.";
const json kParameters = {{"type", "object"},
                          {"properties", {{"command", {{"type", "string"}}}}},
                          {"required", {"command"}}};

struct Request {
  std::string path;
  json body;
};

Request claude_code(int turn) {
  json messages = json::array();
  messages.push_back({{"role", "user"},
                      {"content",
                       {{{"type", "text"},
                         {"text",
                          "<system-reminder>\nCLAUDE.md: two spaces.\n"
                          "</system-reminder>"}},
                        {{"type", "text"}, {"text", "The lexer test fails. Find out why."}}}}});
  for (int i = 0; i < turn; ++i) {
    const std::string id = "toolu_" + std::to_string(i);
    messages.push_back({{"role", "assistant"},
                        {"content",
                         {{{"type", "text"}, {"text", "Next I run the tests."}},
                          {{"type", "tool_use"},
                           {"id", id},
                           {"name", "Bash"},
                           {"input", {{"command", command_of(i)}}}}}}});
    json result = {{"type", "tool_result"}, {"tool_use_id", id}, {"content", output_of(i)}};
    if (i + 1 == turn) result["cache_control"] = {{"type", "ephemeral"}};  // moves along
    messages.push_back({{"role", "user"}, {"content", {result}}});
  }
  const std::string billing = "x-anthropic-billing-header: cc_version=2.1." + std::to_string(turn) +
                              "; cc_entrypoint=cli; cch=" + std::to_string(turn * 7919 % 99991);
  return {"/v1/messages",
          {{"model", "claude-sonnet-4-5"},
           {"max_tokens", 8},
           {"system",
            {{{"type", "text"}, {"text", billing}},
             {{"type", "text"},
              {"text", "You are Claude Code. " + kRules},
              {"cache_control", {{"type", "ephemeral"}}}}}},
           {"tools",
            {{{"name", "Bash"}, {"description", "Runs a command"}, {"input_schema", kParameters}}}},
           {"messages", messages},
           {"metadata", {{"user_id", "user_1_session_2"}}}}};
}

Request codex(int turn) {
  const auto said = [](const std::string& role, const std::string& kind, const std::string& text) {
    return json{
        {"type", "message"}, {"role", role}, {"content", {{{"type", kind}, {"text", text}}}}};
  };
  json input = json::array();
  input.push_back(said("user", "input_text",
                       "<environment_context>\n  <cwd>/home/ann/parser</cwd>\n  "
                       "<sandbox_mode>workspace-write</sandbox_mode>\n</environment_context>"));
  input.push_back(said("user", "input_text", "The lexer test fails. Find out why."));
  for (int i = 0; i < turn; ++i) {
    const std::string id = "call_" + std::to_string(i);
    input.push_back({{"type", "function_call"},
                     {"name", "shell"},
                     {"call_id", id},
                     {"arguments", json{{"command", command_of(i)}}.dump()}});
    input.push_back({{"type", "function_call_output"}, {"call_id", id}, {"output", output_of(i)}});
    if (i % 6 != 5) continue;
    input.push_back(said("assistant", "output_text", "A semicolon is missing; I add it."));
    input.push_back(said("user", "input_text", "Go on with the next one."));
  }
  return {"/v1/responses",
          {{"model", "nano"},
           {"instructions", "You are Codex. " + kRules},
           {"input", input},
           {"max_output_tokens", 8},
           {"tools",
            {{{"type", "function"},
              {"name", "shell"},
              {"description", "Runs a command"},
              {"parameters", kParameters}}}},
           {"store", false}}};
}

Request opencode(int turn) {
  json messages = {{{"role", "system"}, {"content", "You are opencode. " + kRules}},
                   {{"role", "user"}, {"content", "The lexer test fails. Find out why."}}};
  for (int i = 0; i < turn; ++i) {
    const std::string id = "call_" + std::to_string(i);
    messages.push_back(
        {{"role", "assistant"},
         {"content", ""},
         {"tool_calls",
          {{{"id", id},
            {"type", "function"},
            {"function",
             {{"name", "bash"}, {"arguments", json{{"command", command_of(i)}}.dump()}}}}}}});
    messages.push_back({{"role", "tool"}, {"tool_call_id", id}, {"content", output_of(i)}});
    if (i % 6 != 5) continue;
    messages.push_back({{"role", "assistant"}, {"content", "A semicolon is missing; I add it."}});
    messages.push_back({{"role", "user"}, {"content", "Go on with the next one."}});
  }
  return {
      "/v1/chat/completions",
      {{"model", "nano"},
       {"messages", messages},
       {"max_tokens", 8},
       {"tools",
        {{{"type", "function"},
          {"function",
           {{"name", "bash"}, {"description", "Runs a command"}, {"parameters", kParameters}}}}}}}};
}

// A short request in between, as agents make for titles: another beginning, the same partition.
Request title(int turn) {
  return {"/v1/chat/completions",
          {{"model", "nano"},
           {"messages",
            {{{"role", "system"}, {"content", "Name this conversation in five words."}},
             {{"role", "user"}, {"content", output_of(turn)}}}},
           {"max_tokens", 8}}};
}

class Ended : public GenerationSink {
 public:
  void prefill(int64_t, int64_t) override {}
  Flow token(const GeneratedToken&) override { return Flow::go_on; }
  void ended(const GenerationEnd& end) override { promise_.set_value(end); }
  GenerationEnd wait() { return promise_.get_future().get(); }

 private:
  std::promise<GenerationEnd> promise_;
};

struct WideWorker : ScriptedWorker {
  int64_t context() const override { return 1 << 16; }
};

class ReplayTest : public ApiTest {
 protected:
  void SetUp() override {
    ApiTest::SetUp();
    model_.emplace(ServedModel{.id = "nano",
                               .end_ids = {*tokenizer_->eos()},
                               .tokenizer = *tokenizer_,
                               .worker = planner_,
                               .thinks = false,
                               .fingerprint = "fp_test",
                               .created = 5});
    api_ = std::make_unique<Api>(*model_, *accounts_, ApiOptions{});
  }

  // The ids that the model would read, folded into the small vocabulary of the golden model.
  GenerationRequest plan(const Request& request) {
    const auto exchange = post(request.path, request.body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    GenerationRequest planned = planner_.last;
    for (int64_t& id : planned.prompt) id = 3 + id % 310;
    planned.end_ids.clear();
    return planned;
  }

  struct Agent {
    Request (*request)(int turn) = nullptr;
    std::vector<std::vector<int64_t>> sent;
    int64_t all = 0, read_again = 0;
  };
  static void note(Agent& agent, const GenerationRequest& request, const GenerationEnd& end) {
    const std::vector<int64_t>& prompt = request.prompt;
    EXPECT_EQ(end.hit + end.miss, static_cast<int64_t>(prompt.size()));
    int64_t known = 0;
    for (const std::vector<int64_t>& before : agent.sent) {
      const auto parts = std::mismatch(before.begin(), before.end(), prompt.begin(), prompt.end());
      known = std::max<int64_t>(known, parts.second - prompt.begin());
    }
    agent.all += static_cast<int64_t>(prompt.size());
    agent.read_again += std::max<int64_t>(0, known - end.hit);
    agent.sent.push_back(prompt);
  }

  WideWorker planner_;
};

TEST_F(ReplayTest, ThirtyGrowingTurnsAreReadOnce) {
  const TinyModel tiny("v41-tiny");
  Cache cache = tiny.cache(2, 128, 8192);
  SlotWorker worker(*tiny.model, *tiny.ops, cache, {});
  std::vector<Agent> agents(3);
  agents[0].request = claude_code;
  agents[1].request = codex;
  agents[2].request = opencode;
  for (int turn = 0; turn < kTurns; ++turn) {
    for (Agent& agent : agents) {
      const GenerationRequest request = plan(agent.request(turn));
      const auto sink = std::make_shared<Ended>();
      ASSERT_EQ(worker.submit(request, sink).state, Submitted::yes);
      note(agent, request, sink->wait());
    }
    const auto between = std::make_shared<Ended>();
    worker.submit(plan(title(turn)), between);
    between->wait();
  }
  for (const Agent& agent : agents) {
    const std::string whose = "agent_" + std::to_string(&agent - agents.data());
    RecordProperty(whose + "_tokens", std::to_string(agent.all));
    RecordProperty(whose + "_read_again", std::to_string(agent.read_again));
    EXPECT_GT(agent.all, 20000);
    EXPECT_LT(agent.read_again * 20, agent.all)
        << "read again " << agent.read_again << " of " << agent.all << " tokens";
  }
}

}  // namespace
}  // namespace hadal
