// SPDX-License-Identifier: MIT
// Pictures and files in chats: asked for, shown, and named; and what can be asked of answers that
// are being written.
#include <gtest/gtest.h>

#include "fake_artist.h"
#include "serve/base64.h"
#include "serve/file_store.h"

namespace hadal {
namespace {

using nlohmann::json;

class PictureChat : public PictureApiTest {
 protected:
  void SetUp() override {
    PictureApiTest::SetUp();
    Result<std::unique_ptr<FileStore>> opened = FileStore::open(folder_.file("files"), {});
    ASSERT_TRUE(opened) << opened.error().message;
    files_ = opened.take();
    options_.files = files_.get();
    close_api();
    open_api();
  }
  void TearDown() override {
    PictureApiTest::TearDown();
    files_.reset();
  }
  std::shared_ptr<RecordedExchange> chat(json fields, const std::string& key = "") {
    if (!fields.contains("messages"))
      fields["messages"] = {{{"role", "user"}, {"content", "a red sea"}}};
    const auto exchange = post("/v1/chat/completions", fields, key);
    exchange->wait();
    return exchange;
  }
  std::shared_ptr<RecordedExchange> said(const json& content, json fields = json::object()) {
    fields["messages"] = {{{"role", "user"}, {"content", content}}};
    return chat(fields);
  }
  json blamed(const json& fields) {
    const auto exchange = chat(fields);
    EXPECT_EQ(exchange->answer.status, 400) << fields;
    return exchange->json()["error"]["param"];
  }
  std::string keep(const std::string& bytes, const std::string& key = "") {
    const json made =
        post_form("/v1/files", {field("purpose", "vision"), file("file", bytes)}, key)->json();
    return made.value("id", made.dump());
  }
  static std::string data_url(const std::string& bytes) {
    return "data:image/png;base64," + to_base64(bytes);
  }
  static json picture(const std::string& url) {
    return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
  }
  static inline const json kImage = {{"modalities", {"text", "image"}}, {"seed", 4}};

  std::unique_ptr<FileStore> files_;
};

TEST_F(PictureChat, AnAnswerIsThePictureThatWasAskedFor) {
  json fields = kImage;
  fields["size"] = "64x48";
  fields["model"] = "nano";
  fields["max_tokens"] = 9;
  fields["messages"] = {{{"role", "user"}, {"content", "before"}},
                        {{"role", "assistant"}, {"content", "it"}},
                        {{"role", "user"}, {"content", {{{"type", "text"}, {"text", "a sea"}}}}}};
  const auto exchange = chat(fields);
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.prompt, "a sea");
  EXPECT_EQ(order.width, 64);
  EXPECT_EQ(order.height, 48);
  EXPECT_EQ(order.kind, FileKind::png);
  const json body = exchange->json();
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_TRUE(body["id"].get<std::string>().starts_with("chatcmpl-"));
  const json choice = body["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["message"]["role"], "assistant");
  ASSERT_EQ(choice["message"]["images"].size(), 1u);
  EXPECT_EQ(choice["message"]["images"][0]["type"], "image_url");
  EXPECT_EQ(choice["message"]["images"][0]["image_url"]["url"], data_url("a sea 4"));
  EXPECT_EQ(body["usage"]["completion_tokens"], 64);
  EXPECT_EQ(body["usage"]["completion_tokens_details"]["image_tokens"], 64);
  EXPECT_EQ(body["usage"]["total_tokens"], 67);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "messages, max_tokens");
}

TEST_F(PictureChat, AStreamHasADeltaForThePicture) {
  json fields = kImage;
  fields["stream"] = true;
  fields["stream_options"] = {{"include_usage", true}};
  const std::vector<json> events = chat(fields)->events();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0]["choices"][0]["delta"]["role"], "assistant");
  EXPECT_EQ(events[1]["choices"][0]["delta"]["images"][0]["image_url"]["url"],
            data_url("a red sea 4"));
  EXPECT_EQ(events[2]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events[3]["usage"]["completion_tokens"], 64);
  EXPECT_EQ(events[4], "[DONE]");
  for (int i = 1; i < 4; ++i) EXPECT_EQ(events[i]["id"], events[0]["id"]);
  fields["partial_images"] = 2;
  const auto whole_alone = chat(fields);
  EXPECT_EQ(whole_alone->events().size(), 5u);
  EXPECT_EQ(whole_alone->header("x-hadal-ignored-fields"), "partial_images");
  artist_.failure = fail_machine("no memory");
  EXPECT_EQ(chat(fields)->events().back()["error"]["message"], "no memory");
}

TEST_F(PictureChat, APictureInTheMessageIsGoneOnFrom) {
  const std::string id = keep(kPng);
  const json text = {{"type", "text"}, {"text", "it moves"}};
  const std::vector<json> ways = {picture(data_url(kPng)),
                                  {{"type", "image_url"}, {"image_url", {{"file_id", id}}}},
                                  {{"type", "file"}, {"file", {{"file_id", id}}}}};
  for (size_t i = 0; i < ways.size(); ++i) {
    const auto exchange = said({ways[i], text}, kImage);
    ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    const ArtOrder order = artist_.begun(i + 1);
    EXPECT_EQ(order.first_frame, kPng);
    EXPECT_EQ(order.prompt, "it moves");
    EXPECT_TRUE(order.ends_as_still);
  }
  EXPECT_EQ(said({ways[0], ways[1], text}, kImage)->json()["error"]["param"],
            "messages[0].content");
}

TEST_F(PictureChat, AClipIsAJobThatTheAnswerNames) {
  for (const bool stream : {false, true}) {
    const auto exchange =
        chat({{"modalities", {"text", "video"}}, {"stream", stream}, {"seconds", "1"}});
    ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    const json message = stream ? exchange->events().at(1)["choices"][0]["delta"]
                                : exchange->json()["choices"][0]["message"];
    const std::string id = message["videos"][0]["id"];
    EXPECT_EQ(message["videos"][0]["video_url"]["url"], "/v1/videos/" + id + "/content");
    const auto job = ask("GET", "/v1/videos/" + id, "");
    EXPECT_EQ(job->json()["prompt"], "a red sea");
    EXPECT_EQ(job->json()["num_frames"], 8);
  }
}

TEST_F(PictureChat, WhatTheModelCannotMakeIsRefusedByName) {
  EXPECT_EQ(blamed({{"modalities", {"text", "audio"}}}), "modalities[1]");
  EXPECT_EQ(blamed({{"modalities", {"image", "video"}}}), "modalities[1]");
  EXPECT_EQ(blamed({{"modalities", {1}}}), "modalities[0]");
  EXPECT_EQ(blamed({{"modalities", "image"}}), "modalities");
  json fields = kImage;
  fields["size"] = "9999x8";
  EXPECT_EQ(blamed(fields), "size");
  for (const auto& [name, value] : std::initializer_list<std::pair<std::string, json>>{
           {"n", 11},
           {"tools", {{{"type", "function"}}}},
           {"logprobs", true},
           {"output_format", "jpeg"},
           {"response_format", {{"type", "json_object"}}},
           {"messages", json::array()}}) {
    fields = kImage;
    fields[name] = value;
    EXPECT_EQ(blamed(fields), name);
  }
  fields = kImage;
  fields["messages"] = {{{"role", "assistant"}, {"content", "x"}}};
  EXPECT_EQ(blamed(fields), "messages[0]");
  EXPECT_EQ(artist_.works(), 0u);

  script("words");
  EXPECT_EQ(chat({{"modalities", {"text"}}})->json()["choices"][0]["message"]["content"], "words");
  options_.videos = nullptr;
  api_ = std::make_unique<Api>(*model_, *accounts_, options_);
  EXPECT_EQ(blamed({{"modalities", {"video"}}}), "modalities[0]");
  options_.artist = nullptr;
  api_ = std::make_unique<Api>(*model_, *accounts_, options_);
  EXPECT_EQ(blamed(kImage), "modalities[1]");
}

TEST_F(PictureChat, APictureInAnAnswerIsPaidFor) {
  const std::string key = add_key({.name = "ann"});
  ASSERT_TRUE(accounts_->set_price({.price_class = PriceClass::image, .amount = kMoneyUnit}));
  const json body = chat(kImage, key)->json();
  EXPECT_EQ(body["usage"]["cost"]["amount"], "1.00");
  EXPECT_EQ(*accounts_->entries(last_key_.number), 1);
}

TEST_F(PictureChat, AModelThatLooksSaysWhatItSees) {
  const json shown = {picture(data_url(kPng))};
  EXPECT_EQ(said(shown)->json()["error"]["param"], "messages[0].content[0]");
  artist_.eyes = true;
  script("a red circle");
  const auto exchange = said(shown);
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_EQ(exchange->json()["choices"][0]["message"]["content"], "a red circle");
  EXPECT_EQ(worker_.last.prompt, (std::vector<int64_t>{1, 1 << 20, int64_t(kPng.size())}));
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "");
  const json file = {{"type", "file"}, {"file", {{"file_id", keep(kPng)}}}};
  const json words = {{"type", "text"}, {"text", "What is it?"}};
  EXPECT_EQ(said({file, words})->header("x-hadal-ignored-fields"), "") << "it was done";
  EXPECT_EQ(said({file, file})->json()["error"]["param"], "messages[0].content[1]");
  EXPECT_EQ(said(json::array({picture(data_url(kPng + "bad"))}))->answer.status, 400);
  const auto models = ask("GET", "/v1/models", "")->json();
  EXPECT_EQ(models["data"][0]["modalities"], (json{"text", "image", "video"}));
}

TEST_F(PictureChat, AModelThatLooksSaysWhatAClipShows) {
  const std::string gif = "GIF89a, a clip", url = "data:image/gif;base64," + to_base64(gif);
  const auto clip = [](const json& inside) {
    return json{{"type", "video_url"}, {"video_url", inside}};
  };
  const auto blamed = [&](const json& parts) { return said(parts)->json()["error"]["param"]; };
  EXPECT_EQ(blamed(json::array({clip({{"url", url}})})), "messages[0].content[0]")
      << "it reads text";
  artist_.eyes = true;
  script("a red circle that moves");
  const json words = {{"type", "text"}, {"text", "Describe it."}};
  const auto exchange =
      said({clip({{"url", url}, {"fps", 4}, {"start", 1}, {"end", 2.5}, {"x", 1}}), words});
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_EQ(exchange->json()["choices"][0]["message"]["content"], "a red circle that moves");
  EXPECT_EQ(worker_.last.prompt, (std::vector<int64_t>{1, 1 << 20, int64_t(gif.size())}));
  ASSERT_TRUE(artist_.seen_part);
  EXPECT_EQ(artist_.seen_part->fps, 4);
  EXPECT_EQ(artist_.seen_part->start, 1);
  EXPECT_EQ(artist_.seen_part->end, 2.5);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "messages[0].content[0].video_url.x");
  for (const char* text : {"Describe this video", "What happens in the clip?", ""})
    EXPECT_EQ(said({clip({{"url", url}}), {{"type", "text"}, {"text", text}}})->answer.status, 200)
        << text;
  const std::string bad = "data:;base64," + to_base64(gif + " bad");
  EXPECT_EQ(blamed(json::array({clip({{"url", bad}})})), "messages[0].content[0].video_url");
  ASSERT_EQ(said(json::array({clip({{"file_id", keep(gif)}})}))->answer.status, 200);
  EXPECT_TRUE(artist_.seen_part->is_whole());
  EXPECT_EQ(blamed({clip({{"url", url}}), picture(data_url(kPng))}), "messages[0].content[1]");
  EXPECT_EQ(blamed(json::array({clip({{"url", "http://x.example/"}})})),
            "messages[0].content[0].video_url.url");
  // A later question is answered from what was said of it.
  const json shown = {{"role", "user"}, {"content", json::array({clip({{"url", url}})})}};
  const json told = {{"role", "assistant"}, {"content", "a red circle that moves"}};
  const json asked = {{"role", "user"}, {"content", "Where to?"}};
  const auto later = chat({{"messages", {shown, told, asked}}});
  ASSERT_EQ(later->answer.status, 200) << later->answer.body;
  EXPECT_EQ(later->header("x-hadal-ignored-fields"), "messages[0].content[0].video_url");
  // Nothing is drawn from a clip.
  json fields = kImage;
  EXPECT_EQ(said({clip({{"url", url}}), words}, fields)->json()["error"]["param"],
            "messages[0].content[0].video_url");
}

// A model that can do no more than describe does not answer other questions with a description.
TEST_F(PictureChat, AQuestionThatADescriptionDoesNotAnswerIsRefused) {
  artist_.eyes = true;
  script("a red circle");
  const auto asked = [&](const std::string& text) {
    return said({picture(data_url(kPng)), {{"type", "text"}, {"text", text}}});
  };
  for (const char* text : {"", "Describe this picture.", "What do you see?", "What's in the image?",
                           "Please caption this", "what is it", "What does the picture show?"})
    EXPECT_EQ(asked(text)->answer.status, 200) << text;
  for (const char* text : {"How many are there?", "What is it worth?", "Draw it in blue",
                           "Describe how to get there"}) {
    const auto exchange = asked(text);
    EXPECT_EQ(exchange->answer.status, 400) << text;
    EXPECT_NE(exchange->answer.body.find("what a picture shows"), std::string::npos);
  }
}

TEST_F(PictureChat, ADescriptionCallsNoToolsAndThinksOfNothing) {
  artist_.eyes = true;
  script("a red circle");
  const json shown = {picture(data_url(kPng))};
  const json tool = {{"type", "function"}, {"function", {{"name", "look"}}}};
  const json named = {{"type", "function"}, {"function", {{"name", "look"}}}};
  for (const json& choice : {json("required"), named})
    EXPECT_EQ(said(shown, {{"tools", {tool}}, {"tool_choice", choice}})->json()["error"]["param"],
              "tool_choice");
  const auto ignored = [&](const json& fields) {
    const auto exchange = said(shown, fields);
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    return exchange->header("x-hadal-ignored-fields");
  };
  EXPECT_EQ(ignored({{"tools", {tool}},
                     {"tool_choice", "auto"},
                     {"parallel_tool_calls", false},
                     {"thinking", {{"type", "enabled"}}},
                     {"reasoning_effort", "high"}}),
            "tools, tool_choice, parallel_tool_calls, thinking, reasoning_effort");
  EXPECT_EQ(ignored({{"tools", {tool}}, {"tool_choice", "none"}}), "");
  EXPECT_EQ(ignored({{"thinking", {{"type", "disabled"}}}}), "");
  script("{}");
  EXPECT_EQ(ignored({{"response_format", {{"type", "json_object"}}}}), "");
  EXPECT_TRUE(worker_.last.constraint) << "it is held to the form";
}

// Later in the conversation the description stands for the picture.
TEST_F(PictureChat, QuestionsAfterADescriptionAreAnswered) {
  const json shown = {{"role", "user"}, {"content", {picture(data_url(kPng))}}};
  const json told = {{"role", "assistant"}, {"content", "a red circle"}};
  const json asked = {{"role", "user"}, {"content", "What colours are there?"}};
  const auto ask_all = [&](const json& messages) {
    const auto exchange = post("/v1/chat/completions", {{"messages", messages}});
    exchange->wait();
    return exchange;
  };
  EXPECT_EQ(ask_all({shown, told, asked})->answer.status, 400) << "it never saw the picture";
  artist_.eyes = true;
  script("Many.");
  const auto exchange = ask_all({shown, told, asked});
  ASSERT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_EQ(exchange->json()["choices"][0]["message"]["content"], "Many.");
  EXPECT_NE(prompt_text().find("a red circle"), std::string::npos);
  EXPECT_NE(prompt_text().find("What colours are there?"), std::string::npos);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "messages[0].content[0]");
  // A picture that nobody described is not passed over in silence.
  const json mixed = {{"role", "user"},
                      {"content", {picture(data_url(kPng)), {{"type", "text"}, {"text", "Hm?"}}}}};
  EXPECT_EQ(ask_all({mixed, asked})->answer.status, 400);
}

TEST_F(PictureChat, PicturesAreDescribedInTheWordsOfOtherApis) {
  artist_.eyes = true;
  script("a red circle");
  const std::vector<int64_t> shown = {1, 1 << 20, int64_t(kPng.size())};
  const json source = {{"type", "base64"}, {"media_type", "image/png"}, {"data", to_base64(kPng)}};
  const json image = {{"type", "image"}, {"source", source}};
  const json question = {{"type", "text"}, {"text", "What is in this image?"}};
  json message = {{"max_tokens", 20},
                  {"system", "Be brief."},
                  {"messages", {{{"role", "user"}, {"content", {image, question}}}}}};
  const auto claude = post("/v1/messages", message);
  claude->wait();
  ASSERT_EQ(claude->answer.status, 200) << claude->answer.body;
  EXPECT_EQ(claude->json()["content"][0]["text"], "a red circle");
  EXPECT_TRUE(claude->json()["id"].get<std::string>().starts_with("msg_"));
  EXPECT_EQ(worker_.last.prompt, shown);
  EXPECT_EQ(claude->header("x-hadal-ignored-fields"), "system");
  message["wish"] = 1;
  const auto counted = post("/v1/messages/count_tokens", message);
  counted->wait();
  EXPECT_EQ(counted->json()["input_tokens"], 3) << counted->answer.body;
  EXPECT_EQ(counted->header("x-hadal-ignored-fields"), "wish");
  message["messages"][0]["content"][1]["text"] = "Count them.";
  const auto refused = post("/v1/messages", message);
  refused->wait();
  EXPECT_EQ(refused->json()["error"]["type"], "invalid_request_error");

  const json part = {{"type", "input_image"}, {"image_url", data_url(kPng)}};
  const auto response =
      post("/v1/responses", {{"input", {{{"role", "user"}, {"content", {part}}}}}});
  response->wait();
  ASSERT_EQ(response->answer.status, 200) << response->answer.body;
  EXPECT_EQ(response->json()["output"][0]["content"][0]["text"], "a red circle");
  EXPECT_EQ(worker_.last.prompt, shown);
  // What an answer was given to is left out later.
  const json later = {{{"role", "user"}, {"content", {part}}},
                      {{"role", "assistant"}, {"content", "a red circle"}},
                      {{"role", "user"}, {"content", "Why?"}}};
  const auto next = post("/v1/responses", {{"input", later}});
  next->wait();
  ASSERT_EQ(next->answer.status, 200) << next->answer.body;
  EXPECT_EQ(next->header("x-hadal-ignored-fields"), "input[0].content[0].image_url");
}

TEST_F(PictureChat, TextFilesAreReadAsText) {
  const std::string id = keep("all of it");
  script("yes");
  const std::string inside = "a.png:\n```\nall of it\n```";
  ASSERT_EQ(said({{{"type", "file"}, {"file", {{"file_id", id}}}}})->answer.status, 200);
  EXPECT_NE(prompt_text().find(inside), std::string::npos) << prompt_text();
  const json data = {{"filename", "b.txt"}, {"file_data", "data:text/plain;base64,aGk="}};
  ASSERT_EQ(said({{{"type", "file"}, {"file", data}}})->answer.status, 200);
  EXPECT_NE(prompt_text().find("b.txt:\n```\nhi\n```"), std::string::npos) << prompt_text();

  const json document = {{"type", "document"}, {"source", {{"type", "file"}, {"file_id", id}}}};
  const json messages = {{{"role", "user"}, {"content", {document}}}};
  const auto claude = post("/v1/messages", {{"max_tokens", 5}, {"messages", messages}});
  claude->wait();
  ASSERT_EQ(claude->answer.status, 200) << claude->answer.body;
  EXPECT_NE(prompt_text().find(inside), std::string::npos) << prompt_text();

  const json item = {{"role", "user"}, {"content", {{{"type", "input_file"}, {"file_id", id}}}}};
  // A tool may give one back.
  const json call = {
      {"type", "function_call"}, {"call_id", "c"}, {"name", "look"}, {"arguments", "{}"}};
  const json output = {{"type", "function_call_output"},
                       {"call_id", "c"},
                       {"output", {{{"type", "input_file"}, {"file_id", id}}}}};
  const json asks = {{"role", "user"}, {"content", "Look"}};
  for (const json& items : {json{item}, json{asks, call, output}}) {
    const auto response = post("/v1/responses", {{"input", items}});
    response->wait();
    ASSERT_EQ(response->answer.status, 200) << response->answer.body;
    EXPECT_NE(prompt_text().find(inside), std::string::npos) << prompt_text();
  }
}

TEST_F(PictureChat, FilesThatCannotBeReadAreRefusedByName) {
  const auto param = [&](const json& part) {
    return said(json::array({part}))->json()["error"]["param"];
  };
  const auto file = [](const json& inside) { return json{{"type", "file"}, {"file", inside}}; };
  EXPECT_EQ(param(file({{"file_id", "file-0"}})), "messages[0].content[0].file.file_id");
  EXPECT_EQ(param(file({{"file_id", keep(std::string("\0\1", 2))}})),
            "messages[0].content[0].file");
  EXPECT_EQ(param(file({{"file_data", "?"}})), "messages[0].content[0].file.file_data");
  EXPECT_EQ(param(file({{"file_id", "a"}, {"file_data", "b"}})), "messages[0].content[0].file");
  EXPECT_EQ(param(file({{"file_id", keep(kPng)}})), "messages[0].content[0]");
}

TEST_F(PictureChat, LlamasPagesSayWhatTheServerIs) {
  const json props = ask("GET", "/props", "")->json();
  EXPECT_EQ(props["default_generation_settings"]["n_ctx"], 2048);
  EXPECT_EQ(props["total_slots"], 1);
  EXPECT_EQ(props["model_alias"], "nano");
  EXPECT_EQ(props["modalities"]["vision"], false);
  EXPECT_EQ(ask("GET", "/slots", "")->json(), json::array());
  const auto control = [&](const json& fields) {
    return post("/v1/chat/completions/control", fields)->json()["error"]["param"];
  };
  EXPECT_EQ(control({{"id", "chatcmpl-0"}, {"action", "cancel"}}), "id");
  EXPECT_EQ(control({{"id", "chatcmpl-0"}, {"action", "reasoning_end"}}), "id");
  EXPECT_EQ(control({{"id", "chatcmpl-0"}, {"action", "think"}}), "action");
}

}  // namespace
}  // namespace hadal
