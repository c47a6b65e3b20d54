// SPDX-License-Identifier: MIT
// Further ways to pictures and clips: variations, remixes, extensions, responses that are drawn,
// and the paths of AUTOMATIC1111's programs.
#include <gtest/gtest.h>

#include "fake_artist.h"
#include "media/write.h"
#include "serve/base64.h"

namespace hadal {
namespace {

using nlohmann::json;

class PicturePaths : public PictureApiTest {
 protected:
  std::shared_ptr<RecordedExchange> asked(const std::string& path, const json& fields) {
    const auto exchange = post(path, fields);
    exchange->wait();
    return exchange;
  }
  // The field that is to blame for a 400.
  std::string blamed(const std::string& path, const json& fields) {
    const auto exchange = asked(path, fields);
    EXPECT_EQ(exchange->answer.status, 400) << fields << exchange->answer.body;
    const json error = exchange->json();
    return path.starts_with("/sdapi/") ? error["errors"] : error["error"]["param"];
  }
  json finished(const std::string& id) {
    json now;
    EXPECT_TRUE(soon([&] {
      now = ask("GET", "/v1/videos/" + id, "")->json();
      return now["status"] == "completed" || now["status"] == "failed";
    }));
    return now;
  }
  // A GIF.
  static std::string film(int64_t frames, double fps) {
    Clip clip{.frames = {}, .fps = fps};
    for (int64_t i = 0; i < frames; ++i) {
      Picture picture(32, 32);
      std::fill_n(picture.pixel(0, i), 3 * picture.width, uint8_t{255});
      clip.frames.push_back(std::move(picture));
    }
    Result<std::string> gif = encode_media(clip, FileKind::gif, {});
    EXPECT_TRUE(gif);
    return gif ? *gif : "";
  }
  static std::string data_url(const std::string& bytes) {
    return "data:image/png;base64," + to_base64(bytes);
  }
};

// ---- variations

TEST_F(PicturePaths, AVariationIsDrawnByWhatThePictureShows) {
  EXPECT_EQ(blamed("/v1/images/variations", {{"image", data_url(kPng)}}), "model");
  artist_.eyes = true;
  const auto exchange = post_form("/v1/images/variations",
                                  {file("image", kPng), field("n", "2"), field("seed", "4")});
  const json body = exchange->json();
  ASSERT_EQ(exchange->answer.status, 200) << body;
  EXPECT_EQ(body["data"].size(), 2u);
  EXPECT_EQ(body["data"][1]["revised_prompt"], "what it shows");
  const ArtOrder order = artist_.begun(1);
  EXPECT_TRUE(order.redraws);
  EXPECT_EQ(order.first_frame, kPng);
  EXPECT_EQ(order.frames, 1);
  EXPECT_EQ(blamed("/v1/images/variations", {{"image", data_url(kPng)}, {"prompt", "x"}}),
            "prompt");
  EXPECT_EQ(blamed("/v1/images/variations", json::object()), "image");
}

// ---- videos of videos

TEST_F(PicturePaths, ARemixKeepsFirstFrameSizeAndLength) {
  artist_.hold(true);
  const json made =
      post("/v1/videos",
           {{"prompt", "a wave"}, {"size", "32x48"}, {"seconds", "2"}, {"fps", 4}, {"seed", 3}})
          ->json();
  const std::string id = made["id"], path = "/v1/videos/" + id + "/remix";
  EXPECT_EQ(asked(path, {{"prompt", "a storm"}})->answer.status, 409);
  artist_.hold(false);
  EXPECT_EQ(finished(id)["status"], "completed");
  const json remix = asked(path, {{"prompt", "a storm"}})->json();
  EXPECT_EQ(remix["remixed_from_video_id"], id);
  EXPECT_TRUE(remix["extended_from_video_id"].is_null());
  EXPECT_EQ(remix["size"], "32x48");
  EXPECT_EQ(remix["seconds"], "2");
  const ArtOrder order = artist_.begun(2);
  EXPECT_EQ(order.prompt, "a storm");
  EXPECT_EQ(order.first_frame, "a wave 3") << "the finished file";
  EXPECT_EQ(order.frames, 8);
  EXPECT_FALSE(order.extends);
  EXPECT_EQ(finished(remix["id"])["remixed_from_video_id"], id) << "also from the store";
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"size", "64x64"}}), "size");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"seconds", "4"}}), "seconds");
  EXPECT_EQ(blamed(path, json::object()), "prompt");
  EXPECT_EQ(asked("/v1/videos/video_0/remix", {{"prompt", "x"}})->answer.status, 404);
}

TEST_F(PicturePaths, AnExtensionBeginsWithTheWholeVideo) {
  const json made =
      post("/v1/videos", {{"prompt", "a wave"}, {"num_frames", 8}, {"seed", 3}})->json();
  const std::string id = made["id"];
  ASSERT_EQ(finished(id)["status"], "completed");
  const json longer = asked("/v1/videos/extensions",
                            {{"video", {{"id", id}}}, {"prompt", "it breaks"}, {"num_frames", 4}})
                          ->json();
  ASSERT_TRUE(longer.contains("id")) << longer;
  EXPECT_EQ(longer["extended_from_video_id"], id);
  EXPECT_TRUE(longer["remixed_from_video_id"].is_null());
  EXPECT_EQ(longer["num_frames"], 12);
  const ArtOrder order = artist_.begun(2);
  EXPECT_TRUE(order.extends);
  EXPECT_EQ(order.frames, 5) << "the last of the video, and four more";
  EXPECT_EQ(order.first_frame, "a wave 3");
  ASSERT_EQ(finished(longer["id"])["status"], "completed");
  const json third =
      asked("/v1/videos/extensions",
            {{"video", {{"id", longer["id"]}}}, {"prompt", "and again"}, {"num_frames", 4}})
          ->json();
  EXPECT_EQ(third["num_frames"], 16);
  const auto refused = [&](json fields) {
    fields["prompt"] = "x";
    return blamed("/v1/videos/extensions", fields);
  };
  EXPECT_EQ(refused(json::object()), "video");
  EXPECT_EQ(refused({{"video", {{"id", id}}}, {"size", "8x8"}}), "size");
  EXPECT_EQ(refused({{"video", {{"id", id}}}, {"num_frames", 99}}), "seconds");
  EXPECT_EQ(asked("/v1/videos/extensions", {{"video", {{"id", "video_0"}}}, {"prompt", "x"}})
                ->answer.status,
            404);
}

TEST_F(PicturePaths, AnEditPaintsOverTheWholeVideo) {
  const json made =
      asked("/v1/videos", {{"prompt", "a wave"}, {"num_frames", 8}, {"seed", 3}, {"size", "48x32"}})
          ->json();
  const std::string id = made["id"];
  ASSERT_EQ(finished(id)["status"], "completed");
  const auto edit = [&](json fields) {
    fields["video"] = {{"id", id}};
    fields["prompt"] = "at night";
    return asked("/v1/videos/edits", fields);
  };
  const json edited = edit({{"seed", 4}})->json();
  ASSERT_TRUE(edited.contains("id")) << edited;
  EXPECT_EQ(edited["edited_from_video_id"], id);
  EXPECT_TRUE(edited["remixed_from_video_id"].is_null());
  EXPECT_TRUE(edited["extended_from_video_id"].is_null());
  EXPECT_EQ(edited["num_frames"], 8);
  EXPECT_EQ(edited["size"], "48x32");
  ArtOrder order = artist_.begun(2);
  EXPECT_EQ(order.first_frame, "a wave 3");
  EXPECT_EQ(order.frames, 8);
  EXPECT_EQ(order.paint_over, 0.6);
  EXPECT_EQ(order.passes, 8);
  EXPECT_FALSE(order.extends);
  EXPECT_EQ(edit({{"strength", 0.25}, {"num_inference_steps", 5}})->answer.status, 200);
  order = artist_.begun(3);
  EXPECT_EQ(order.paint_over, 0.25);
  EXPECT_EQ(order.passes, 5);
  for (const auto& [name, value] :
       std::initializer_list<std::pair<std::string, json>>{{"size", "8x8"},
                                                           {"seconds", "4"},
                                                           {"strength", 0},
                                                           {"strength", 2},
                                                           {"strength", "a"}}) {
    const auto exchange = edit({{name, value}});
    EXPECT_EQ(exchange->answer.status, 400) << name;
    EXPECT_EQ(exchange->json()["error"]["param"], name);
  }
  EXPECT_EQ(blamed("/v1/videos/edits", {{"prompt", "x"}}), "video");
  EXPECT_EQ(
      asked("/v1/videos/edits", {{"video", {{"id", "video_0"}}}, {"prompt", "x"}})->answer.status,
      404);
}

TEST_F(PicturePaths, AClipThatAClientBringsIsPaintedOver) {
  const std::string gif = film(6, 4), url = "data:image/gif;base64," + to_base64(gif);
  const auto edit = [&](json fields) {
    if (!fields.contains("video")) fields["video"] = url;
    fields["prompt"] = "at night";
    return asked("/v1/videos/edits", fields);
  };
  const json edited = edit({{"seed", 4}})->json();
  ASSERT_TRUE(edited.contains("id")) << edited;
  EXPECT_EQ(edited["num_frames"], 6);
  EXPECT_EQ(edited["fps"], 4);
  EXPECT_EQ(edited["size"], "64x64");
  EXPECT_TRUE(edited["edited_from_video_id"].is_null());
  ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.first_frame, gif);
  EXPECT_EQ(order.paint_over, 0.6);
  EXPECT_EQ(order.frames, 6);
  ASSERT_EQ(finished(edited["id"])["status"], "completed");

  // It keeps its pace, whichever of the two is asked for.
  const json fewer = edit({{"num_frames", 3}, {"size", "32x16"}, {"strength", 0.5}})->json();
  EXPECT_EQ(fewer["fps"], 2);
  EXPECT_EQ(fewer["size"], "32x16");
  EXPECT_EQ(edit({{"fps", 2}})->json()["num_frames"], 3);
  EXPECT_EQ(edit({{"seconds", "0.5"}})->json()["num_frames"], 2);
  const auto form = post_form("/v1/videos/edits", {file("video", gif), field("prompt", "at night"),
                                                   field("num_frames", "2")});
  form->wait();
  EXPECT_EQ(form->json()["num_frames"], 2) << form->answer.body;

  for (const auto& [name, value] :
       std::initializer_list<std::pair<std::string, json>>{{"num_frames", 7},
                                                           {"seconds", 9},
                                                           {"fps", 30},
                                                           {"strength", 0},
                                                           {"size", "512x512"},
                                                           {"input_reference", data_url(kPng)}}) {
    const auto exchange = edit({{name, value}});
    EXPECT_EQ(exchange->answer.status, 400) << name << exchange->answer.body;
    EXPECT_EQ(exchange->json()["error"]["param"], name);
  }
  for (const std::string& bad : {gif.substr(0, 12), film(1, 4), kPng, std::string("text")})
    EXPECT_EQ(edit({{"video", "data:;base64," + to_base64(bad)}})->json()["error"]["param"],
              "video");
  EXPECT_EQ(edit({{"video", {{"url", "http://x.example/a.mp4"}}}})->json()["error"]["param"],
            "video.url");
}

TEST_F(PicturePaths, AWaitingEditSurvivesTheServer) {
  const std::string id = asked("/v1/videos", {{"prompt", "a wave"}, {"seed", 3}})->json()["id"];
  ASSERT_EQ(finished(id)["status"], "completed");
  artist_.hold(true);
  const std::string edited =
      asked("/v1/videos/edits", {{"video", id}, {"prompt", "x"}, {"strength", 0.5}})->json()["id"];
  artist_.begun(2);
  close_api();
  artist_.hold(false);
  open_api();
  ASSERT_EQ(finished(edited)["status"], "completed");
  EXPECT_EQ(artist_.begun(3).paint_over, 0.5);
  EXPECT_EQ(artist_.begun(3).first_frame, "a wave 3");
}

// ---- responses

TEST_F(PicturePaths, AResponseWithTheToolIsDrawn) {
  const json tool = {{"type", "image_generation"}, {"size", "32x32"}};
  const json body = asked("/v1/responses", {{"input", "a sea"}, {"tools", {tool}}})->json();
  ASSERT_EQ(body["status"], "completed") << body;
  const json item = body["output"][0];
  EXPECT_EQ(item["type"], "image_generation_call");
  EXPECT_EQ(item["status"], "completed");
  EXPECT_EQ(item["size"], "32x32");
  EXPECT_EQ(item["result"], to_base64("a sea " + std::to_string(artist_.begun(1).seed)));
  EXPECT_EQ(body["usage"]["output_tokens"], 64);
  EXPECT_EQ(body["tools"][0], tool);

  json shown = {{{"type", "input_text"}, {"text", "it rains"}},
                {{"type", "input_image"}, {"image_url", data_url(kPng)}}};
  const json input = {{{"role", "user"}, {"content", "before"}},
                      {{"role", "user"}, {"content", shown}}};
  const auto edit = asked("/v1/responses", {{"input", input}, {"tools", {tool}}});
  EXPECT_EQ(edit->answer.status, 200) << edit->answer.body;
  EXPECT_EQ(edit->header("x-hadal-ignored-fields"), "input");
  EXPECT_TRUE(artist_.begun(2).ends_as_still);
  json masked = tool;
  masked["input_image_mask"] = {{"image_url", data_url(kPng)}};
  EXPECT_EQ(asked("/v1/responses", {{"input", input}, {"tools", {masked}}})->answer.status, 200);
  EXPECT_EQ(artist_.begun(3).region, kPng);
  EXPECT_EQ(blamed("/v1/responses", {{"input", "a sea"}, {"tools", {masked}}}), "mask");
  EXPECT_EQ(artist_.begun(2).first_frame, kPng);
}

TEST_F(PicturePaths, ADrawnResponseStreamsItsItem) {
  const json tool = {{"type", "image_generation"}, {"partial_images", 1}};
  const std::vector<json> events =
      post("/v1/responses",
           {{"input", "a sea"}, {"tools", {tool}}, {"stream", true}, {"tool_choice", "required"}})
          ->events();
  std::vector<std::string> types;
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_EQ(events[i]["sequence_number"], i);
    types.push_back(events[i]["type"]);
  }
  EXPECT_EQ(types, (std::vector<std::string>{"response.created", "response.in_progress",
                                             "response.output_item.added",
                                             "response.image_generation_call.in_progress",
                                             "response.image_generation_call.generating",
                                             "response.image_generation_call.partial_image",
                                             "response.image_generation_call.completed",
                                             "response.output_item.done", "response.completed"}));
  EXPECT_EQ(events[5]["partial_image_b64"], to_base64("preview 0"));
  EXPECT_EQ(events[7]["item"]["id"], events[2]["item"]["id"]);
  EXPECT_EQ(events[8]["response"]["output"][0], events[7]["item"]);
}

TEST_F(PicturePaths, TheToolStandsAloneAndCanBeLeftUnused) {
  const json tool = {{"type", "image_generation"}};
  const json other = {{"type", "function"}, {"name", "f"}, {"parameters", json::object()}};
  EXPECT_EQ(blamed("/v1/responses", {{"input", "x"}, {"tools", {tool, other}}}), "tools");
  EXPECT_EQ(blamed("/v1/responses", {{"input", "x"}, {"tools", {tool}}, {"store", true}}), "store");
  EXPECT_EQ(blamed("/v1/responses",
                   {{"input", "x"}, {"tools", {{{"type", "image_generation"}, {"size", "9"}}}}}),
            "size");
  script("words");
  const json body =
      asked("/v1/responses", {{"input", "x"}, {"tools", {tool}}, {"tool_choice", "none"}})->json();
  EXPECT_EQ(body["output"][0]["type"], "message") << body;
  EXPECT_EQ(artist_.works(), 0u);
}

// ---- AUTOMATIC1111's programs

TEST_F(PicturePaths, ProgramsOfAnotherServerGetTheirPictures) {
  const auto exchange = asked("/sdapi/v1/txt2img", {{"prompt", "a sea"},
                                                    {"negative_prompt", ""},
                                                    {"seed", 7},
                                                    {"steps", 8},
                                                    {"cfg_scale", 2.5},
                                                    {"width", 32},
                                                    {"height", 48},
                                                    {"batch_size", 2},
                                                    {"sampler_name", "hadal"},
                                                    {"save_images", false}});
  const json body = exchange->json();
  ASSERT_EQ(exchange->answer.status, 200) << body;
  EXPECT_EQ(body["images"], (json{to_base64("a sea 7"), to_base64("a sea 8")}));
  const json info = json::parse(body["info"].get<std::string>());
  EXPECT_EQ(info["all_seeds"], (json{7, 8}));
  EXPECT_EQ(info["infotexts"][1],
            "a sea\nSteps: 8, Sampler: hadal, CFG scale: 2.5, Seed: 8, Size: 32x48, Model: nano");
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "save_images");
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.passes, 8);
  EXPECT_EQ(order.guidance, 2.5);
  EXPECT_EQ(order.width, 32);
  // -1 is any seed.
  EXPECT_EQ(asked("/sdapi/v1/txt2img", {{"prompt", "x"}, {"seed", -1}})->answer.status, 200);

  const std::string path = "/sdapi/v1/txt2img";
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"negative_prompt", "ugly"}}), "negative_prompt");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"sampler_name", "Euler a"}}), "sampler_name");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"enable_hr", true}}), "enable_hr");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"width", 512}, {"height", 512}}), "size");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"batch_size", 4}, {"n_iter", 4}}), "n_iter");
  EXPECT_EQ(blamed(path, {{"prompt", "x"}, {"init_images", {to_base64(kPng)}}}), "init_images");
}

TEST_F(PicturePaths, APictureIsPaintedOverInAutomatic1111sWords) {
  const std::string path = "/sdapi/v1/img2img";
  json body = {{"prompt", "a sea"},
               {"init_images", {to_base64(kPng)}},
               {"denoising_strength", 0.25},
               {"mask", "data:image/png;base64," + to_base64(kPng)},
               {"inpainting_mask_invert", 0},
               {"mask_blur", 4},
               {"override_settings", {{"sd_model_checkpoint", "nano"}, {"sd_vae", "none"}}},
               {"override_settings_restore_afterwards", nullptr},
               {"seed", 3}};
  const auto exchange = asked(path, body);
  ASSERT_EQ(exchange->answer.status, 200) << exchange->json();
  EXPECT_EQ(exchange->json()["parameters"]["denoising_strength"], 0.25);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"), "mask_blur, override_settings.sd_vae");
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.paint_over, 0.25);
  EXPECT_EQ(order.first_frame, kPng);
  EXPECT_EQ(order.region, kPng);
  EXPECT_EQ(order.passes, 8);
  EXPECT_EQ(order.frames, 1);
  EXPECT_FALSE(order.ends_as_still);

  const auto with = [&](const char* name, const json& value) {
    json changed = body;
    changed[name] = value;
    return blamed(path, changed);
  };
  EXPECT_EQ(with("init_images", json::array()), "init_images");
  EXPECT_EQ(with("init_images", {to_base64(kPng), to_base64(kPng)}), "init_images");
  EXPECT_EQ(with("init_images", {to_base64("no picture")}), "image");
  EXPECT_EQ(with("denoising_strength", 0), "denoising_strength");
  EXPECT_EQ(with("denoising_strength", 1.5), "denoising_strength");
  EXPECT_EQ(with("inpainting_mask_invert", 1), "inpainting_mask_invert");
  EXPECT_EQ(with("mask", to_base64("no picture")), "mask");
  EXPECT_EQ(with("resize_mode", 2), "resize_mode");
  EXPECT_EQ(with("override_settings", {{"sd_model_checkpoint", "sdxl"}}),
            "override_settings.sd_model_checkpoint");
}

// The same in OpenAI's words, with the field that other painters have for it.
TEST_F(PicturePaths, AnEditWithAStrengthPaintsOver) {
  const json edit = {{"prompt", "a sea"},
                     {"image", "data:image/png;base64," + to_base64(kPng)},
                     {"strength", 0.5},
                     {"num_inference_steps", 12}};
  EXPECT_EQ(asked("/v1/images/edits", edit)->answer.status, 200);
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.paint_over, 0.5);
  EXPECT_EQ(order.passes, 12);
  EXPECT_FALSE(order.ends_as_still);
  json film = edit;
  film["num_frames"] = 9;
  EXPECT_EQ(blamed("/v1/images/edits", film), "num_frames");
  EXPECT_EQ(blamed("/v1/images/generations", {{"prompt", "x"}, {"strength", 0.5}}), "strength");
  EXPECT_EQ(blamed("/v1/videos/sync", {{"prompt", "x"}, {"strength", 0.5}}), "strength");
}

TEST_F(PicturePaths, ProgramsOfAnotherServerAreToldWhatThereIs) {
  EXPECT_EQ(ask("GET", "/sdapi/v1/sd-models", "")->json()[0]["title"], "nano");
  EXPECT_EQ(ask("GET", "/sdapi/v1/samplers", "")->json()[0]["name"], "hadal");
  EXPECT_EQ(ask("GET", "/sdapi/v1/options", "")->json()["sd_model_checkpoint"], "nano");
  EXPECT_EQ(asked("/sdapi/v1/options", {{"sd_model_checkpoint", "nano"}})->answer.status, 200);
  EXPECT_EQ(blamed("/sdapi/v1/options", {{"sd_model_checkpoint", "sdxl"}}), "sd_model_checkpoint");
  EXPECT_EQ(blamed("/sdapi/v1/options", {{"clip_skip", 2}}), "clip_skip");
  EXPECT_EQ(ask("GET", "/sdapi/v1/progress", "")->json()["progress"], 0);

  const std::string key = add_key({.name = "ann"});
  HttpRequest request;
  request.method = "GET";
  request.path = "/sdapi/v1/samplers";
  request.headers["authorization"] = "Basic " + to_base64("anyone:" + key);
  EXPECT_EQ(send(request)->answer.status, 200);
  request.headers["authorization"] = "Basic " + to_base64("anyone:x" + key);
  const auto refused = send(request);
  EXPECT_EQ(refused->answer.status, 401);
  EXPECT_TRUE(refused->json().contains("detail"));
}

}  // namespace
}  // namespace hadal
