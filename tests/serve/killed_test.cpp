// SPDX-License-Identifier: MIT
// `hadal serve`, killed while a file is on its way into its store, and in the midst of an answer.
#include <filesystem>
#include <set>

#include "served_program.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Long enough that writing it takes a while.
std::string long_file(char letter) {
  return std::string(size_t{24} << 20, letter);
}

class KilledUpload : public ServeProgram {
 protected:
  std::string folder() const { return folder_.path() + "/files"; }
  // What lies in the store's folder beside its database.
  std::set<std::string> kept() const {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder(), error))
      if (entry.path().filename().string().starts_with("file-"))
        names.insert(entry.path().filename().string());
    return names;
  }
  std::string content(const std::string& id) const {
    HttpClient one = client();
    one.send(get_text("/v1/files/" + id + "/content"));
    const std::string answer = one.answer();
    EXPECT_EQ(status_of(answer), 200) << answer.substr(0, 300);
    return body_of(answer);
  }
  // Everything that is told is whole, and nothing lies there of which nothing is told.
  std::set<std::string> check_store() const {
    std::set<std::string> ids, files;
    const json list = answer(get_text("/v1/files"));
    for (const json& file : list.at("data")) {
      const std::string id = file["id"], bytes = content(id);
      ids.insert(id);
      files.insert(id + ".file");
      EXPECT_EQ(bytes.size(), file["bytes"].get<size_t>());
      EXPECT_EQ(bytes.find_first_not_of(bytes.front()), std::string::npos);
    }
    EXPECT_EQ(kept(), files);
    return ids;
  }
};

TEST_F(KilledUpload, WhatHadOnlyHalfArrivedIsNeverHeardOfAgain) {
  start();
  const json whole = answer(upload_text("/v1/files", "aaaa"));
  ASSERT_TRUE(whole.contains("id")) << whole << log();
  HttpClient half = client();
  const std::string request = upload_text("/v1/files", long_file('b'));
  half.send(request.substr(0, request.size() / 2));
  murder();
  start();
  EXPECT_EQ(check_store(), (std::set<std::string>{whole["id"].get<std::string>()}));
}

TEST_F(KilledUpload, WhatWasBeingWrittenIsThereAsAWholeOrNotAtAll) {
  start();
  const json first = answer(upload_text("/v1/files", "aaaa"));
  ASSERT_TRUE(first.contains("id")) << first << log();
  HttpClient one = client();
  one.send(upload_text("/v1/files", long_file('b')));
  // The moment at which something of it lies in the folder.
  for (int tries = 0; tries < 2'000'000 && kept().size() < 2; ++tries) std::this_thread::yield();
  EXPECT_EQ(kept().size(), 2u);
  murder();
  // As a death in the midst of writing leaves it, whenever this one came.
  std::ofstream(folder() + "/file-0123456789abcdef0123456789abcdef.file") << "half";
  std::ofstream(folder() + "/file-0123456789abcdef0123456789abcdef.file.tmp.1") << "half";
  start();
  EXPECT_TRUE(check_store().contains(first["id"].get<std::string>()));
  EXPECT_EQ(answer(get_text("/v1/files/file-0123456789abcdef0123456789abcdef"))["error"]["code"],
            "file_not_found");
  EXPECT_EQ(terminate(), 0) << log();
}

using KilledAnswer = ServeProgram;

TEST_F(KilledAnswer, LosesItselfAndNothingElse) {
  const std::string key = add_key(), by = bearer(key);
  start();
  json messages = {{{"role", "user"}, {"content", "Hello"}}};
  const auto ask = [&] {
    const json body = {{"messages", messages}, {"max_tokens", 60}, {"temperature", 0}};
    return answer(post_text("/v1/chat/completions", body.dump(), by));
  };
  const json before = ask();
  ASSERT_TRUE(before.contains("usage")) << before << log();
  // It is on disk, and the next answer runs.
  EXPECT_TRUE(soon([&] { return metric("hadal:kv_disk_bytes_written_total", by) > 0; }));
  HttpClient one = client();
  one.send(post_text("/v1/completions",
                     R"({"prompt":"x=1 x=1 x=1 x=1 x=1 x=1 x=1 x=1 x=1","temperature":0,)"
                     R"("max_tokens":4000,"stream":true})",
                     by));
  EXPECT_NE(one.until("data: {").find("data: {"), std::string::npos);
  murder();
  EXPECT_EQ(entries(key), 1) << "what was answered, and not what was not";
  start();
  messages.push_back(before["choices"][0]["message"]);
  messages.push_back({{"role", "user"}, {"content", "What is an oak?"}});
  const json after = ask();
  EXPECT_GE(after["usage"]["prompt_cache_hit_tokens"], before["usage"]["prompt_tokens"])
      << "the conversation is read from the disk";
  EXPECT_EQ(terminate(), 0) << log();
  EXPECT_EQ(entries(key), 2);
}

}  // namespace
}  // namespace hadal
