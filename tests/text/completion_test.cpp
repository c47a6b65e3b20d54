// SPDX-License-Identifier: MIT
// Reading answers: round trips, cuts at every byte, malformed variants.
#include "text/completion.h"

#include "testing.h"

namespace hadal {
namespace {

using Kind = CompletionEvent::Kind;

// All events as text, neighbours of one kind joined: equal for equal meaning.
std::string told(const std::vector<CompletionEvent>& events) {
  std::string all;
  Kind last = Kind::end_of_turn;
  for (const CompletionEvent& event : events) {
    bool joins =
        event.kind == last && (event.kind == Kind::reasoning || event.kind == Kind::content ||
                               event.kind == Kind::call_arguments);
    if (!joins) all += "\n[" + std::to_string(static_cast<int>(event.kind)) + "]";
    all += event.text;
    last = event.kind;
  }
  return all;
}

struct Telling {
  std::string events;
  std::optional<std::string> fault;
};

Telling tell(const CompletionOptions& options, const std::vector<std::string>& parts) {
  CompletionReader reader(options);
  std::vector<CompletionEvent> events;
  for (const std::string& part : parts)
    for (CompletionEvent& event : reader.add(part)) events.push_back(event);
  for (CompletionEvent& event : reader.finish()) events.push_back(event);
  return {told(events), reader.fault()};
}

void expect_same_however_cut(const CompletionOptions& options, const std::string& text) {
  Telling whole = tell(options, {text});
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    Telling halves = tell(options, {text.substr(0, cut), text.substr(cut)});
    ASSERT_EQ(halves.events, whole.events) << "cut at " << cut << " of " << text;
    ASSERT_EQ(halves.fault.has_value(), whole.fault.has_value()) << cut;
  }
  std::vector<std::string> bytes;
  for (char byte : text) bytes.emplace_back(1, byte);
  EXPECT_EQ(tell(options, bytes).events, whole.events) << text;
}

const std::string kEosText(kEos);
const CompletionOptions kV4 = {.dialect = Dialect::v4_april, .thinking = false};
const CompletionOptions kV4Thinking = {.dialect = Dialect::v4_april, .thinking = true};

const std::string kCallText =
    "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
    "<｜DSML｜parameter name=\"s\" string=\"true\">a \"b\"\n<c></｜DSML｜parameter>\n"
    "<｜DSML｜parameter name=\"n\" string=\"false\">[1, 2]</｜DSML｜parameter>\n"
    "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>";

TEST(Completion, ReadsReasoningContentAndCalls) {
  std::string text = "think\n\n</think>Hello é\n\nthere" + kCallText + kEosText;
  auto read = read_completion(text, kV4Thinking, Reading::strict);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->reasoning, "think\n\n");
  EXPECT_EQ(read->content, "Hello é\n\nthere");
  ASSERT_EQ(read->tool_calls.size(), 2u);
  EXPECT_EQ(read->tool_calls[0].name, "f");
  EXPECT_EQ(read->tool_calls[0].arguments, R"({"s": "a \"b\"\n<c>", "n": [1, 2]})");
  EXPECT_EQ(read->tool_calls[1].name, "g");
  EXPECT_EQ(read->tool_calls[1].arguments, "{}");
  EXPECT_TRUE(read->ended);
  expect_same_however_cut(kV4Thinking, text);
}

TEST(Completion, ACallWithoutParametersMayHaveOneOrTwoLineFeeds) {
  for (const char* feeds : {"\n", "\n\n"}) {
    std::string text = "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"g\">" +
                       std::string(feeds) + "</｜DSML｜invoke>\n</｜DSML｜tool_calls>" + kEosText;
    auto read = read_completion(text, kV4, Reading::strict);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->tool_calls[0].arguments, "{}");
  }
}

TEST(Completion, WhatTheEncoderWritesIsReadBack) {
  for (Dialect dialect : {Dialect::v4_april, Dialect::v4_0731, Dialect::v41}) {
    Message answer = text_message(Role::assistant, "C\n\n<b>");
    answer.reasoning = "R\n";
    answer.tool_calls = {
        {"", "f::x", R"({"s": "l1\n</x>｜DSML｜\u0001", "n": {"a": [1.5, null]}})"},
        {"", "g", "{}"}};
    ChatOptions options = {.dialect = dialect, .thinking = true, .add_bos = false};
    std::vector<Message> messages = {text_message(Role::user, "Q")};
    std::string before = write_chat(messages, options)->render();
    messages.push_back(answer);
    std::string after = write_chat(messages, options)->render();
    std::string text = after.substr(before.size());
    CompletionOptions reading = {.dialect = dialect, .thinking = true};
    auto read = read_completion(text, reading, Reading::strict);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->reasoning, "R\n");
    EXPECT_EQ(read->content, "C\n\n<b>");
    ASSERT_EQ(read->tool_calls.size(), 2u);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(read->tool_calls[i].name, answer.tool_calls[i].name);
      EXPECT_EQ(nlohmann::json::parse(read->tool_calls[i].arguments),
                nlohmann::json::parse(answer.tool_calls[i].arguments));
    }
    expect_same_however_cut(reading, text);
  }
}

// Nothing is lost: a reading of a truncated text has the finished calls, and the rest as text.
TEST(Completion, EveryTruncationDegradesToText) {
  std::string text = "R</think>C" + kCallText + kEosText;
  for (size_t size = 0; size < text.size(); ++size) {
    std::string part = text.substr(0, size);
    EXPECT_FALSE(read_completion(part, kV4Thinking, Reading::strict)) << part;
    auto read = read_completion(part, kV4Thinking, Reading::lenient);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->ended);
    if (read->tool_calls.empty() && size >= 10) {
      EXPECT_EQ(read->reasoning + "</think>" + read->content, part);
    }
    if (size % 7 == 0) expect_same_however_cut(kV4Thinking, part);
  }
}

TEST(Completion, MalformedTextsAreFaultsAndDegrade) {
  std::string open = "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n";
  std::string parameter = "<｜DSML｜parameter name=\"k\" string=\"true\">v</｜DSML｜parameter>\n";
  std::string close = "</｜DSML｜invoke>\n</｜DSML｜tool_calls>";
  const std::string bad[] = {
      "no end",
      "a<think>b" + kEosText,
      "a</think>b" + kEosText,
      "｜DSML｜" + kEosText,
      "<｜begin▁of▁sentence｜>" + kEosText,
      "x" + kEosText + "y",
      kEosText + kEosText,
      open + parameter + parameter + close + kEosText,
      open + parameter + close + "text" + kEosText,
      open + parameter + close + "\n" + kEosText,
      open + parameter + "junk" + close + kEosText,
      open + "junk" + parameter + close + kEosText,
      "\n\n<｜DSML｜tool_calls>" + kEosText,
      "\n\n<｜DSML｜tool_callsX>\n" + kEosText,
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke f>\n" + close + kEosText,
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">" + close + kEosText,
      "\n\n<｜DSML｜ calls>\n" + kEosText,
      open + "<｜DSML｜parameter name=\"k\" string=\"maybe\">v</｜DSML｜parameter>\n" + close +
          kEosText,
      open + "<｜DSML｜parameter name=\"k\" string=\"true\">v/｜DSML｜parameter>\n" + close +
          kEosText,
      open + "<｜DSML｜parameter string=\"true\">v</｜DSML｜parameter>\n" + close + kEosText,
      open + "<｜DSML｜parameter name=\"" + std::string(5000, 'k') + "\" string=\"true\">v" +
          kEosText,
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"" + std::string(5000, 'n') + kEosText,
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke" + std::string(5000, ' ') + kEosText,
      open + parameter + "</｜DSML｜invoke>\n</｜DSML｜invoke>\n" + kEosText,
  };
  for (const std::string& text : bad) {
    auto strict = read_completion(text, kV4, Reading::strict);
    ASSERT_FALSE(strict) << text;
    EXPECT_TRUE(strict.error().message.starts_with("completion: byte ")) << strict.error().message;
    EXPECT_TRUE(read_completion(text, kV4, Reading::lenient));
    if (text.size() < 2000) expect_same_however_cut(kV4, text);
  }
  EXPECT_FALSE(read_completion("r" + kCallText + kEosText, kV4Thinking, Reading::strict));
  EXPECT_FALSE(read_completion("r" + kEosText, kV4Thinking, Reading::strict));
  expect_same_however_cut(kV4Thinking, "r" + kCallText + kEosText);
}

TEST(Completion, ABrokenCallComesBackAsItsSource) {
  std::string call =
      "\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n"
      "<｜DSML｜parameter name=\"k\" string=\"true\">v";
  auto read = read_completion("C" + call, kV4, Reading::lenient);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->content, "C" + call);
  EXPECT_TRUE(read->tool_calls.empty());
}

TEST(Completion, StreamsEarlyAndHoldsBackMarkersOnly) {
  CompletionReader reader(kV4);
  auto first = reader.add("Hello\n");
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].text, "Hello");  // the line feed may begin a calls block
  auto second = reader.add("\n<b");
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].text, "\n\n<b");
  reader.add(kCallText.substr(0, kCallText.find("a \"b\"")));
  auto value = reader.add("long valu");
  ASSERT_EQ(value.size(), 1u);
  EXPECT_EQ(value[0].kind, Kind::call_arguments);
  EXPECT_EQ(value[0].text, "long valu");
}

TEST(Completion, ManyControlTokensTakeNoQuadraticTime) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "<think>";
  EXPECT_EQ(read_completion(text, kV4, Reading::lenient)->content, text);
}

// With control tokens known, look-alikes in ordinary text are text, however they are cut.
TEST(CompletionReader, OrdinaryTextHoldsNoMarkers) {
  const CompletionOptions options{
      .dialect = Dialect::v4_april, .thinking = true, .knows_control = true};
  const std::string spelled = "a</think>\n\n<｜DSML｜tool_calls>" + kEosText;
  for (size_t cut = 0; cut <= spelled.size(); ++cut) {
    CompletionReader reader(options);
    std::vector<CompletionEvent> events;
    const auto tell = [&](std::vector<CompletionEvent> more) {
      for (CompletionEvent& event : more) events.push_back(std::move(event));
    };
    tell(reader.add(spelled.substr(0, cut)));
    tell(reader.add(spelled.substr(cut)));
    tell(reader.add_control(kThinkEnd));
    tell(reader.add("b" + spelled + "\n\n<"));
    tell(reader.add_control(kDsml));
    tell(reader.add("tool_calls>\n<"));
    tell(reader.add_control(kDsml));
    tell(reader.add("invoke name=\"f\">\n<"));
    tell(reader.add_control(kDsml));
    tell(reader.add("parameter name=\"s\" string=\"true\">x</｜DSML｜parameter>\n</"));
    tell(reader.add_control(kDsml));
    tell(reader.add("parameter>\n</"));
    tell(reader.add_control(kDsml));
    tell(reader.add("invoke>\n</"));
    tell(reader.add_control(kDsml));
    tell(reader.add("tool_calls>"));
    tell(reader.add_control(kEos));
    tell(reader.finish());
    EXPECT_FALSE(reader.fault()) << *reader.fault();
    EXPECT_EQ(told(events), "\n[0]" + spelled + "\n[1]b" + spelled +
                                "\n[2]f\n[3]{\"s\": \"x</｜DSML｜parameter>\\n\"}\n[4]\n[6]")
        << cut;
  }
}

}  // namespace
}  // namespace hadal
