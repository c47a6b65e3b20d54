// SPDX-License-Identifier: MIT
// The jobs of programs made for stable-diffusion.cpp's server.
#include <gtest/gtest.h>

#include "fake_artist.h"
#include "serve/base64.h"

namespace hadal {
namespace {

using nlohmann::json;

class Sdcpp : public PictureApiTest {
 protected:
  std::shared_ptr<RecordedExchange> asked(const std::string& method, const std::string& path,
                                          const json& fields = nullptr,
                                          const std::string& key = "") {
    const auto exchange =
        ask(method, "/sdcpp/v1/" + path, fields.is_null() ? "" : fields.dump(), key);
    exchange->wait();
    return exchange;
  }
  json job(const std::string& id) { return asked("GET", "jobs/" + id)->json(); }
  json over(const std::string& id) {
    EXPECT_TRUE(soon([&] {
      const std::string status = job(id)["status"];
      return status != "queued" && status != "generating";
    }));
    return job(id);
  }
  std::string blamed(const std::string& path, json fields) {
    fields["prompt"] = "x";
    const auto exchange = asked("POST", path, fields);
    EXPECT_EQ(exchange->answer.status, 400) << fields << exchange->answer.body;
    return exchange->json()["error"]["param"];
  }
};

TEST_F(Sdcpp, APictureIsAJob) {
  const auto exchange =
      asked("POST", "img_gen",
            {{"prompt", "a sea"},
             {"negative_prompt", ""},
             {"width", 32},
             {"height", 48},
             {"seed", 7},
             {"batch_count", 1},
             {"clip_skip", -1},
             {"ref_images", json::array()},
             {"mask_image", nullptr},
             {"lora", json::array()},
             {"hires", {{"enabled", false}, {"scale", 2.0}}},
             {"sample_params",
              {{"sample_method", "hadal"},
               {"sample_steps", 8},
               {"eta", 1.0},
               {"guidance", {{"txt_cfg", 2.5}, {"img_cfg", 7}, {"slg", {{"scale", 0.0}}}}}}},
             {"output_format", "webp"},
             {"output_compression", 40}});
  ASSERT_EQ(exchange->answer.status, 202) << exchange->answer.body;
  const json made = exchange->json();
  const std::string id = made["id"];
  EXPECT_EQ(made["kind"], "img_gen");
  EXPECT_EQ(made["status"], "queued");
  EXPECT_GT(made["created"], 0);
  EXPECT_EQ(made["poll_url"], "/sdcpp/v1/jobs/" + id);
  EXPECT_EQ(exchange->header("x-hadal-ignored-fields"),
            "sample_params.guidance.img_cfg, sample_params.eta, clip_skip");
  const json done = over(id);
  EXPECT_EQ(done["status"], "completed") << done;
  EXPECT_EQ(done["result"],
            (json{{"output_format", "webp"},
                  {"images", {{{"index", 0}, {"b64_json", to_base64("a sea 7")}}}}}));
  EXPECT_GE(done["started"], made["created"]);
  EXPECT_GE(done["completed"], done["started"]);
  EXPECT_EQ(done["queue_position"], 0);
  EXPECT_TRUE(done["error"].is_null());
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.width, 32);
  EXPECT_EQ(order.height, 48);
  EXPECT_EQ(order.passes, 8);
  EXPECT_EQ(order.guidance, 2.5);
  EXPECT_EQ(order.frames, 1);
  EXPECT_EQ(order.quality, 40);
  EXPECT_EQ(order.kind, FileKind::webp);
  // It is no video.
  EXPECT_EQ(ask("GET", "/v1/videos", "")->json()["data"], json::array());
  EXPECT_EQ(ask("GET", "/v1/videos/" + id, "")->answer.status, 404);
}

TEST_F(Sdcpp, AClipIsAJobAndAVideo) {
  const json made = asked("POST", "vid_gen",
                          {{"prompt", "a wave"},
                           {"seed", 3},
                           {"video_frames", 5},
                           {"fps", 4},
                           {"init_image", to_base64(kPng)}})
                        ->json();
  EXPECT_EQ(made["kind"], "vid_gen") << made;
  const json done = over(made["id"]);
  EXPECT_EQ(done["result"], (json{{"output_format", "webm"},
                                  {"mime_type", "video/webm"},
                                  {"fps", 4.0},
                                  {"frame_count", 5},
                                  {"b64_json", to_base64("a wave 3")}}));
  EXPECT_EQ(artist_.begun(1).first_frame, kPng);
  EXPECT_EQ(artist_.begun(1).frames, 5);
  const json list = ask("GET", "/v1/videos", "")->json();
  ASSERT_EQ(list["data"].size(), 1u);
  EXPECT_EQ(list["data"][0]["id"], made["id"]);
}

TEST_F(Sdcpp, APictureIsPaintedOver) {
  const json order = {{"prompt", "a sea"},
                      {"init_image", "data:image/png;base64," + to_base64(kPng)}};
  over(asked("POST", "img_gen", order)->json()["id"]);
  EXPECT_EQ(artist_.begun(1).first_frame, kPng);
  EXPECT_EQ(artist_.begun(1).paint_over, 0.75);
  EXPECT_FALSE(artist_.begun(1).ends_as_still);
}

TEST_F(Sdcpp, WhatCannotBeHonouredIsRefusedByName) {
  EXPECT_EQ(blamed("img_gen", {{"negative_prompt", "fish"}}), "negative_prompt");
  EXPECT_EQ(blamed("img_gen", {{"batch_count", 2}}), "batch_count");
  EXPECT_EQ(blamed("img_gen", {{"lora", {{{"path", "x"}}}}}), "lora");
  EXPECT_EQ(blamed("img_gen", {{"hires", {{"enabled", true}}}}), "hires.enabled");
  EXPECT_EQ(blamed("img_gen", {{"mask_image", to_base64(kPng)}}), "mask_image");
  EXPECT_EQ(blamed("img_gen", {{"ref_images", {to_base64(kPng)}}}), "ref_images");
  EXPECT_EQ(blamed("img_gen", {{"sample_params", {{"sample_method", "euler_a"}}}}),
            "sample_params.sample_method");
  EXPECT_EQ(blamed("img_gen", {{"sample_params", {{"guidance", {{"slg", {{"scale", 1}}}}}}}}),
            "sample_params.guidance.slg.scale");
  EXPECT_EQ(blamed("img_gen", {{"width", 512}, {"height", 512}}), "size");
  EXPECT_EQ(blamed("img_gen", {{"output_format", "bmp"}}), "output_format");
  EXPECT_EQ(blamed("img_gen", {{"init_image", to_base64("no picture")}}), "image");
  EXPECT_EQ(blamed("vid_gen", {{"output_format", "avi"}}), "output_format");
  EXPECT_EQ(blamed("vid_gen", {{"end_image", to_base64(kPng)}}), "end_image");
  EXPECT_EQ(blamed("vid_gen", {{"video_frames", 1}}), "video_frames");
  EXPECT_EQ(asked("POST", "img_gen", json::object())->answer.status, 400);
  EXPECT_EQ(artist_.works(), 0u);
}

TEST_F(Sdcpp, JobsAreCancelledWhereverTheyAre) {
  artist_.hold(true);
  const std::string runs = asked("POST", "img_gen", {{"prompt", "x"}})->json()["id"];
  artist_.begun(1);
  const std::string waits = asked("POST", "img_gen", {{"prompt", "y"}})->json()["id"];
  EXPECT_EQ(job(runs)["status"], "generating");
  EXPECT_EQ(job(waits)["status"], "queued");
  EXPECT_EQ(job(waits)["queue_position"], 1);
  for (const std::string& id : {waits, runs}) {
    EXPECT_EQ(asked("POST", "jobs/" + id + "/cancel")->answer.status, 200);
    const json now = over(id);
    EXPECT_EQ(now["status"], "cancelled");
    EXPECT_EQ(now["error"]["code"], "cancelled");
    EXPECT_TRUE(now["result"].is_null());
    EXPECT_EQ(asked("POST", "jobs/" + id + "/cancel")->answer.status, 409);
  }
  artist_.failure = fail_machine("no memory");
  artist_.hold(false);
  const json failed = over(asked("POST", "img_gen", {{"prompt", "x"}})->json()["id"]);
  EXPECT_EQ(failed["status"], "failed");
  EXPECT_EQ(failed["error"]["message"], "no memory");
}

TEST_F(Sdcpp, StrangersFullQueuesAndExpiredJobsHaveTheirAnswers) {
  EXPECT_EQ(asked("GET", "jobs/still_0")->answer.status, 404);
  EXPECT_EQ(asked("POST", "jobs/still_0/cancel")->answer.status, 404);
  EXPECT_EQ(asked("POST", "jobs/still_0")->answer.status, 405);
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  const json made = asked("POST", "img_gen", {{"prompt", "x"}}, ann)->json();
  const std::string path = "jobs/" + made["id"].get<std::string>();
  EXPECT_EQ(asked("GET", path, nullptr, bob)->answer.status, 404);
  EXPECT_TRUE(
      soon([&] { return asked("GET", path, nullptr, ann)->json()["status"] == "completed"; }));
  ASSERT_TRUE(videos_->sweep(std::time(nullptr) + limits_.kept_seconds + 1));
  EXPECT_EQ(asked("GET", path, nullptr, ann)->answer.status, 410);
  EXPECT_EQ(asked("POST", path + "/cancel", nullptr, ann)->answer.status, 410);
  artist_.hold(true);
  int status = 202;
  for (int i = 0; i < 18 && status == 202; ++i) {
    const auto exchange = asked("POST", "img_gen", {{"prompt", "x"}}, bob);
    status = exchange->answer.status;
    if (status != 202) {
      EXPECT_NE(exchange->header("Retry-After"), "");
    }
  }
  EXPECT_EQ(status, 429);
}

TEST_F(Sdcpp, AJobSurvivesTheServer) {
  artist_.hold(true);
  const json order = {{"prompt", "a sea"}, {"seed", 9}, {"output_format", "jpeg"}};
  const std::string id = asked("POST", "img_gen", order)->json()["id"];
  artist_.begun(1);
  close_api();
  artist_.hold(false);
  open_api();
  EXPECT_EQ(over(id)["result"]["images"][0]["b64_json"], to_base64("a sea 9"));
  EXPECT_EQ(artist_.begun(2).kind, FileKind::jpeg);
  EXPECT_EQ(artist_.begun(2).frames, 1);
}

TEST_F(Sdcpp, FrontEndsAreToldWhatThereIs) {
  const json told = asked("GET", "capabilities")->json();
  EXPECT_EQ(told["model"]["name"], "nano");
  EXPECT_EQ(told["supported_modes"], (json{"img_gen", "vid_gen"}));
  EXPECT_EQ(told["defaults"], told["defaults_by_mode"]["img_gen"]);
  EXPECT_EQ(told["features_by_mode"]["img_gen"]["init_image"], true);
  EXPECT_EQ(told["features_by_mode"]["vid_gen"]["end_image"], false);
  EXPECT_EQ(told["samplers"], json{"hadal"});
  EXPECT_EQ(told["limits"]["max_width"], 128);
  // What is told as usual can be asked for.
  json usual = told["defaults_by_mode"]["img_gen"];
  usual["prompt"] = "x";
  const auto exchange = asked("POST", "img_gen", usual);
  EXPECT_EQ(exchange->answer.status, 202) << exchange->answer.body;
  json clip = told["defaults_by_mode"]["vid_gen"];
  clip["prompt"] = "x";
  EXPECT_EQ(asked("POST", "vid_gen", clip)->answer.status, 202);
}

}  // namespace
}  // namespace hadal
