// SPDX-License-Identifier: MIT
// Tools that are called with free text, in the words of responses.
#include <gtest/gtest.h>

#include "form_fixture.h"
#include "serve/custom_input.h"

namespace hadal {
namespace {

using nlohmann::json;

class CustomTools : public FormTest {
 protected:
  static json shell() {
    return {{"type", "custom"}, {"name", "shell"}, {"description", "Runs a line"}};
  }
  void script_call(const std::string& input) {
    script(
        "\n\n<｜DSML｜ calls>\n<｜DSML｜ invoke name=\"shell\">\n"
        "<｜DSML｜ parameter name=\"input\" string=\"true\">" +
        input + "</｜DSML｜ parameter>\n</｜DSML｜ invoke>\n</｜DSML｜ calls>");
  }
};

const std::string kLine = "echo \"größer\" \\\n  > 'a\tb'";

TEST_F(CustomTools, AreCalledWithText) {
  script_call(kLine);
  const json body = post("/v1/responses", {{"input", "List"}, {"tools", {shell()}}})->json();
  ASSERT_EQ(body["output"].size(), 1U) << body;
  const json& call = body["output"][0];
  EXPECT_EQ(call["type"], "custom_tool_call");
  EXPECT_TRUE(call["id"].get<std::string>().starts_with("ctc_"));
  EXPECT_TRUE(call["call_id"].get<std::string>().starts_with("call_"));
  EXPECT_EQ(call["name"], "shell");
  EXPECT_EQ(call["input"], kLine);
  EXPECT_EQ(call["status"], "completed");
  EXPECT_NE(prompt_text().find("\"name\": \"shell\""), std::string::npos);
  EXPECT_NE(prompt_text().find("Runs a line"), std::string::npos);
}

TEST_F(CustomTools, StreamTheirText) {
  script_call(kLine);
  const std::vector<json> events =
      post("/v1/responses", {{"input", "List"}, {"tools", {shell()}}, {"stream", true}})->events();
  std::string input, done;
  int parts = 0;
  for (const json& event : events) {
    EXPECT_NE(event["type"], "response.function_call_arguments.delta");
    if (event["type"] == "response.custom_tool_call_input.delta") {
      input += event["delta"];
      ++parts;
    }
    if (event["type"] == "response.custom_tool_call_input.done") done = event["input"];
    if (event["type"] == "response.output_item.added") {
      EXPECT_EQ(event["item"]["input"], "");
    }
  }
  EXPECT_GT(parts, 3);
  EXPECT_EQ(input, kLine);
  EXPECT_EQ(done, kLine);
  EXPECT_EQ(events.back()["response"]["output"][0]["input"], kLine);
}

TEST_F(CustomTools, OutputsComeBack) {
  script("Done.");
  const json items = {
      {{"role", "user"}, {"content", "List"}},
      {{"type", "custom_tool_call"}, {"call_id", "c1"}, {"name", "shell"}, {"input", kLine}},
      {{"type", "custom_tool_call_output"}, {"call_id", "c1"}, {"output", "two files"}}};
  const auto exchange = post("/v1/responses", {{"input", items}, {"tools", {shell()}}});
  exchange->wait();
  EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_NE(prompt_text().find(kLine), std::string::npos) << prompt_text();
  EXPECT_NE(prompt_text().find("two files"), std::string::npos);
  json wrong = items;
  wrong[2]["call_id"] = "c2";
  EXPECT_EQ(post("/v1/responses", {{"input", wrong}})->json()["error"]["param"],
            "input[2].call_id");
  wrong = items;
  wrong[1].erase("input");
  EXPECT_EQ(post("/v1/responses", {{"input", wrong}})->json()["error"]["param"], "input[1].input");
}

TEST_F(CustomTools, MayBeHeldToAnExpression) {
  json tool = shell();
  tool["format"] = {{"type", "grammar"}, {"syntax", "regex"}, {"definition", "ls( -[al])*"}};
  const json body = {{"input", "List"}, {"tools", {tool}}, {"tool_choice", "required"}};
  const auto called = [](const std::string& input) {
    return "\n\n<｜DSML｜ calls>\n<｜DSML｜ invoke name=\"shell\">\n"
           "<｜DSML｜ parameter name=\"input\" string=\"true\">" +
           input + "</｜DSML｜ parameter>\n</｜DSML｜ invoke>\n</｜DSML｜ calls>";
  };
  EXPECT_TRUE(answer_may_be("/v1/responses", body, called("ls -a -l")));
  EXPECT_FALSE(answer_may_be("/v1/responses", body, called("rm -a")));
  EXPECT_FALSE(answer_may_be("/v1/responses", body, called("ls -a; rm")));
  json named = body;
  named["tool_choice"] = {{"type", "custom"}, {"name", "shell"}};
  EXPECT_TRUE(answer_may_be("/v1/responses", named, called("ls")));
}

TEST_F(CustomTools, OtherFormatsAreRefusedByName) {
  script("x");
  const std::vector<std::pair<json, std::string>> cases = {
      {{{"type", "poem"}}, "tools[0].format.type"},
      {{{"type", "grammar"}, {"syntax", "lark"}, {"definition", "start: \"a\""}},
       "tools[0].format.syntax"},
      {{{"type", "grammar"}, {"syntax", "regex"}}, "tools[0].format.definition"},
      {{{"type", "grammar"}, {"syntax", "regex"}, {"definition", "(?=a)"}}, "tools[0].format"},
  };
  for (const auto& [format, param] : cases) {
    json tool = shell();
    tool["format"] = format;
    const auto exchange = post("/v1/responses", {{"input", "x"}, {"tools", {tool}}});
    EXPECT_EQ(exchange->json()["error"]["param"], param) << exchange->answer.body;
    EXPECT_EQ(exchange->answer.status, 400);
  }
}

// Wherever the pieces are cut, they add up to the text.
TEST(CustomInputTest, AnyCutGivesTheText) {
  const std::string text = "a\"b\\c\n\t\u00fc \xF0\x9F\x8C\x8A\x01 end";
  for (const bool ascii : {false, true}) {
    const std::string arguments = "{\"input\": " + json(text).dump(-1, ' ', ascii) + "}";
    for (size_t cut = 0; cut <= arguments.size(); ++cut) {
      CustomInput input;
      // A cut within a character does not come from a tokenizer's reader.
      if (cut < arguments.size() && (static_cast<unsigned char>(arguments[cut]) & 0xC0) == 0x80)
        continue;
      std::string told = input.add(arguments.substr(0, cut));
      told += input.add(arguments.substr(cut));
      told += input.finish();
      EXPECT_EQ(told, text) << cut;
      EXPECT_EQ(input.text(), text);
    }
    CustomInput single;
    std::string told;
    for (size_t at = 0; at < arguments.size();) {
      size_t end = at + 1;
      while (end < arguments.size() && (static_cast<unsigned char>(arguments[end]) & 0xC0) == 0x80)
        ++end;
      told += single.add(arguments.substr(at, end - at));
      at = end;
    }
    EXPECT_EQ(told + single.finish(), text);
  }
}

TEST(CustomInputTest, OtherShapesAreToldAsTheyAre) {
  for (const auto& [arguments, text] : std::vector<std::pair<std::string, std::string>>{
           {"{\"line\": \"ls\"}", "ls"},
           {"{\"input\": 5}", "{\"input\": 5}"},
           {"{\"a\": \"b\", \"c\": \"d\"}", "{\"a\": \"b\", \"c\": \"d\"}"},
           {"{}", "{}"},
           {"{\"input\": \"", "{\"input\": \""},
           {"", ""}}) {
    CustomInput input;
    std::string told = input.add(arguments);
    told += input.finish();
    EXPECT_EQ(told, text);
  }
  CustomInput halves;
  EXPECT_EQ(halves.add("{\"input\": \"a\\ud83c"), "a");
  EXPECT_EQ(halves.add("\\udf0a\"}"), "\xF0\x9F\x8C\x8A");
  EXPECT_EQ(halves.finish(), "");
}

}  // namespace
}  // namespace hadal
