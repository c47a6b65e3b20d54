// SPDX-License-Identifier: MIT
// Videos as jobs: their whole life, over restarts, between keys, and out of space.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "fake_artist.h"
#include "serve/base64.h"

namespace hadal {
namespace {

using nlohmann::json;

class VideosTest : public PictureApiTest {
 protected:
  json film(json fields = json::object(), const std::string& key = "") {
    if (!fields.contains("prompt")) fields["prompt"] = "a wave";
    return post("/v1/videos", fields, key)->json();
  }
  std::shared_ptr<RecordedExchange> get(const std::string& path, const std::string& key = "",
                                        const std::string& query = "",
                                        const std::string& range = "") {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    request.query = query;
    if (!range.empty()) request.headers["range"] = range;
    const auto exchange = send(request, key);
    exchange->wait();
    return exchange;
  }
  json job(const std::string& id, const std::string& key = "") {
    return get("/v1/videos/" + id, key)->json();
  }
  int status(const std::string& method, const std::string& path, const std::string& key = "") {
    const auto exchange = ask(method, path, "", key);
    exchange->wait();
    return exchange->answer.status;
  }
  json over(const std::string& id, const std::string& key = "") {
    EXPECT_TRUE(soon([&] {
      const json now = job(id, key);
      return now["status"] == "completed" || now["status"] == "failed";
    }));
    return job(id, key);
  }
  std::string blamed(const json& fields) {
    const auto exchange = post("/v1/videos", fields);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 400) << fields;
    return exchange->json()["error"]["param"];
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("videos")))
      if (entry.path().filename().string().starts_with("video_"))
        names.insert(entry.path().filename().string());
    return names;
  }
};

TEST_F(VideosTest, AJobFromItsBeginningToItsFile) {
  artist_.hold(true);
  const json made = film({{"seconds", "2"},
                          {"fps", 4},
                          {"size", "64x48"},
                          {"seed", 3},
                          {"model", "nano"},
                          {"num_inference_steps", 8}});
  const std::string id = made["id"];
  EXPECT_EQ(id.size(), 6u + 32u);
  EXPECT_TRUE(id.starts_with("video_"));
  EXPECT_EQ(made["object"], "video");
  EXPECT_EQ(made["status"], "queued");
  EXPECT_EQ(made["progress"], 0);
  EXPECT_EQ(made["size"], "64x48");
  EXPECT_EQ(made["seconds"], "2");
  EXPECT_EQ(made["model"], "nano");
  EXPECT_TRUE(made["completed_at"].is_null() && made["expires_at"].is_null());
  EXPECT_TRUE(made["error"].is_null() && made["remixed_from_video_id"].is_null());
  const ArtOrder order = artist_.begun(1);
  EXPECT_EQ(order.frames, 8);
  EXPECT_EQ(order.fps, 4);
  EXPECT_EQ(order.kind, FileKind::mp4);
  EXPECT_EQ(order.passes, 8);
  EXPECT_TRUE(order.gallery);
  EXPECT_EQ(job(id)["status"], "in_progress");
  const auto early = get("/v1/videos/" + id + "/content");
  EXPECT_EQ(early->answer.status, 409);
  EXPECT_NE(early->answer.body.find("in_progress"), std::string::npos);

  artist_.hold(false);
  const json done = over(id);
  EXPECT_EQ(done["status"], "completed");
  EXPECT_EQ(done["progress"], 100);
  EXPECT_GE(done["completed_at"], done["created_at"]);
  EXPECT_EQ(done["expires_at"], done["completed_at"].get<int64_t>() + 24 * 3600);
  const auto video = get("/v1/videos/" + id + "/content");
  EXPECT_EQ(video->answer.status, 200);
  EXPECT_EQ(video->answer.type, "video/mp4");
  EXPECT_EQ(video->answer.body, "a wave 3");
  EXPECT_EQ(video->header("Accept-Ranges"), "bytes");
  const auto small = get("/v1/videos/" + id + "/content", "", "variant=thumbnail");
  EXPECT_EQ(small->answer.type, "image/jpeg");
  EXPECT_EQ(small->answer.body, "small");
  EXPECT_EQ(get("/v1/videos/" + id + "/content", "", "variant=spritesheet")->answer.body, "many");
  EXPECT_EQ(get("/v1/videos/" + id + "/content", "", "variant=sound")->answer.status, 400);
}

TEST_F(VideosTest, PartsOfAFileAreServed) {
  const std::string id = film({{"seed", 3}})["id"];
  over(id);
  const std::string path = "/v1/videos/" + id + "/content";
  const auto middle = get(path, "", "", "bytes=2-5");
  EXPECT_EQ(middle->answer.status, 206);
  EXPECT_EQ(middle->answer.body, "wave");
  EXPECT_EQ(middle->header("Content-Range"), "bytes 2-5/8");
  EXPECT_EQ(get(path, "", "", "bytes=-1")->answer.body, "3");
  const auto beyond = get(path, "", "", "bytes=8-");
  EXPECT_EQ(beyond->answer.status, 416);
  EXPECT_EQ(beyond->header("Content-Range"), "bytes */8");
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  request.headers["range"] = "bytes=2-5";
  request.headers["if-range"] = "\"another\"";
  EXPECT_EQ(send(request)->answer.body, "a wave 3");
  request.headers["if-range"] = middle->header("ETag");
  EXPECT_EQ(send(request)->answer.body, "wave");
}

TEST_F(VideosTest, WhatCannotBeFilmedIsRefusedByName) {
  EXPECT_EQ(blamed({{"seconds", "4"}}), "prompt");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"seconds", "long"}}), "seconds");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"seconds", 0.01}}), "seconds");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"seconds", 2}, {"num_frames", 9}}), "seconds");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"num_frames", 1}}), "num_frames");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"fps", 0}}), "fps");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"size", "1280x720"}}), "size");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"output_format", "avi"}}), "output_format");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"n", 2}}), "n");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"input_reference", {{"file_id", "file-1"}}}}),
            "input_reference.file_id");
  EXPECT_EQ(blamed({{"prompt", "x"}, {"input_reference", {{"image_url", "http://x/y"}}}}),
            "input_reference.image_url");
  EXPECT_EQ(status("GET", "/v1/videos/video_1/remix"), 404);
  EXPECT_EQ(status("POST", "/v1/videos/video_1"), 404);
  EXPECT_EQ(status("PUT", "/v1/videos"), 405);
}

TEST_F(VideosTest, AFirstFrameComesByFormAndOutlivesARestart) {
  artist_.hold(true);
  const auto exchange = post_form(
      "/v1/videos",
      {field("prompt", "it moves"), field("num_frames", "5"), file("input_reference", kPng)});
  const std::string id = exchange->json()["id"];
  EXPECT_EQ(artist_.begun(1).first_frame, kPng);
  EXPECT_EQ(files(), std::set<std::string>{id + ".reference"});
  close_api();
  open_api();
  EXPECT_EQ(artist_.begun(2).first_frame, kPng);
  artist_.hold(false);
  EXPECT_EQ(over(id)["status"], "completed");
  EXPECT_EQ(files(), (std::set<std::string>{id + ".video", id + ".thumbnail", id + ".sheet"}));
}

TEST_F(VideosTest, PagesOfAList) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(film({{"seed", i}})["id"]);
  const auto list = [&](const std::string& query) { return get("/v1/videos", "", query)->json(); };
  const json first = list("limit=2");
  EXPECT_EQ(first["object"], "list");
  EXPECT_EQ(first["data"][0]["id"], ids[4]);
  EXPECT_EQ(first["first_id"], ids[4]);
  EXPECT_EQ(first["last_id"], ids[3]);
  EXPECT_EQ(first["has_more"], true);
  const json rest = list("limit=3&after=" + ids[3]);
  EXPECT_EQ(rest["data"][0]["id"], ids[2]);
  EXPECT_EQ(rest["data"].size(), 3u);
  EXPECT_EQ(rest["has_more"], false);
  EXPECT_EQ(list("order=asc")["data"][0]["id"], ids[0]);
  EXPECT_EQ(list("order=asc&after=" + ids[3])["data"][0]["id"], ids[4]);
  for (const char* wrong : {"limit=0", "limit=101", "limit=x", "order=up", "after=video_1"})
    EXPECT_EQ(get("/v1/videos", "", wrong)->answer.status, 400) << wrong;
}

TEST_F(VideosTest, CancelEndsARunningAndAWaitingJob) {
  artist_.hold(true);
  const std::string running = film()["id"], waiting = film()["id"];
  artist_.begun(1);
  for (const std::string& id : {waiting, running}) {
    EXPECT_EQ(status("POST", "/v1/videos/" + id + "/cancel"), 200);
    const json now = over(id);
    EXPECT_EQ(now["status"], "failed");
    EXPECT_EQ(now["error"]["code"], "cancelled");
    EXPECT_EQ(status("POST", "/v1/videos/" + id + "/cancel"), 409);
  }
  EXPECT_EQ(artist_.works(), 1u);
}

TEST_F(VideosTest, DeleteTakesFilesAndWorkAway) {
  const std::string done = film()["id"];
  over(done);
  const auto deleted = ask("DELETE", "/v1/videos/" + done, "");
  EXPECT_EQ(deleted->json(), (json{{"id", done}, {"object", "video.deleted"}, {"deleted", true}}));
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(status("GET", "/v1/videos/" + done), 404);
  EXPECT_EQ(status("DELETE", "/v1/videos/" + done), 404);

  artist_.hold(true);
  const std::string running = film()["id"];
  artist_.begun(2);
  EXPECT_EQ(status("DELETE", "/v1/videos/" + running), 200);
  EXPECT_EQ(status("GET", "/v1/videos/" + running), 404);
  artist_.hold(false);
  over(film()["id"]);  // the queue has gone on
  EXPECT_EQ(files().size(), 3u);
}

TEST_F(VideosTest, AnotherKeysJobIsNotThere) {
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  const std::string id = film(json::object(), ann)["id"];
  over(id, ann);
  for (const char* tail : {"", "/content"}) {
    EXPECT_EQ(status("GET", "/v1/videos/" + id + tail, ann), 200);
    EXPECT_EQ(status("GET", "/v1/videos/" + id + tail, bob), 404);
  }
  EXPECT_EQ(status("POST", "/v1/videos/" + id + "/cancel", bob), 404);
  EXPECT_EQ(status("DELETE", "/v1/videos/" + id, bob), 404);
  EXPECT_EQ(get("/v1/videos", bob)->json()["data"].size(), 0u);
  EXPECT_EQ(get("/v1/videos", bob, "after=" + id)->answer.status, 400);
  EXPECT_EQ(get("/v1/videos", ann)->json()["data"].size(), 1u);
  for (const std::string& path : {std::string("../jobs.db"), id + "/../x", std::string("video_1")})
    EXPECT_EQ(status("GET", "/v1/videos/" + path, ann), 404) << path;
}

TEST_F(VideosTest, SecondsArePaidOnceWhateverHappens) {
  const std::string key = add_key({.name = "ann", .prepaid = true});
  ASSERT_TRUE(accounts_->set_price({PriceClass::video_second, "USD", kMoneyUnit, 0, {}}));
  EXPECT_EQ(status("POST", "/v1/videos", key), 400) << "an empty body is no request";
  EXPECT_EQ(film(json::object(), key)["error"]["code"], "balance");
  ASSERT_TRUE(accounts_->pay("p", last_key_.id, 3 * kMoneyUnit, Payment::top_up, 1));
  const std::string id = film({{"seconds", "2"}, {"fps", 8}}, key)["id"];
  EXPECT_EQ(over(id, key)["status"], "completed");
  EXPECT_EQ(accounts_->balance(last_key_)->total, kMoneyUnit);
  // As if the process had died between the ledger's entry and the job's end.
  close_api();
  {
    Result<Database> database = Database::open(folder_.file("videos/jobs.db"));
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("UPDATE videos SET status = 1"));
  }
  open_api();
  EXPECT_EQ(over(id, key)["status"], "completed");
  EXPECT_EQ(artist_.works(), 2u);
  EXPECT_EQ(accounts_->balance(last_key_)->total, kMoneyUnit);
  EXPECT_EQ(*accounts_->entries(last_key_.number), 2);
}

TEST_F(VideosTest, MoneyAndKeysAreLookedAtAgainWhenTheTurnComes) {
  const std::string key = add_key({.name = "ann", .prepaid = true});
  ASSERT_TRUE(accounts_->set_price({PriceClass::video_second, "USD", kMoneyUnit, 0, {}}));
  ASSERT_TRUE(accounts_->pay("p", last_key_.id, kMoneyUnit, Payment::top_up, 1));
  artist_.hold(true);
  const std::string first = film({{"seconds", "2"}}, key)["id"];
  const std::string second = film({{"seconds", "2"}}, key)["id"];
  artist_.begun(1);
  artist_.hold(false);
  EXPECT_EQ(over(first, key)["status"], "completed");
  EXPECT_EQ(over(second, key)["error"]["code"], "insufficient_quota");
  EXPECT_EQ(artist_.works(), 1u);
}

TEST_F(VideosTest, AnEndingServerTakesJobsUpAgain) {
  artist_.hold(true);
  const std::string running = film()["id"], waiting = film()["id"];
  artist_.begun(1);
  api_->drain();
  EXPECT_EQ(api_->answering(), 0) << "nobody waits for a job";
  close_api();
  artist_.hold(false);
  open_api();
  EXPECT_EQ(over(running)["status"], "completed");
  EXPECT_EQ(over(waiting)["status"], "completed");
}

TEST_F(VideosTest, WhatRanAtTwoDeathsHasFailed) {
  artist_.hold(true);
  const std::string id = film()["id"];
  artist_.begun(1);
  const auto die = [&] {
    close_api();  // an orderly end, made to look like a death
    Result<Database> database = Database::open(folder_.file("videos/jobs.db"));
    ASSERT_TRUE(database);
    ASSERT_TRUE(database->run("UPDATE videos SET status = 1, runs = runs + 1"));
  };
  die();
  open_api();
  artist_.begun(2);
  EXPECT_EQ(job(id)["status"], "in_progress");
  die();
  open_api();
  EXPECT_EQ(job(id)["status"], "failed");
  EXPECT_EQ(job(id)["error"]["code"], "interrupted");
  EXPECT_EQ(artist_.works(), 2u);
}

TEST_F(VideosTest, FilesExpireAndJobsAreForgotten) {
  const std::string id = film()["id"];
  over(id);
  const int64_t now = std::time(nullptr);
  ASSERT_TRUE(videos_->sweep(now + limits_.kept_seconds - 100));
  EXPECT_EQ(status("GET", "/v1/videos/" + id + "/content"), 200);
  ASSERT_TRUE(videos_->sweep(now + limits_.kept_seconds + 1));
  EXPECT_TRUE(files().empty());
  EXPECT_EQ(job(id)["status"], "completed");
  EXPECT_EQ(status("GET", "/v1/videos/" + id + "/content"), 410);
  ASSERT_TRUE(videos_->sweep(now + limits_.told_seconds + 100));
  EXPECT_EQ(status("GET", "/v1/videos/" + id), 404);
}

TEST_F(VideosTest, TheBudgetTakesFromWhoHoldsMost) {
  close_api();
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  const int64_t one = static_cast<int64_t>(std::string("a wave 3smallmany").size());
  limits_.files_bytes = 3 * one;
  open_api();
  const auto made = [&](const std::string& key) {
    const std::string id = film({{"seed", 3}}, key)["id"];
    EXPECT_EQ(over(id, key)["status"], "completed");
    return id;
  };
  const std::string of_bob = made(bob), first = made(ann), second = made(ann), third = made(ann);
  EXPECT_EQ(status("GET", "/v1/videos/" + of_bob + "/content", bob), 200);
  EXPECT_EQ(status("GET", "/v1/videos/" + first + "/content", ann), 410);
  EXPECT_EQ(status("GET", "/v1/videos/" + second + "/content", ann), 200);
  EXPECT_EQ(status("GET", "/v1/videos/" + third + "/content", ann), 200);
  EXPECT_EQ(files().size(), 9u);
  const std::string huge = film({{"prompt", std::string(200, 'x')}}, ann)["id"];
  EXPECT_EQ(over(huge, ann)["error"]["code"], "storage");
}

TEST_F(VideosTest, FilesOfNoJobAreRemovedAtTheStart) {
  const std::string id = film()["id"];
  over(id);
  close_api();
  for (const char* name : {"video_0000.video", "video_0000.reference"})
    std::ofstream(folder_.file("videos") + "/" + name) << "left over";
  open_api();
  EXPECT_EQ(files().size(), 3u);
  EXPECT_EQ(status("GET", "/v1/videos/" + id + "/content"), 200);
}

TEST_F(VideosTest, AFullQueueSaysSoAndKeepsNothing) {
  artist_.hold(true);
  film();
  artist_.begun(1);
  for (int i = 0; i < 16; ++i) film();
  const auto refused = post("/v1/videos", {{"prompt", "x"}});
  refused->wait();
  EXPECT_EQ(refused->answer.status, 429);
  EXPECT_EQ(get("/v1/videos", "", "limit=100")->json()["data"].size(), 17u);
}

TEST_F(VideosTest, FailuresSayWhoseFaultItWas) {
  artist_.failure = fail("the given picture: cannot be read");
  const json theirs = over(film()["id"]);
  EXPECT_EQ(theirs["status"], "failed");
  EXPECT_EQ(theirs["error"]["code"], "invalid_request");
  artist_.failure = fail_machine("no memory");
  const std::string ours = film()["id"];
  EXPECT_EQ(over(ours)["error"]["code"], "server_error");
  EXPECT_EQ(status("GET", "/v1/videos/" + ours + "/content"), 409);
}

TEST_F(VideosTest, SyncWaitsForTheFile) {
  const std::string key = add_key({.name = "ann"});
  ASSERT_TRUE(accounts_->set_price({PriceClass::video_second, "USD", kMoneyUnit, 0, {}}));
  const auto exchange = post("/v1/videos/sync",
                             {{"prompt", "a wave"},
                              {"seed", 4},
                              {"num_frames", 12},
                              {"fps", 8},
                              {"output_format", "webm"}},
                             key);
  exchange->wait();
  EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
  EXPECT_EQ(exchange->answer.type, "video/webm");
  EXPECT_EQ(exchange->answer.body, "a wave 4");
  EXPECT_EQ(exchange->header("x-hadal-cost"), "1.50 USD");
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace hadal
