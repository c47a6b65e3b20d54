// SPDX-License-Identifier: MIT
// Files that requests name: their whole life, between keys, within limits, and after a death.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "fake_artist.h"
#include "serve/file_store.h"

namespace hadal {
namespace {

using nlohmann::json;

class FilesTest : public PictureApiTest {
 protected:
  void SetUp() override {
    PictureApiTest::SetUp();
    open_files();
  }
  void TearDown() override {
    PictureApiTest::TearDown();
    files_.reset();
  }
  void open_files() {
    close_api();
    files_.reset();
    Result<std::unique_ptr<FileStore>> opened =
        FileStore::open(folder_.file("files"), file_limits_);
    ASSERT_TRUE(opened) << opened.error().message;
    files_ = opened.take();
    options_.files = files_.get();
    open_api();
  }
  std::shared_ptr<RecordedExchange> upload(const std::string& bytes, const std::string& key = "",
                                           const std::string& purpose = "vision") {
    return post_form("/v1/files", {field("purpose", purpose), file("file", bytes)}, key);
  }
  std::string id_of(const std::string& bytes, const std::string& key = "",
                    const std::string& purpose = "vision") {
    const json made = upload(bytes, key, purpose)->json();
    return made.value("id", "none: " + made.dump());
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
  std::vector<std::string> ids(const std::string& query = "", const std::string& key = "") {
    std::vector<std::string> ids;
    const json body = get("/v1/files", key, query)->json();
    for (const json& one : body["data"]) ids.push_back(one["id"]);
    return ids;
  }
  int status(const std::string& method, const std::string& path, const std::string& key = "") {
    const auto exchange = ask(method, path, "", key);
    exchange->wait();
    return exchange->answer.status;
  }
  std::set<std::string> names() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.file("files")))
      if (entry.path().filename().string().starts_with("file-"))
        names.insert(entry.path().filename().string());
    return names;
  }

  FileStoreLimits file_limits_;
  std::unique_ptr<FileStore> files_;
};

TEST_F(FilesTest, AFileFromItsUploadToItsEnd) {
  const json made = upload(kPng)->json();
  const std::string id = made["id"];
  EXPECT_EQ(id.size(), 5u + 32u);
  EXPECT_TRUE(id.starts_with("file-"));
  EXPECT_EQ(made["object"], "file");
  EXPECT_EQ(made["bytes"], kPng.size());
  EXPECT_EQ(made["filename"], "a.png");
  EXPECT_EQ(made["purpose"], "vision");
  EXPECT_GT(made["created_at"], 0);
  EXPECT_EQ(get("/v1/files/" + id)->json(), made);
  EXPECT_EQ(get("/files/" + id)->json(), made);
  const auto content = get("/v1/files/" + id + "/content");
  EXPECT_EQ(content->answer.body, kPng);
  EXPECT_EQ(content->answer.type, "image/png");
  const auto part = get("/v1/files/" + id + "/content", "", "", "bytes=1-3");
  EXPECT_EQ(part->answer.status, 206);
  EXPECT_EQ(part->answer.body, "PNG");
  const auto gone = ask("DELETE", "/v1/files/" + id, "");
  EXPECT_EQ(gone->json(), (json{{"id", id}, {"object", "file"}, {"deleted", true}}));
  EXPECT_EQ(status("DELETE", "/v1/files/" + id), 404);
  EXPECT_EQ(status("GET", "/v1/files/" + id), 404);
  EXPECT_EQ(status("GET", "/v1/files/" + id + "/content"), 404);
  EXPECT_TRUE(names().empty());
}

TEST_F(FilesTest, TheKindIsToldByTheBytesAndNeverByTheName) {
  const auto type = [&](const std::string& bytes) {
    return get("/v1/files/" + id_of(bytes) + "/content")->answer.type;
  };
  EXPECT_EQ(type("<html><script>x</script>"), "text/plain; charset=utf-8");
  EXPECT_EQ(type("\xff\xfe no text"), "application/octet-stream");
  EXPECT_EQ(type(std::string("a\0b", 3)), "application/octet-stream");
  EXPECT_EQ(type("GIF89a......"), "image/gif");
}

TEST_F(FilesTest, ListsInPages) {
  std::vector<std::string> made;
  for (int i = 0; i < 5; ++i) made.push_back(id_of("text", "", i % 2 ? "batch" : "user_data"));
  const std::vector<std::string> newest(made.rbegin(), made.rend());
  EXPECT_EQ(ids(), newest);
  EXPECT_EQ(ids("order=asc"), made);
  EXPECT_EQ(ids("purpose=batch&order=asc"), (std::vector<std::string>{made[1], made[3]}));
  const json page = get("/v1/files", "", "limit=2&order=asc&after=" + made[1])->json();
  EXPECT_EQ(page["first_id"], made[2]);
  EXPECT_EQ(page["last_id"], made[3]);
  EXPECT_EQ(page["has_more"], true);
  EXPECT_EQ(ids("limit=2&order=asc&after=" + made[3]), (std::vector<std::string>{made[4]}));
  for (const char* query : {"limit=0", "limit=x", "order=up", "after=file-0", "limit=10001"})
    EXPECT_EQ(get("/v1/files", "", query)->answer.status, 400) << query;
}

TEST_F(FilesTest, WhatIsNoUploadIsRefusedByName) {
  const auto blamed = [&](const std::vector<std::string>& parts) {
    const auto exchange = post_form("/v1/files", parts);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 400);
    return exchange->json()["error"]["param"];
  };
  EXPECT_EQ(blamed({field("purpose", "vision")}), "file");
  EXPECT_EQ(blamed({field("purpose", "vision"), field("file", "x")}), "file");
  EXPECT_EQ(blamed({field("purpose", "vision"), file("file", "")}), "file");
  EXPECT_EQ(blamed({field("purpose", "vision"), file("file", "a"), file("file", "b")}), "file");
  EXPECT_EQ(blamed({file("file", "x")}), "purpose");
  EXPECT_EQ(blamed({field("purpose", "Any Thing"), file("file", "x")}), "purpose");
  EXPECT_EQ(post("/v1/files", json::object())->answer.status, 400);
  EXPECT_EQ(status("POST", "/v1/files/file-1"), 405);
  EXPECT_EQ(status("GET", "/v1/files/file-1/other"), 404);
  EXPECT_EQ(status("DELETE", "/v1/files/file-1/content"), 405);
  EXPECT_TRUE(names().empty());
}

TEST_F(FilesTest, NobodySeesAnothersFile) {
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  const std::string id = id_of(kPng, ann);
  EXPECT_EQ(status("GET", "/v1/files/" + id, bob), 404);
  EXPECT_EQ(status("GET", "/v1/files/" + id + "/content", bob), 404);
  EXPECT_EQ(status("DELETE", "/v1/files/" + id, bob), 404);
  EXPECT_TRUE(ids("", bob).empty());
  EXPECT_EQ(get("/v1/files", bob, "after=" + id)->answer.status, 400);
  const json edit = {{"prompt", "x"}, {"images", {{{"file_id", id}}}}};
  EXPECT_EQ(post("/v1/images/edits", edit, bob)->json()["error"]["code"], "file_not_found");
  EXPECT_EQ(ids("", ann), std::vector<std::string>{id});
}

TEST_F(FilesTest, LimitsHold) {
  file_limits_ = {.file_bytes = 100, .picture_bytes = 20, .files_of_one = 3, .bytes_of_one = 150};
  open_files();
  const std::string ann = add_key({.name = "ann"}), bob = add_key({.name = "bob"});
  EXPECT_EQ(upload(std::string(101, 'x'), ann)->answer.status, 413);
  EXPECT_EQ(upload(kPng + std::string(20, 'x'), ann)->answer.status, 413);
  EXPECT_TRUE(id_of(std::string(100, 'x'), ann).starts_with("file-"));
  const auto refused = upload(std::string(51, 'x'), ann);
  EXPECT_EQ(refused->json()["error"]["code"], "too_many_bytes");
  EXPECT_EQ(refused->header("Retry-After"), "60");
  const std::string second = id_of(kPng, ann);
  EXPECT_TRUE(id_of(kPng, ann).starts_with("file-"));
  EXPECT_EQ(upload("x", ann)->json()["error"]["code"], "too_many_files");
  EXPECT_TRUE(id_of(kPng, bob).starts_with("file-"));
  EXPECT_EQ(status("DELETE", "/v1/files/" + second, ann), 200);
  EXPECT_TRUE(id_of("x", ann).starts_with("file-"));
  EXPECT_EQ(names().size(), 4u);
}

TEST_F(FilesTest, AfterADeathNeitherRowNorFileIsAlone) {
  const std::string kept = id_of("kept"), lost = id_of("lost"), cut = id_of("cut short");
  close_api();
  files_.reset();
  std::filesystem::remove(folder_.file("files/" + lost + ".file"));
  std::filesystem::resize_file(folder_.file("files/" + cut + ".file"), 3);
  for (const char* name : {"file-0123.file", "file-0123.file.77-0.partial"})
    std::ofstream(folder_.file("files/" + std::string(name))) << "left over";
  std::ofstream(folder_.file("files/" + kept + ".file.77-1.partial")) << "left over";
  open_files();
  EXPECT_EQ(ids(), std::vector<std::string>{kept});
  EXPECT_EQ(names(), std::set<std::string>{kept + ".file"});
  EXPECT_EQ(get("/v1/files/" + kept + "/content")->answer.body, "kept");
}

TEST_F(FilesTest, PicturesAreNamedWhereTheyCouldBeSent) {
  const std::string id = id_of(kPng), text = id_of("no picture");
  const auto edit =
      post("/v1/images/edits", {{"prompt", "it moves"}, {"image", {{"file_id", id}}}});
  edit->wait();
  ASSERT_EQ(edit->answer.status, 200) << edit->answer.body;
  EXPECT_EQ(artist_.begun(1).first_frame, kPng);
  const auto film = post("/v1/videos", {{"prompt", "x"}, {"input_reference", {{"file_id", id}}}});
  film->wait();
  ASSERT_EQ(film->answer.status, 200) << film->answer.body;
  EXPECT_EQ(artist_.begun(2).first_frame, kPng);
  // As the official package writes an object into a form.
  const auto form =
      post_form("/v1/videos", {field("prompt", "x"), field("input_reference[file_id]", id)});
  form->wait();
  ASSERT_EQ(form->answer.status, 200) << form->answer.body;
  EXPECT_EQ(artist_.begun(3).first_frame, kPng);

  const auto blamed = [&](const std::string& name, int status) {
    const auto exchange =
        post("/v1/videos", {{"prompt", "x"}, {"input_reference", {{"file_id", name}}}});
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, status);
    return exchange->json()["error"]["param"];
  };
  EXPECT_EQ(blamed("file-1", 404), "input_reference.file_id");
  EXPECT_EQ(blamed(text, 400), "input_reference");
}

TEST_F(FilesTest, WithoutAStoreNothingIsKept) {
  options_.files = nullptr;
  open_api();
  EXPECT_EQ(upload(kPng)->answer.status, 404);
  EXPECT_EQ(status("GET", "/v1/files"), 404);
}

}  // namespace
}  // namespace hadal
