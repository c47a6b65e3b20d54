// SPDX-License-Identifier: MIT
// An API over a scripted worker and the tokenizer of models/nano.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "scratch.h"
#include "scripted.h"
#include "serve/api.h"
#include "text/prompt.h"

namespace hadal {

class ApiTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Result<Tokenizer> opened =
        Tokenizer::open(std::string(HADAL_TESTS_DIR) + "/../models/nano/tokenizer.json");
    ASSERT_TRUE(opened) << opened.error().message;
    tokenizer_ = new Tokenizer(opened.take());
    auto forms = AnswerForms::make(*tokenizer_, ScriptedWorker().vocab());
    ASSERT_TRUE(forms) << forms.error().message;
    forms_ = *forms;
  }
  static void TearDownTestSuite() {
    delete tokenizer_;
    tokenizer_ = nullptr;
    forms_ = nullptr;
  }
  void SetUp() override {
    Result<std::unique_ptr<Accounts>> opened = Accounts::open(folder_.file("a.db"));
    ASSERT_TRUE(opened) << opened.error().message;
    accounts_ = opened.take();
    model_.emplace(ServedModel{.id = "nano",
                               .end_ids = {*tokenizer_->eos()},
                               .tokenizer = *tokenizer_,
                               .worker = worker_,
                               .thinks = false,
                               .fingerprint = "fp_test",
                               .created = 5,
                               .forms = forms_});
    api_ = std::make_unique<Api>(*model_, *accounts_, ApiOptions{});
  }

  // What the model is to say; an end of turn follows.
  void script(const std::string& text) {
    worker_.script.clear();
    for (const int32_t id : tokenizer_->encode_with_control(text)) worker_.script.push_back(id);
    worker_.script.push_back(*tokenizer_->eos());
  }
  std::shared_ptr<RecordedExchange> ask(const std::string& method, const std::string& path,
                                        const std::string& body, const std::string& key = "") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.headers["host"] = "localhost:1";
    if (!key.empty()) request.headers["authorization"] = "Bearer " + key;
    request.body = body;
    request.id = "req_" + std::to_string(++asked_);
    const auto exchange = std::make_shared<RecordedExchange>(request);
    if (std::optional<HttpReply> refusal = api_->refuse(request))
      exchange->reply(std::move(*refusal));
    else
      api_->handle(exchange);
    return exchange;
  }
  std::shared_ptr<RecordedExchange> post(const std::string& path, const nlohmann::json& body,
                                         const std::string& key = "") {
    return ask("POST", path, body.dump(), key);
  }
  std::string prompt_text() const {
    const std::vector<int64_t>& ids = worker_.last.prompt;
    return tokenizer_->decode(std::vector<int32_t>(ids.begin(), ids.end()));
  }

  static inline Tokenizer* tokenizer_ = nullptr;
  static inline std::shared_ptr<AnswerForms> forms_;
  const ScratchFolder folder_;
  std::unique_ptr<Accounts> accounts_;
  ScriptedWorker worker_;
  std::optional<ServedModel> model_;
  std::unique_ptr<Api> api_;
  int asked_ = 0;
};

inline const nlohmann::json kHello = {{{"role", "user"}, {"content", "Hello"}}};

// A call of weather(city=Ulm, days=2), as V4.1 writes it.
inline const std::string kCall =
    "\n\n<｜DSML｜ calls>\n<｜DSML｜ invoke name=\"weather\">\n"
    "<｜DSML｜ parameter name=\"city\" string=\"true\">Ulm</｜DSML｜ parameter>\n"
    "<｜DSML｜ parameter name=\"days\" string=\"false\">2</｜DSML｜ parameter>\n"
    "</｜DSML｜ invoke>\n";
inline const std::string kCallsEnd = "</｜DSML｜ calls>";

}  // namespace hadal
