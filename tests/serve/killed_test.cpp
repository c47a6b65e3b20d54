// SPDX-License-Identifier: MIT
// `hadal serve`, killed while a file is on its way into its store.
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

}  // namespace
}  // namespace hadal
