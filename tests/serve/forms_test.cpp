// SPDX-License-Identifier: MIT
// Answers that are held to a form: what each API asks for becomes a constraint on tokens.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "form_fixture.h"

namespace hadal {
namespace {

using nlohmann::json;

const json kAsk = {{{"role", "user"}, {"content", "Hello"}}};
const json kSchema = {{"type", "object"},
                      {"properties", {{"city", {{"type", "string"}}}}},
                      {"required", {"city"}},
                      {"additionalProperties", false}};

class Forms : public FormTest {};

TEST_F(Forms, EveryApiHoldsToItsFormat) {
  const std::string good = R"({"city": "Ulm"})", bad = R"({"town": "Ulm"})";
  const json openai = {{"type", "json_schema"},
                       {"json_schema", {{"name", "a"}, {"schema", kSchema}}}};
  const json plain = {{"type", "json_schema"}, {"name", "a"}, {"schema", kSchema}};
  const std::vector<std::pair<std::string, json>> asked = {
      {"/v1/chat/completions", {{"messages", kAsk}, {"response_format", openai}}},
      {"/v1/chat/completions", {{"messages", kAsk}, {"guided_json", kSchema}}},
      {"/v1/chat/completions",
       {{"messages", kAsk}, {"structured_outputs", {{"json", kSchema.dump()}}}}},
      {"/v1/completions", {{"prompt", "Hello"}, {"response_format", openai}}},
      {"/v1/completions", {{"prompt", "Hello"}, {"json_schema", kSchema}}},
      {"/v1/responses", {{"input", "Hello"}, {"text", {{"format", plain}}}}},
      {"/v1/messages",
       {{"messages", kAsk}, {"max_tokens", 9}, {"output_config", {{"format", plain}}}}}};
  for (const auto& [path, body] : asked) {
    EXPECT_TRUE(answer_may_be(path, body, good)) << path << body;
    EXPECT_FALSE(answer_may_be(path, body, bad)) << path << body;
    EXPECT_FALSE(answer_may_be(path, body, "Hello")) << path << body;
  }
  EXPECT_FALSE(answer_may_be("/v1/chat/completions", {{"messages", kAsk}}, good));
}

TEST_F(Forms, ObjectsPatternsChoicesAndGrammars) {
  const auto chat = [&](const json& field, const std::string& text) {
    json body = {{"messages", kAsk}};
    body.update(field);
    return answer_may_be("/v1/chat/completions", body, text);
  };
  const json object = {{"response_format", {{"type", "json_object"}}}};
  EXPECT_TRUE(chat(object, R"({"a": [1, {"b": null}]})"));
  EXPECT_FALSE(chat(object, "[1]"));
  EXPECT_TRUE(chat({{"guided_regex", "[0-9]{4}-[0-9]{2}"}}, "2026-11"));
  EXPECT_FALSE(chat({{"guided_regex", "[0-9]{4}-[0-9]{2}"}}, "2026-1"));
  EXPECT_TRUE(chat({{"guided_choice", {"yes", "no"}}}, "yes"));
  EXPECT_FALSE(chat({{"guided_choice", {"yes", "no"}}}, "maybe"));
  EXPECT_TRUE(chat({{"grammar", "root ::= \"a\"+ \".\""}}, "aaa."));
  EXPECT_FALSE(chat({{"guided_grammar", "root ::= \"a\"+ \".\""}}, "aaa"));
}

TEST_F(Forms, BeginBehindTheThinking) {
  script("x");
  post("/v1/chat/completions", {{"messages", kAsk},
                                {"thinking", {{"type", "enabled"}}},
                                {"response_format", {{"type", "json_object"}}}})
      ->wait();
  ASSERT_TRUE(worker_.last.constraint);
  const int64_t hello = tokenizer_->encode("Hello").front();
  EXPECT_TRUE(allows(hello));
  EXPECT_FALSE(allows(*tokenizer_->eos()));
  form().accept(hello);
  form().accept(*tokenizer_->id_of("</think>"));
  EXPECT_FALSE(allows(hello));
  EXPECT_TRUE(accepts("{}"));
}

TEST_F(Forms, TheSchemaIsShownToTheModel) {
  const json plain = {{"type", "json_schema"}, {"name", "a"}, {"schema", kSchema}};
  const std::vector<std::pair<std::string, json>> asked = {
      {"/v1/chat/completions", {{"messages", kAsk}, {"response_format", plain}}},
      {"/v1/responses", {{"input", "Hello"}, {"text", {{"format", plain}}}}},
      {"/v1/messages",
       {{"messages", kAsk}, {"max_tokens", 9}, {"output_config", {{"format", plain}}}}}};
  for (const auto& [path, body] : asked) {
    EXPECT_TRUE(answer_may_be(path, body, R"({"city":"Ulm"})")) << path;
    EXPECT_NE(prompt_text().find("\"city\""), std::string::npos) << path << prompt_text();
  }
}

// Compiled once, whoever asks; each answer stands where it is.
TEST_F(Forms, AnswersShareAFormAndNotTheirPlace) {
  const json body = {{"messages", kAsk}, {"guided_regex", "ab*c"}};
  EXPECT_TRUE(answer_may_be("/v1/chat/completions", body, "abc"));
  const std::shared_ptr<TokenConstraint> first = worker_.last.constraint;
  EXPECT_TRUE(answer_may_be("/v1/chat/completions", body, "abbbc"));
  EXPECT_NE(first, worker_.last.constraint);
}

}  // namespace
}  // namespace hadal
