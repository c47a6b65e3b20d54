// SPDX-License-Identifier: MIT
// The door for checkpoints: what is whole is read, what is not is refused in one clear line.
#include "base/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace hadal {
namespace {

namespace fs = std::filesystem;

std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::string error_of(const std::string& bytes) {
  const Result<Safetensors> file = Safetensors::parse(bytes, "f");
  return file ? "" : file.error().message;
}
std::string header_error(const std::string& header, size_t data_bytes) {
  return error_of(file_of(header, data_bytes));
}
// One tensor "x" and eight bytes of data.
std::string entry_error(const std::string& entry) {
  return header_error("{\"x\":" + entry + "}", 8);
}

const std::string kTwo =
    R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}} )";

class Folder {
 public:
  Folder() {
    static int serial = 0;
    path_ = fs::temp_directory_path() /
            ("hadal-safetensors-" + std::to_string(getpid()) + "-" + std::to_string(serial++));
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  std::string path(const std::string& name) const { return (path_ / name).string(); }
  void write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  std::string error() const {
    const Result<Safetensors> all = Safetensors::open_folder(path_.string());
    if (all) return "";
    // Messages begin with the folder, whose name changes.
    std::string message = all.error().message;
    for (size_t at; (at = message.find(path_.string())) != std::string::npos;)
      message.replace(at, path_.string().size(), "D");
    return message;
  }

 private:
  fs::path path_;
};

TEST(Safetensors, ReadsShapesTypesValuesAndMetadata) {
  const Result<Safetensors> file = Safetensors::parse(file_of(kTwo, 11), "f");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->find("a")->shape(), (Shape{2, 1}));
  EXPECT_EQ(file->find("a")->dtype(), DType::f32);
  EXPECT_EQ(file->find("b")->data<uint8_t>()[2], 10);
  EXPECT_EQ(file->find("c"), nullptr);
  EXPECT_EQ(file->metadata().at("format"), "pt");
}

TEST(Safetensors, ReadsScalarsEmptyTensorsAndHoles) {
  const Result<Safetensors> file =
      Safetensors::parse(file_of(R"({"s":{"dtype":"U8","shape":[],"data_offsets":[4,5]},)"
                                 R"("e":{"dtype":"F32","shape":[0,9],"data_offsets":[4,4]}})",
                                 8),
                         "f");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->find("s")->count(), 1);
  EXPECT_EQ(file->find("s")->data<uint8_t>()[0], 4);
  EXPECT_EQ(file->find("e")->count(), 0);
}

TEST(Safetensors, CopiesWhatIsNotAligned) {
  for (size_t padding = 0; padding < 8; ++padding) {
    const Result<Safetensors> file =
        Safetensors::parse(file_of(R"({"x":{"dtype":"I64","shape":[1],"data_offsets":[1,9]}})" +
                                       std::string(padding, ' '),
                                   9),
                           "f");
    ASSERT_TRUE(file) << file.error().message;
    const int64_t* value = file->find("x")->data<int64_t>();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(value) % alignof(int64_t), 0u);
    EXPECT_EQ(*value, 0x0807060504030201);
  }
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const std::string whole = file_of(kTwo, 11);
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(Safetensors::parse(whole.substr(0, length), "f")) << length << " bytes";
}

TEST(Safetensors, EveryChangedByteIsReadOrRefused) {
  const std::string whole = file_of(kTwo, 11);
  for (size_t at = 0; at < whole.size() - 11; ++at)
    for (int value = 0; value < 256; ++value) {
      std::string changed = whole;
      changed[at] = static_cast<char>(value);
      const Result<Safetensors> file = Safetensors::parse(changed, "f");
      if (file) {
        for (const auto& [name, tensor] : file->tensors())
          ASSERT_LE(tensor.bytes(), 11);  // whatever was read lies in the data
      } else {
        ASSERT_EQ(file.error().message.find('\n'), std::string::npos);
      }
    }
}

TEST(Safetensors, RefusesHeadersThatCannotBe) {
  EXPECT_EQ(error_of("1234567"), "f: 7 bytes, a safetensors file has at least 8");
  EXPECT_EQ(error_of(std::string(8, '\xff')),
            "f: header of 18446744073709551615 bytes, at most 0 are possible");
  EXPECT_EQ(error_of(std::string("\x03\0\0\0\0\0\0\0{}", 10)),
            "f: header of 3 bytes, at most 2 are possible");
  EXPECT_EQ(error_of(std::string(8, '\0')), "f: header does not begin with {");
  EXPECT_EQ(header_error(std::string("{}\0 ", 4), 0), "f: header has a NUL byte");
  EXPECT_EQ(header_error("[]", 0), "f: header does not begin with {");
  EXPECT_EQ(header_error("{\"x\"", 0), "f: header: not valid JSON at byte 5");
  EXPECT_EQ(header_error("{}{}", 0), "f: header: not valid JSON at byte 3");
  EXPECT_EQ(header_error("{\"x\":1}", 0), "f: x: a number where none belongs");
  EXPECT_EQ(header_error("{\"\":{}}", 0), "f: header: a tensor without a name");
  EXPECT_EQ(header_error("{\"" + std::string(513, 'n') + "\":{}}", 0),
            "f: header: a name of 513 bytes, at most 512");
}

TEST(Safetensors, RefusesEntriesThatCannotBe) {
  EXPECT_EQ(entry_error("{}"), "f: x: needs dtype, shape and data_offsets");
  EXPECT_EQ(entry_error("null"), "f: x: null where a value belongs");
  EXPECT_EQ(entry_error("[]"), "f: x: an array where none belongs");
  EXPECT_EQ(entry_error(R"({"dtype":"F33","shape":[2],"data_offsets":[0,8]})"),
            "f: x: dtype F33 is not known");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1})"),
            "f: x: more: unknown key");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
            "f: x: dtype: given twice");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"),
            "f: x: data_offsets: 1 numbers, expected 2");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,9]})"),
            "f: x: data_offsets: more than 2 numbers");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})"),
            "f: x: shape: more than 8 numbers");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})"),
            "f: x: an array where none belongs");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[{}],"data_offsets":[0,8]})"),
            "f: x: an object where none belongs");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"),
            "f: x: shape: 2.0 is not a size");
}

TEST(Safetensors, RefusesSizesThatDoNotFit) {
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"),
            "f: x: shape: -2 is not a size");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
            "f: x: shape [3] of F32 needs 12 bytes, data_offsets give 8");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,9]})"),
            "f: x: data_offsets [0, 9] leave the file's 8 bytes of data");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
            "f: x: data_offsets [8, 0] leave the file's 8 bytes of data");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})"),
            "f: x: data_offsets: 18446744073709551615 is too large");
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]})"),
            "f: x: shape [4294967296, 4294967296] of F32 is too large");
  // 2^62 elements of four bytes: the count fits int64, the bytes wrap to zero.
  EXPECT_EQ(entry_error(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]})"),
            "f: x: shape [4611686018427387904] of F32 is too large");
}

TEST(Safetensors, RefusesOverlapAndDuplicates) {
  const std::string a = R"("a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]})";
  EXPECT_EQ(header_error("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8),
            "f: b: data_offsets [4, 8] overlap those of a [0, 5]");
  EXPECT_EQ(header_error("{" + a + "," + a + "}", 8), "f: a: given twice");
  EXPECT_EQ(header_error(R"({"__metadata__":{},"__metadata__":{}})", 8),
            "f: __metadata__: given twice");
  EXPECT_EQ(header_error(R"({"__metadata__":{"k":"1","k":"2"}})", 8),
            "f: __metadata__: k: given twice");
  EXPECT_EQ(header_error(R"({"__metadata__":{"k":1}})", 8),
            "f: __metadata__: a number where none belongs");
}

TEST(Safetensors, MessagesAreOneLineWhateverANameHolds) {
  const std::string error =
      header_error("{\"" + std::string(200, 'n') + "\\n\":{\"dtype\":\"\\u001b[2J\"}}", 0);
  EXPECT_EQ(error.find('\n'), std::string::npos);
  EXPECT_LT(error.size(), 200u);
  EXPECT_EQ(entry_error(R"({"dtype":"\u001b[2J","shape":[],"data_offsets":[0,1]})"),
            "f: x: dtype ?[2J is not known");
}

TEST(Safetensors, DeepNestingIsRefusedAtOnce) {
  std::string deep = "{\"x\":";
  for (int i = 0; i < 1'000'000; ++i) deep += "[";
  EXPECT_EQ(header_error(deep, 0), "f: x: an array where none belongs");
}

TEST(Safetensors, WhatIsWrittenIsRead) {
  const Folder folder;
  const Tensor bytes = Tensor::zeros(DType::u8, {3});
  bytes.data<uint8_t>()[1] = 7;
  const std::vector<NamedTensor> tensors = {
      {"bytes", bytes},
      {"floats", Tensor::of_floats({2, 2}, {1, -2, 3.5f, 4})},
      {"ids", Tensor::of_ints({1}, {-9})},
      {"empty", Tensor::zeros(DType::bf16, {0, 4})},
      {"with \"quotes\" and \xe6\xb7\xb1", Tensor::of_floats({}, {5})},
  };
  const std::string path = folder.path("model.safetensors");
  const Status written = write_safetensors(path, tensors, {{"step", "12"}, {"note", "a\nb"}});
  ASSERT_TRUE(written) << written.error().message;
  const Result<Safetensors> file = Safetensors::open(path);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tensors().size(), tensors.size());
  for (const NamedTensor& tensor : tensors) {
    const Tensor* found = file->find(tensor.name);
    ASSERT_TRUE(found) << tensor.name;
    EXPECT_EQ(found->shape(), tensor.tensor.shape());
    ASSERT_EQ(found->bytes(), tensor.tensor.bytes());
    EXPECT_EQ(std::memcmp(found->raw(), tensor.tensor.raw(), static_cast<size_t>(found->bytes())),
              0);
  }
  EXPECT_EQ(file->metadata().at("note"), "a\nb");
  // Beside the file there is nothing left of the writing.
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path("")), fs::directory_iterator()), 1);
}

TEST(Safetensors, AFailedWriteLeavesTheOldFile) {
  const Folder folder;
  const std::string path = folder.path("x.safetensors");
  ASSERT_TRUE(write_safetensors(path, {{"a", Tensor::of_floats({1}, {1})}}, {}));
  const Tensor one = Tensor::of_floats({1}, {2});
  const Status twice = write_safetensors(path, {{"a", one}, {"a", one}}, {});
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().message, path + ": a: given twice");
  EXPECT_FALSE(write_safetensors(folder.path("none/x.safetensors"), {{"a", one}}, {}));
  const Result<Safetensors> file = Safetensors::open(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->find("a")->data<float>()[0], 1);
}

TEST(Safetensors, OpensNothingButRegularFiles) {
  const Folder folder;
  EXPECT_FALSE(Safetensors::open(folder.path("missing")));
  EXPECT_FALSE(Safetensors::open(folder.path("")));
  EXPECT_FALSE(Safetensors::open("/dev/zero"));
  folder.write("empty", "");
  EXPECT_FALSE(Safetensors::open(folder.path("empty")));
}

// ---- folders

constexpr const char* kIndex = "model.safetensors.index.json";
const std::string kShardA = file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 2);
const std::string kShardB = file_of(R"({"b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 3);

TEST(SafetensorsFolder, JoinsItsShards) {
  const Folder folder;
  folder.write("1.safetensors", kShardA);
  folder.write("2.safetensors", kShardB);
  folder.write(kIndex, R"({"metadata":{"total_size":5,"more":1},)"
                       R"("weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  const Result<Safetensors> all = Safetensors::open_folder(folder.path(""));
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->find("b")->data<uint8_t>()[2], 2);
}

TEST(SafetensorsFolder, OpensASingleFile) {
  const Folder folder;
  folder.write("model.safetensors", kShardA);
  EXPECT_EQ(folder.error(), "");
}

// So a draft head can stand beside a model that is one file.
TEST(SafetensorsFolder, AnIndexSaysMoreThanASingleFile) {
  const Folder folder;
  folder.write("model.safetensors", kShardA);
  folder.write("more.safetensors", kShardB);
  folder.write(kIndex, R"({"weight_map":{"a":"model.safetensors","b":"more.safetensors"}})");
  const Result<Safetensors> all = Safetensors::open_folder(folder.path(""));
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->tensors().size(), 2u);
}

TEST(SafetensorsFolder, IndexAndShardsMustAgree) {
  const Folder folder;
  EXPECT_EQ(folder.error(),
            "D: neither model.safetensors nor model.safetensors.index.json is there");
  folder.write("1.safetensors", kShardA);
  folder.write("2.safetensors", kShardB);
  const std::string where = std::string("D/") + kIndex;
  const auto error_with = [&](const std::string& index) {
    folder.write(kIndex, index);
    return folder.error();
  };
  EXPECT_EQ(error_with("{}"), where + ": weight_map: no such object");
  EXPECT_EQ(error_with("[1]"), where + ": weight_map: no such object");
  EXPECT_EQ(error_with("{"), where + ": not valid JSON at byte 2");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"1.safetensors","a":"1.safetensors"}})"),
            where + ": a: key given twice");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"1.safetensors","c":"1.safetensors"}})"),
            where + ": c is not in 1.safetensors as weight_map says");
  EXPECT_EQ(error_with(R"({"weight_map":{"c":"2.safetensors"}})"),
            where + ": b is in 2.safetensors but not in weight_map");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})"),
            where + ": a is in 1.safetensors, weight_map says 2.safetensors");
  EXPECT_EQ(error_with(R"({"metadata":{"total_size":6},"weight_map":{"a":"1.safetensors"}})"),
            where + ": metadata.total_size: 6, the tensors have 2 bytes");
  EXPECT_EQ(error_with(R"({"metadata":{"total_size":-1},"weight_map":{"a":"1.safetensors"}})"),
            where + ": metadata.total_size: not a number of bytes");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"3.safetensors"}})"),
            "D/3.safetensors: cannot be opened: No such file or directory");
}

TEST(SafetensorsFolder, ShardNamesLeadNowhereElse) {
  const Folder folder;
  folder.write("1.safetensors", kShardA);
  for (const char* name : {"../1.safetensors", "/etc/passwd", "..", ".", "", "a/b", "1\\u0000"}) {
    folder.write(kIndex, std::string(R"({"weight_map":{"a":")") + name + "\"}}");
    EXPECT_NE(folder.error().find("is not the name of a file in this folder"), std::string::npos)
        << name << ": " << folder.error();
  }
  folder.write(kIndex, R"({"weight_map":{"a":1}})");
  EXPECT_EQ(folder.error(),
            std::string("D/") + kIndex + ": a: 1 is not the name of a file in this folder");
}

}  // namespace
}  // namespace hadal
