// SPDX-License-Identifier: MIT
// `hadal serve` with models/nano: its languages, its end, its keys.
#include <cstdlib>

#include "media/read.h"
#include "media/write.h"
#include "serve/base64.h"
#include "served_program.h"

namespace hadal {
namespace {

using nlohmann::json;

// A prompt whose likeliest continuation goes round in a circle.
std::string long_stream() {
  return post_text("/v1/completions",
                   R"({"prompt":"x=1 x=1 x=1 x=1 x=1 x=1 x=1 x=1 x=1","temperature":0,)"
                   R"("max_tokens":4000,"stream":true})");
}
size_t parts(const std::string& got) {
  size_t count = 0;
  for (size_t at = 0; (at = got.find("data: {", at)) != std::string::npos; ++at) ++count;
  return count;
}

TEST_F(ServeProgram, SpeaksAllItsLanguages) {
  start();
  const std::string ask =
      R"({"messages":[{"role":"user","content":"Hello"}],"temperature":0,"max_tokens":40})";
  const json chat = answer(post_text("/v1/chat/completions", ask));
  const std::string said = chat["choices"][0]["message"]["content"];
  EXPECT_FALSE(said.empty());
  EXPECT_EQ(chat["usage"]["prompt_cache_hit_tokens"], 0);
  const json again = answer(post_text("/v1/chat/completions", ask));
  EXPECT_EQ(again["choices"][0]["message"]["content"], said);
  EXPECT_EQ(again["usage"]["prompt_cache_miss_tokens"].get<int>() +
                again["usage"]["prompt_cache_hit_tokens"].get<int>(),
            chat["usage"]["prompt_tokens"]);

  HttpClient stream = client();
  stream.send(
      post_text("/v1/chat/completions", ask.substr(0, ask.size() - 1) + R"(,"stream":true})"));
  std::string text;
  const std::string body = dechunked(stream.until("[DONE]\n\n\r\n0\r\n\r\n"));
  for (size_t at = 0; (at = body.find("data: {", at)) != std::string::npos;) {
    const size_t end = body.find("\n\n", at);
    const json event = json::parse(body.substr(at + 6, end - at - 6));
    text += event["choices"][0]["delta"].value("content", "");
    at = end;
  }
  EXPECT_EQ(text, said);

  const json messages = answer(post_text("/v1/messages", ask));
  EXPECT_EQ(messages["content"][0]["text"], said);
  const json response = answer(
      post_text("/v1/responses", R"({"input":"Hello","temperature":0,"max_output_tokens":40})"));
  EXPECT_EQ(response["output"][0]["content"][0]["text"], said);
  EXPECT_EQ(answer(get_text("/v1/models"))["data"][0]["id"], "nano");
  EXPECT_EQ(answer(post_text("/v1/chat/completions", "{oops"))["error"]["type"],
            "invalid_request_error");
  EXPECT_EQ(answer(get_text("/v1/nothing"))["error"]["type"], "invalid_request_error");
  EXPECT_EQ(terminate(), 0) << log();
  EXPECT_EQ(log().find("Hello"), std::string::npos) << "prompts are not logged";
  EXPECT_NE(log().find("POST /v1/chat/completions 200 "), std::string::npos);
}

// Each as if it had been asked for alone; the prompt is read by the first of them.
TEST_F(ServeProgram, SeveralAnswersReadTheirPromptOnce) {
  start();
  json ask = {{"messages", {{{"role", "user"}, {"content", "Tell me of the sea and of ships."}}}},
              {"temperature", 1},
              {"max_tokens", 16},
              {"seed", 5},
              {"n", 4}};
  const json several = answer(post_text("/v1/chat/completions", ask.dump()));
  ASSERT_EQ(several["choices"].size(), 4U) << several;
  const int64_t prompt = several["usage"]["prompt_tokens"];
  EXPECT_EQ(several["usage"]["prompt_cache_miss_tokens"], prompt);
  EXPECT_EQ(metric("vllm:prompt_tokens_total"), static_cast<double>(4 * prompt));
  EXPECT_EQ(metric("vllm:prefix_cache_hits_total"), static_cast<double>(3 * prompt));
  ask["n"] = 1;
  for (int i = 0; i < 4; ++i) {
    ask["seed"] = 5 + i;
    EXPECT_EQ(answer(post_text("/v1/chat/completions", ask.dump()))["choices"][0]["message"],
              several["choices"][static_cast<size_t>(i)]["message"]);
  }
}

TEST_F(ServeProgram, APromptIsToldWithItsProbabilities) {
  start();
  const std::string ask =
      R"({"prompt":"The sea is deep and wide","echo":true,"logprobs":2,"max_tokens":0})";
  const json told = answer(post_text("/v1/completions", ask));
  const json log = told["choices"][0]["logprobs"];
  ASSERT_GT(log["tokens"].size(), 3U) << told;
  double sum = 0;
  for (size_t i = 1; i < log["tokens"].size(); ++i) {
    EXPECT_LT(log["token_logprobs"][i], 0);
    EXPECT_EQ(log["top_logprobs"][i].size(), 2U);
    sum += log["token_logprobs"][i].get<double>();
  }
  EXPECT_GT(sum, -12.0 * static_cast<double>(log["tokens"].size())) << "words, not noise";
  EXPECT_EQ(answer(post_text("/v1/completions", ask))["choices"][0]["logprobs"], log);
}

TEST_F(ServeProgram, StreamsGoSideBySideAndAVanishedClientFreesItsPlace) {
  start();
  HttpClient first = client(), second = client();
  first.send(long_stream());
  first.until("data: {");
  second.send(long_stream());
  second.until("data: {");
  const size_t before = parts(first.got());
  while (parts(second.got()) < 20 && !second.closed()) second.more();
  while (parts(first.got()) < before + 10 && !first.closed()) first.more();
  EXPECT_EQ(first.got().find("[DONE]"), std::string::npos) << "it was over before the second began";
  EXPECT_EQ(metric("vllm:num_requests_running"), 2);
  first.close_now();
  second.close_now();
  EXPECT_TRUE(soon([&] { return metric("vllm:num_requests_running") == 0; }));
  EXPECT_EQ(metric("hadal:http_gone_clients_total"), 2);
}

TEST_F(ServeProgram, DrainsWhatRunsAndCutsWhatRunsTooLong) {
  start({"--drain", "1"});
  HttpClient one = client();
  one.send(long_stream());
  one.until("data: {");
  kill(child_.pid, SIGTERM);
  EXPECT_TRUE(soon([&] {
    HttpClient asks = client();
    asks.send(get_text("/health"));
    return status_of(asks.answer()) == 503;
  }));
  EXPECT_EQ(metric("hadal:draining"), 1);
  HttpClient late = client();
  late.send(post_text("/v1/completions", R"({"prompt":"x"})"));
  EXPECT_EQ(status_of(late.answer()), 503);
  EXPECT_NE(one.until_closed().find("the server is shutting down"), std::string::npos);
  EXPECT_EQ(exit_code(std::exchange(child_.pid, -1)), 0) << log();
}

TEST_F(ServeProgram, AskedTwiceItStopsAtOnce) {
  start({"--drain", "1000"});
  HttpClient one = client();
  one.send(long_stream());
  one.until("data: {");
  kill(child_.pid, SIGTERM);
  EXPECT_TRUE(soon([&] { return log().find("draining") != std::string::npos; }));
  EXPECT_EQ(terminate(), 0) << log();
}

TEST_F(ServeProgram, KeysAreMadeRefusedAndCharged) {
  const std::string key = add_key();
  start();
  const std::string ask = R"({"prompt":"a","max_tokens":2})";
  EXPECT_EQ(answer(post_text("/v1/completions", ask))["error"]["type"], "authentication_error");
  EXPECT_EQ(answer(post_text("/v1/completions", ask,
                             "Authorization: Bearer " + key + "x\r\n"))["error"]["code"],
            "invalid_api_key");
  const json right =
      answer(post_text("/v1/completions", ask, "Authorization: Bearer " + key + "\r\n"));
  EXPECT_EQ(right["usage"]["cost"]["amount"], "0.00");
  EXPECT_EQ(terminate(), 0);
  EXPECT_NE(log().find("key=" + key.substr(3, 12)), std::string::npos) << log();
  EXPECT_EQ(log().find(key), std::string::npos) << "whole keys are not logged";
}

TEST_F(ServeProgram, IsNotOpenToOthersWithoutAKey) {
  const Child child = start_program(
      {"serve", "--host", "0.0.0.0", "--port", "0", "--data", folder_.path()}, folder_.file("log"));
  EXPECT_EQ(exit_code(child.pid), 2);
  close(child.out);
  EXPECT_NE(log().find("there is no key yet"), std::string::npos) << log();
}

// With the model in the box, once it draws.
// Without a mask and to its full strength nothing of the given picture is left; with one, what the
// mask shows black stays.
TEST_F(ServeProgram, PaintsOverWhatTheMaskShowsWhite) {
  start();
  const auto painted = [&](const std::string& path, const json& order) {
    const json made = answer(post_text(path, order.dump()));
    EXPECT_TRUE(made.contains("images")) << made;
    const std::string bytes =
        from_base64(made.value("images", json{""})[0].get<std::string>()).value_or("");
    Result<Clip> clip = read_media_bytes(bytes, "answer", {});
    EXPECT_TRUE(clip && clip->frames.size() == 1);
    return clip && !clip->frames.empty() ? clip->frames[0] : Picture(64, 64);
  };
  const auto png = [](const Picture& picture) {
    Clip clip;
    clip.frames.push_back(picture);
    return to_base64(encode_media(clip, FileKind::png).take());
  };
  // On average, of 255.
  const auto change = [](const Picture& a, const Picture& b, int64_t first, int64_t last) {
    int64_t sum = 0;
    for (int64_t y = first; y < last; ++y)
      for (int64_t x = 0; x < 64; ++x)
        for (int channel = 0; channel < 3; ++channel)
          sum += std::abs(a.pixel(x, y)[channel] - b.pixel(x, y)[channel]);
    return static_cast<double>(sum) / static_cast<double>((last - first) * 64 * 3);
  };
  Picture mask(64, 64);
  for (int64_t y = 32; y < 64; ++y)
    for (int64_t x = 0; x < 64; ++x)
      for (int channel = 0; channel < 3; ++channel) mask.pixel(x, y)[channel] = 255;
  const json words = {
      {"prompt", "a large blue square, bottom centre, on white"}, {"seed", 5}, {"steps", 8}};
  const Picture under = painted(
      "/sdapi/v1/txt2img", {{"prompt", "a small red circle, top centre, on black"}, {"seed", 5}});
  json order = words;
  order["init_images"] = {png(under)};
  order["denoising_strength"] = 1;
  const Picture whole = painted("/sdapi/v1/img2img", order);
  EXPECT_EQ(whole, painted("/sdapi/v1/txt2img", words));
  EXPECT_GT(change(whole, under, 0, 64), 24);

  order["mask"] = png(mask);
  const Picture half = painted("/sdapi/v1/img2img", order);
  // Cells next to each other colour each other's edges, so the middle is left out.
  EXPECT_LT(change(half, under, 0, 20), 6);
  EXPECT_GT(change(half, under, 44, 64), 6);

  // As OpenAI's clients ask; the left half of holed.png is transparent, so the columns' turn comes.
  std::ifstream file(std::string(HADAL_TESTS_DIR) + "/corpus/media/holed.png", std::ios::binary);
  const std::string holed{std::istreambuf_iterator<char>(file), {}};
  const Picture circle =
      painted("/sdapi/v1/txt2img",
              {{"prompt", "a large red circle, middle centre, on white"}, {"seed", 5}});
  json edit = {{"prompt", "a large blue square, middle centre, on black"},
               {"seed", 5},
               {"image", "data:image/png;base64," + png(circle)},
               {"mask", "data:image/png;base64," + to_base64(holed)}};
  const json edited = answer(post_text("/v1/images/edits", edit.dump()));
  ASSERT_TRUE(edited.contains("data")) << edited;
  Result<Clip> clip = read_media_bytes(
      from_base64(edited["data"][0]["b64_json"].get<std::string>()).value_or(""), "answer", {});
  ASSERT_TRUE(clip && clip->frames.size() == 1);
  const auto turned = [](const Picture& picture) {
    Picture other(picture.height, picture.width);
    for (int64_t y = 0; y < picture.height; ++y)
      for (int64_t x = 0; x < picture.width; ++x)
        std::copy_n(picture.pixel(x, y), 3, other.pixel(y, x));
    return other;
  };
  const Picture columns = turned(clip->frames[0]), before = turned(circle);
  EXPECT_GT(change(columns, before, 8, 28), 6);
  EXPECT_LT(change(columns, before, 44, 64), 2);
  edit["mask"] = "data:image/png;base64," + png(mask);
  const json opaque = answer(post_text("/v1/images/edits", edit.dump()));
  EXPECT_NE(opaque["error"]["message"].get<std::string>().find("no transparent part"),
            std::string::npos)
      << opaque;
}

TEST_F(ServeProgram, DrawsAndFilms) {
  std::ifstream config(std::string(HADAL_TESTS_DIR) + "/../models/nano/config.json");
  const json facts = json::parse(config, nullptr, false);
  if (!facts.contains("hadal") || !facts["hadal"].contains("visual"))
    GTEST_SKIP() << "models/nano has no visual vocabulary";
  start();
  const std::string ask = R"({"prompt":"a large red circle, on white","size":"16x16","seed":5)";
  const json whole = answer(post_text("/v1/images/generations", ask + "}"));
  const std::string picture = whole["data"][0]["b64_json"];
  EXPECT_TRUE(picture.starts_with("iVBORw0KGgo")) << whole;
  Result<MediaInfo> info = read_media_info_bytes(from_base64(picture).value_or(""), "answer");
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_TRUE(info->metadata["engine"].starts_with("hadal 0.")) << info->metadata["engine"];
  EXPECT_EQ(info->metadata["seed"], "5");
  EXPECT_EQ(answer(post_text("/v1/images/generations", ask + "}"))["data"][0]["b64_json"], picture)
      << "the same seed, the same picture";
  EXPECT_EQ(answer(post_text("/v1/images/generations",
                             R"({"prompt":"x","size":"4096x4096"})"))["error"]["param"],
            "size");

  HttpClient stream = client();
  stream.send(post_text("/v1/images/generations",
                        ask + R"(,"stream":true,"partial_images":1,"num_inference_steps":4})"));
  const std::string events = dechunked(stream.until("\r\n0\r\n\r\n"));
  EXPECT_NE(events.find("event: image_generation.partial_image\n"), std::string::npos) << events;
  EXPECT_NE(events.find("event: image_generation.completed\n"), std::string::npos) << events;

  const json job = answer(
      post_text("/v1/videos", R"({"prompt":"it moves left","size":"16x16","num_frames":5,"seed":5,)"
                              R"("input_reference":{"image_url":"data:image/png;base64,)" +
                                  picture + R"("}})"));
  const std::string path = "/v1/videos/" + job["id"].get<std::string>();
  json now;
  EXPECT_TRUE(soon([&] {
    now = answer(get_text(path));
    return now["status"] == "completed" || now["status"] == "failed";
  }));
  EXPECT_EQ(now["status"], "completed") << now << log();
  HttpClient film = client();
  film.send(get_text(path + "/content", "Range: bytes=4-7\r\n"));
  const std::string part = film.answer();
  EXPECT_EQ(status_of(part), 206);
  EXPECT_EQ(body_of(part), "ftyp");

  const json edit = answer(post_text(
      "/v1/videos/edits", json{{"video", {{"id", now["id"]}}}, {"prompt", "at night"}}.dump()));
  EXPECT_EQ(edit["edited_from_video_id"], now["id"]) << edit;
  json edited;
  EXPECT_TRUE(soon([&] {
    edited = answer(get_text("/v1/videos/" + edit.value("id", "")));
    return edited["status"] == "completed" || edited["status"] == "failed";
  }));
  EXPECT_EQ(edited["status"], "completed") << edited << log();
  EXPECT_EQ(edited["num_frames"], 5);

  const json webp =
      answer(post_text("/v1/images/generations", ask + R"(,"output_format":"webp"})"));
  EXPECT_TRUE(webp["data"][0]["b64_json"].get<std::string>().starts_with("UklGR")) << webp;
  EXPECT_EQ(terminate(), 0);
}

}  // namespace
}  // namespace hadal
