// SPDX-License-Identifier: MIT
// `hadal serve` with a model that sees: what is shown by any API is what the engine is shown.
#include <filesystem>
#include <sstream>

#include "media/write.h"
#include "serve/base64.h"
#include "served_program.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using namespace nlohmann::literals;

Picture drawn(int number) {
  Picture drawn(8, 6);
  for (int64_t y = 0; y < drawn.height; ++y)
    for (int64_t x = 0; x < drawn.width; ++x) {
      uint8_t* rgb = drawn.pixel(x, y);
      rgb[number % 3] = static_cast<uint8_t>(x * 36);
      rgb[(number + 1) % 3] = static_cast<uint8_t>(y * 50);
    }
  return drawn;
}

// A GIF of four seconds; each shows something else.
std::string film() {
  Clip clip;
  clip.fps = 2;
  for (int frame = 0; frame < 8; ++frame) clip.frames.push_back(drawn(frame / 2));
  for (int frame = 6; frame < 8; ++frame) clip.frames[static_cast<size_t>(frame)] = Picture(8, 6);
  Result<std::string> gif = encode_media(clip, FileKind::gif, {});
  EXPECT_TRUE(gif);
  return gif ? *gif : "";
}

// 8 × 6 pixels, all of one size and none like another.
std::string picture(int number) {
  Clip still;
  still.frames.push_back(drawn(number));
  Result<std::string> png = encode_media(still, FileKind::png, {});
  EXPECT_TRUE(png);
  return png ? *png : "";
}

json words(const std::string& text) {
  return {{"type", "text"}, {"text", text}};
}

json image(const std::string& url) {
  return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
}

json shown(const std::string& png) {
  return image("data:image/png;base64," + to_base64(png));
}

json clip(json inside) {
  return {{"type", "video_url"}, {"video_url", std::move(inside)}};
}

json user(const std::string& content) {
  return {{"role", "user"}, {"content", content}};
}
json user(const std::vector<json>& parts) {
  return {{"role", "user"}, {"content", parts}};
}

// The golden checkpoint, with a tokenizer that has the tokens of a conversation.
class Seeing : public ServeProgram {
 protected:
  Seeing() {
    const std::string golden = std::string(HADAL_TESTS_DIR) + "/goldens/v41-vision-tiny/";
    model_ = folder_.file("seer");
    threads_ = "1";  // so small that threads would only wait for each other
    fs::create_directories(model_);
    for (const char* name : {"config.json", "model.safetensors"})
      fs::copy_file(golden + name, model_ + "/" + name);
    std::ifstream file(golden + "tokenizer.json");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    rename(text, "<｜place▁holder▁no▁345｜>", "<｜User｜>");
    rename(text, "<｜place▁holder▁no▁346｜>", "<｜Assistant｜>");
    rename(text, "<｜place▁holder▁no▁347｜>", "</think>");
    std::ofstream(model_ + "/tokenizer.json") << text;
  }
  static void rename(std::string& text, const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from))
      text.replace(at, from.size(), to);
  }

  json post(const std::string& path, json body) const {
    body["temperature"] = 0;
    return answer(post_text(path, body.dump()));
  }
  json chat(const std::vector<json>& messages) const {
    return post("/v1/chat/completions",
                {{"messages", messages}, {"max_tokens", 8}, {"logprobs", true}});
  }
  static std::string said(const json& answer) {
    return answer.value("/choices/0/message/content"_json_pointer, "nothing");
  }
  // How sure of each token: whoever saw something else was more or less so.
  static std::string sureness(const json& answer) {
    return answer.value("/choices/0/logprobs"_json_pointer, json()).dump() + said(answer);
  }
  static int64_t hits(const json& answer) {
    return answer.value("/usage/prompt_cache_hit_tokens"_json_pointer, int64_t{-1});
  }
  // What the program itself says of a picture or clip.
  json generated(const std::string& bytes, const std::string& option = "--image") const {
    const std::string file = folder_.file("shown");
    std::ofstream(file, std::ios::binary) << bytes;
    const Child child =
        start_program({"generate", "--model", model_, "--chat", "--prompt", "a red", option, file,
                       "--max-tokens", "8", "--temperature", "0", "--json"},
                      folder_.file("log"));
    std::string text;
    for (char c = 0; read(child.out, &c, 1) == 1;) text += c;
    close(child.out);
    EXPECT_EQ(exit_code(child.pid), 0) << log();
    json all = {{"text", ""}};
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const json event = json::parse(line, nullptr, false);
      if (event.contains("text") && event["text"].is_string() && !event.contains("usage"))
        all["text"] = all["text"].get<std::string>() + event["text"].get<std::string>();
      if (event.contains("usage")) all["usage"] = event["usage"];
    }
    return all;
  }
};

TEST_F(Seeing, AnswersAsTheEngineDoesInEveryLanguage) {
  const std::string png = picture(1);
  start();
  const json engine = generated(png);
  const json whole = chat({user(std::vector<json>{shown(png), words("a red")})});
  ASSERT_TRUE(whole.contains("choices")) << whole << log();
  EXPECT_EQ(said(whole), engine["text"]);
  EXPECT_GT(said(whole).size(), 4U) << "an answer that could differ";
  EXPECT_EQ(whole["usage"]["prompt_tokens"], engine["usage"]["prompt_tokens"]);
  // 8 × 6 pixels take 2 · (3 + 1) + 2 positions (tests/cli/generate_images_test.cpp).
  EXPECT_EQ(whole["usage"]["prompt_tokens_details"]["image_tokens"], 10);

  const json source = {{"type", "base64"}, {"media_type", "image/png"}, {"data", to_base64(png)}};
  const std::vector<json> blocks = {{{"type", "image"}, {"source", source}}, words("a red")};
  const json claude =
      post("/v1/messages", {{"messages", json::array({user(blocks)})}, {"max_tokens", 8}});
  ASSERT_TRUE(claude.contains("content")) << claude;
  EXPECT_EQ(claude.value("/content/0/text"_json_pointer, "nothing"), said(whole)) << claude;
  EXPECT_EQ(post("/v1/messages/count_tokens",
                 {{"messages", json::array({user(blocks)})}})["input_tokens"],
            whole["usage"]["prompt_tokens"]);

  const std::vector<json> parts = {
      {{"type", "input_image"}, {"image_url", "data:;base64," + to_base64(png)}},
      {{"type", "input_text"}, {"text", "a red"}}};
  const json response =
      post("/v1/responses", {{"input", json::array({user(parts)})}, {"max_output_tokens", 8}});
  ASSERT_TRUE(response.contains("output")) << response;
  EXPECT_EQ(response.value("/output/0/content/0/text"_json_pointer, "nothing"), said(whole))
      << response;
  EXPECT_EQ(answer(get_text("/v1/models"))["data"][0]["modalities"],
            (json{"text", "image", "video"}));
}

TEST_F(Seeing, APictureIsReadOnceAndNeverTakenForAnother) {
  start();
  const json question = user(std::vector<json>{shown(picture(0)), words("what")});
  const json first = chat({question});
  ASSERT_TRUE(first.contains("choices")) << first << log();
  const json second = chat({question, {{"role", "assistant"}, {"content", "a"}}, user("why")});
  ASSERT_TRUE(second.contains("choices")) << second;
  EXPECT_GE(hits(second), first["usage"]["prompt_tokens"]);
  // As large, and in the same place, so with the same ids.
  const json other = chat({user(std::vector<json>{shown(picture(1)), words("what")})});
  EXPECT_EQ(other["usage"]["prompt_tokens"], first["usage"]["prompt_tokens"]);
  EXPECT_LE(hits(other), 2) << "what stands before the picture";
  EXPECT_NE(sureness(other), sureness(first));
  const json again = chat({question});
  EXPECT_EQ(sureness(again), sureness(first));
  EXPECT_GT(hits(again), 10);
}

TEST_F(Seeing, SeveralPicturesStandInTheirOrderInAnyTurn) {
  start();
  const json a = shown(picture(0)), b = shown(picture(1));
  const json ab = chat({user(std::vector<json>{a, words("and"), b})}),
             ba = chat({user(std::vector<json>{b, words("and"), a})});
  ASSERT_TRUE(ab.contains("choices")) << ab << log();
  EXPECT_EQ(ab["usage"]["prompt_tokens_details"]["image_tokens"], 20);
  EXPECT_NE(sureness(ab), sureness(ba));
  const json said = {{"role", "assistant"}, {"content", "a"}};
  const json later =
      chat({user(std::vector<json>{a}), said, user(std::vector<json>{b, words("which")})});
  EXPECT_EQ(later["usage"]["prompt_tokens_details"]["image_tokens"], 20);
}

TEST_F(Seeing, AFileIsShownByItsId) {
  start();
  const std::string png = picture(2);
  const json file = answer(upload_text("/v1/files", png));
  ASSERT_TRUE(file.contains("id")) << file << log();
  const json named = {{"type", "file"}, {"file", {{"file_id", file["id"]}}}};
  EXPECT_EQ(sureness(chat({user(std::vector<json>{named, words("what")})})),
            sureness(chat({user(std::vector<json>{shown(png), words("what")})})));
}

// One frame takes 10 positions, as a picture of its size does.
TEST_F(Seeing, AClipIsShownAsTheEngineShowsIt) {
  const std::string gif = film(), url = "data:image/gif;base64," + to_base64(gif);
  start();
  const json engine = generated(gif, "--video");
  const json whole = chat({user(std::vector<json>{clip({{"url", url}}), words("a red")})});
  ASSERT_TRUE(whole.contains("choices")) << whole << log();
  EXPECT_EQ(said(whole), engine["text"]);
  EXPECT_EQ(whole["usage"]["prompt_tokens"], engine["usage"]["prompt_tokens"]);
  EXPECT_EQ(whole["usage"]["prompt_tokens_details"]["image_tokens"], 40) << "four of eight frames";

  // A file that was sent before, in either API, and what was seen is found again.
  const json file = answer(upload_text("/v1/files", gif));
  ASSERT_TRUE(file.contains("id")) << file;
  const json named =
      chat({user(std::vector<json>{clip({{"file_id", file["id"]}}), words("a red")})});
  EXPECT_EQ(sureness(named), sureness(whole));
  EXPECT_GT(hits(named), 40);
  const std::vector<json> parts = {{{"type", "input_video"}, {"video_url", url}},
                                   {{"type", "input_text"}, {"text", "a red"}}};
  const json response =
      post("/v1/responses", {{"input", json::array({user(parts)})}, {"max_output_tokens", 8}});
  EXPECT_EQ(response.value("/output/0/content/0/text"_json_pointer, "nothing"), said(whole))
      << response;
}

TEST_F(Seeing, APartOfAClipIsShownUnderItsTimes) {
  const std::string url = "data:image/gif;base64," + to_base64(film());
  start();
  const auto prompt = [&](json inside) {
    inside["url"] = url;
    const json told = post("/apply-template",
                           {{"messages", {user(std::vector<json>{clip(inside), words("what")})}}});
    const std::string text = told.value("prompt", told.dump());
    std::string times;
    for (size_t at = text.find('['); at != std::string::npos; at = text.find('[', at + 1))
      times += text.substr(at, text.find(']', at) + 1 - at);
    return times;
  };
  EXPECT_EQ(prompt({}), "[0:00.0][0:01.0][0:02.0][0:03.0]") << log();
  EXPECT_EQ(prompt({{"start", 1.5}}), "[0:01.5][0:02.0][0:03.0]");
  EXPECT_EQ(prompt({{"start", 1}, {"end", 2.5}}), "[0:01.0][0:02.0]");
  EXPECT_EQ(prompt({{"end", 9}, {"fps", 0.5}}), "[0:00.0][0:02.0]");
}

TEST_F(Seeing, ClipsThatCannotBeShownAreRefusedByTheirPlace) {
  const std::string gif = film(), url = "data:image/gif;base64," + to_base64(gif);
  start();
  const auto blamed = [&](const json& inside) {
    const json body = chat({user(std::vector<json>{words("what"), clip(inside)})});
    const std::string start = "messages[0].content[1].video_url";
    const std::string param = body.value("/error/param"_json_pointer, body.dump());
    EXPECT_TRUE(param.starts_with(start)) << param;
    EXPECT_TRUE(body.value("/error/message"_json_pointer, "").starts_with(param)) << body;
    return param.substr(std::min(param.size(), start.size()));
  };
  EXPECT_EQ(blamed({{"url", "https://x.example/a.mp4"}}), ".url");
  EXPECT_EQ(blamed({{"url", "data:video/mp4;base64," + to_base64("no clip")}}), ".url");
  EXPECT_EQ(blamed({{"url", "data:;base64," + to_base64(picture(0))}}), ".url");
  EXPECT_EQ(blamed({{"url", "data:;base64," + to_base64(gif.substr(0, 40))}}), "");
  EXPECT_EQ(blamed({{"file_id", "file-0"}}), ".file_id");
  EXPECT_EQ(blamed({{"start", 1}}), ".url");
  EXPECT_EQ(blamed({{"url", url}, {"fps", 0}}), ".fps");
  EXPECT_EQ(blamed({{"url", url}, {"fps", "2"}}), ".fps");
  EXPECT_EQ(blamed({{"url", url}, {"start", -1}}), ".start");
  EXPECT_EQ(blamed({{"url", url}, {"start", 2}, {"end", 2}}), ".end");
  EXPECT_EQ(blamed({{"url", url}, {"start", 4}}), "") << "behind its end";
  EXPECT_EQ(blamed({{"url", url}, {"fps", 30}}), "") << "more frames than are shown";
  std::vector<json> many(9, clip({{"url", url}, {"end", 0.5}}));
  EXPECT_EQ(chat({user(many)}).value("/error/param"_json_pointer, "none"),
            "messages[0].content[8].video_url");
  EXPECT_TRUE(chat({user(std::vector<json>{clip({{"url", url}})})}).contains("choices"));
}

TEST_F(Seeing, HostilePicturesAreRefusedByTheirPlace) {
  start();
  const auto refused = [&](const json& part) {
    const json body = chat({user(std::vector<json>{words("what"), part})});
    EXPECT_EQ(body.value("/error/param"_json_pointer, "").substr(0, 22), "messages[0].content[1]")
        << body;
    return body.value("/error/message"_json_pointer, "");
  };
  const std::string png = picture(0);
  EXPECT_NE(refused(image("https://x.example/a.png")).find("nothing is fetched"),
            std::string::npos);
  EXPECT_NE(refused(shown("no picture")).find("no PNG"), std::string::npos);
  EXPECT_NE(refused(shown(png.substr(0, png.size() / 2))).find("not a picture"), std::string::npos);
  std::string bomb = png;
  bomb.replace(16, 8, std::string("\0\1\x86\xa0\0\1\x86\xa0", 8));  // 100,000 × 100,000
  EXPECT_FALSE(refused(shown(bomb)).empty());
  EXPECT_FALSE(refused({{"type", "image_url"}}).empty());
  EXPECT_FALSE(refused({{"type", "audio"}}).empty());
  std::vector<json> many;
  for (int i = 0; i < 101; ++i) many.push_back(shown(png));
  EXPECT_EQ(chat({user(many)}).value("/error/param"_json_pointer, "none"),
            "messages[0].content[100]");
  // Nothing of it lets the server down.
  EXPECT_TRUE(chat({user(std::vector<json>{shown(png)})}).contains("choices"));
  EXPECT_EQ(terminate(), 0) << log();
}

}  // namespace
}  // namespace hadal
