// SPDX-License-Identifier: MIT
// What comes with files: forms, base64, ranges, queries.
#include "serve/multipart.h"

#include <gtest/gtest.h>

#include "serve/base64.h"
#include "serve/byte_range.h"
#include "serve/form.h"

namespace hadal {
namespace {

constexpr const char* kType = "multipart/form-data; boundary=\"a b\"; charset=utf-8";

std::string part(const std::string& name, const std::string& bytes) {
  return "--a b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + bytes + "\r\n";
}
const std::string kEnd = "--a b--\r\n";

std::string error_of(const std::string& type, const std::string& body) {
  const auto read = read_multipart(type, body);
  return read ? "" : read.error().message;
}

TEST(Multipart, PartsAreTheirBytes) {
  const std::string odd("--a c\r\n\r\n--a\r\n\0x", 16);
  const std::string body = "preamble\r\n" + part("prompt", "a sea") + part("empty", "") +
                           "--a b \t\r\ncontent-disposition: Form-Data; name=image; "
                           "filename=\"a;\\\"b\\\".png\"\r\nContent-Type: image/png\r\n\r\n" +
                           odd + "\r\n" + kEnd + "epilogue";
  const auto parts = read_multipart(kType, body);
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[0].name, "prompt");
  EXPECT_EQ((*parts)[0].bytes, "a sea");
  EXPECT_FALSE((*parts)[0].is_file);
  EXPECT_EQ((*parts)[1].bytes, "");
  EXPECT_EQ((*parts)[2].name, "image");
  EXPECT_EQ((*parts)[2].file_name, "a;\"b\".png");
  EXPECT_TRUE((*parts)[2].is_file);
  EXPECT_EQ((*parts)[2].bytes, odd);
}

TEST(Multipart, EveryTruncationIsRefused) {
  const std::string body = part("prompt", "a sea") + part("n", "2") + kEnd;
  for (size_t length = 0; length < body.size() - 2; ++length)
    EXPECT_NE(error_of(kType, body.substr(0, length)), "") << length;
  EXPECT_EQ(error_of(kType, body), "");
}

TEST(Multipart, WhatIsNoFormIsRefused) {
  const std::string body = part("a", "b") + kEnd;
  EXPECT_NE(error_of("multipart/form-data", body), "");
  EXPECT_NE(error_of("multipart/form-data; boundary=", body), "");
  EXPECT_NE(error_of("multipart/form-data; boundary=\"a b", body), "");
  EXPECT_NE(error_of("multipart/form-data; boundary=" + std::string(71, 'a'), body), "");
  EXPECT_NE(error_of("multipart/form-data; boundary=other", body), "");
  const auto headers = [](const std::string& lines) {
    return error_of(kType, "--a b\r\n" + lines + "\r\n\r\nbytes\r\n" + kEnd);
  };
  EXPECT_EQ(headers("Content-Disposition: form-data; name=a"), "");
  EXPECT_NE(headers("Content-Type: image/png"), "") << "no name";
  EXPECT_NE(headers("Content-Disposition: form-data; name=\"\""), "");
  EXPECT_NE(headers("Content-Disposition: attachment; name=a"), "");
  EXPECT_NE(headers("Content-Disposition: form-data; name=a; name=b"), "");
  EXPECT_NE(headers("Content-Disposition: form-data; name=a\r\nnonsense"), "");
  EXPECT_NE(headers("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
            "");
  EXPECT_NE(headers("Content-Disposition: form-data; name=a\r\nX: " + std::string(5000, 'x')), "");
}

TEST(Multipart, PartsAreCounted) {
  std::string body;
  for (int i = 0; i < 64; ++i) body += part("f" + std::to_string(i), "x");
  EXPECT_EQ(error_of(kType, body + kEnd), "");
  EXPECT_NE(error_of(kType, body + part("one", "too many") + kEnd), "");
}

TEST(FormTest, NumbersAndFlagsOfAFormAreSuch) {
  HttpRequest request;
  request.headers["content-type"] = kType;
  request.body = part("prompt", "42") + part("n", "2") + part("guidance_scale", "1.5") +
                 part("stream", "true") + part("seed", "x") + kEnd;
  const ApiResult<Form> form = read_form(request);
  ASSERT_TRUE(form);
  EXPECT_EQ(form->fields["prompt"], "42");
  EXPECT_EQ(form->fields["n"], 2);
  EXPECT_EQ(form->fields["guidance_scale"], 1.5);
  EXPECT_EQ(form->fields["stream"], true);
  EXPECT_EQ(form->fields["seed"], "x") << "refused by who reads it";
  request.body = part("n", "2") + part("n", "3") + kEnd;
  EXPECT_FALSE(read_form(request));
}

TEST(Base64, IsTheOneOfTheStandard) {
  // RFC 4648, section 10.
  const std::vector<std::pair<std::string, std::string>> cases = {{"", ""},
                                                                  {"f", "Zg=="},
                                                                  {"fo", "Zm8="},
                                                                  {"foo", "Zm9v"},
                                                                  {"foob", "Zm9vYg=="},
                                                                  {"fooba", "Zm9vYmE="},
                                                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(from_base64(to_base64(all)), all);
  for (const char* wrong : {"Z", "Zg=", "Zg= ", "====", "Z===", "Zg==Zg==", "Zm9\n", "Zm-_"})
    EXPECT_FALSE(from_base64(wrong)) << wrong;
  EXPECT_EQ(from_data_url("data:image/png;base64,Zm8="), "fo");
  for (const char* wrong : {"data:image/png,Zm8=", "data:;base64", "http://x/;base64,Zm8=", ""})
    EXPECT_FALSE(from_data_url(wrong)) << wrong;
}

TEST(ByteRangeTest, OneRangeIsAnsweredTheRestIsTheWholeFile) {
  using Kind = ByteRange::Kind;
  const auto is = [](const char* header, Kind kind, int64_t first, int64_t count) {
    const ByteRange range = read_byte_range(header, 10);
    EXPECT_TRUE(range.kind == kind && range.first == first && range.count == count)
        << header << ": " << range.first << " " << range.count;
  };
  is("bytes=0-0", Kind::part, 0, 1);
  is("bytes=2-5", Kind::part, 2, 4);
  is("bytes=2-", Kind::part, 2, 8);
  is("bytes=2-99999999999999999999", Kind::part, 2, 8);
  is("bytes=-3", Kind::part, 7, 3);
  is("bytes=-30", Kind::part, 0, 10);
  is("bytes=10-", Kind::beyond, 0, 0);
  is("bytes=99999999999999999999-", Kind::beyond, 0, 0);
  is("bytes=-0", Kind::beyond, 0, 0);
  for (const char* whole : {"", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,3-4",
                            "bytes=a-b", "lines=1-2", "bytes=--1", "bytes= 1-2", "bytes=1--2"})
    is(whole, Kind::whole, 0, 10);
}

TEST(Query, FieldsAreDecoded) {
  const auto fields = read_query("limit=3&after=a%20b&&x&limit=4&bad=%zz");
  EXPECT_EQ(fields.at("limit"), "4");
  EXPECT_EQ(fields.at("after"), "a b");
  EXPECT_EQ(fields.at("x"), "");
  EXPECT_FALSE(fields.contains("bad"));
}

}  // namespace
}  // namespace hadal
