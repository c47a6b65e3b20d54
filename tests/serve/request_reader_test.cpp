// SPDX-License-Identifier: MIT
// Requests out of bytes: in any pieces the same, within limits.
#include "serve/request_reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace hadal {
namespace {

using State = RequestReader::State;

// Feeds in pieces of `size` bytes, holding back what was not used, as a connection does.
State feed_all(RequestReader& reader, const std::string& bytes, size_t size,
               size_t* left = nullptr) {
  std::string held;
  for (size_t at = 0; at < bytes.size(); at += size) {
    held += bytes.substr(at, size);
    size_t used = 1;
    while (used > 0 && !held.empty() && reader.state() != State::done &&
           reader.state() != State::failed) {
      used = reader.feed(held);
      held.erase(0, used);
    }
  }
  if (left) *left = held.size();
  return reader.state();
}

const std::string kPost =
    "POST /v1/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 5\r\n\r\n"
    "hello";
const std::string kChunked =
    "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "
    "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";

TEST(RequestReader, TheSameInAnyPieces) {
  for (size_t size = 1; size <= kPost.size(); ++size) {
    RequestReader reader({});
    ASSERT_EQ(feed_all(reader, kPost, size), State::done) << size;
    EXPECT_TRUE(reader.keep_alive());
    const HttpRequest request = reader.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/a b");
    EXPECT_EQ(request.query, "x=1");
    EXPECT_EQ(request.header("x-two"), "a, b");
    EXPECT_EQ(request.body, "hello");
  }
  for (size_t size = 1; size <= kChunked.size(); ++size) {
    RequestReader reader({});
    ASSERT_EQ(feed_all(reader, kChunked, size), State::done) << size;
    EXPECT_EQ(reader.take().body, "abcde");
  }
}

TEST(RequestReader, ALimitMayBeKnownOnlyOnceTheHeaderIs) {
  const HttpLimits limits{.body_bytes = 2, .upload_bytes = 8};
  for (const std::string& text : {kPost, kChunked})
    for (const int64_t limit : {4, 5}) {
      RequestReader reader(limits);
      const size_t head = reader.feed(text);
      ASSERT_EQ(reader.state(), State::body);
      reader.limit_body(limit);
      const State end =
          reader.state() == State::failed ? State::failed : feed_all(reader, text.substr(head), 3);
      EXPECT_EQ(end, limit == 5 ? State::done : State::failed) << text;
      if (limit == 4) {
        EXPECT_EQ(reader.fault().status, 413);
      }
    }
  RequestReader reader(limits);
  const std::string longer = "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n";
  EXPECT_EQ(feed_all(reader, longer, longer.size()), State::failed);
  EXPECT_EQ(reader.fault().status, 413);
}

TEST(RequestReader, LeavesTheNextRequestAlone) {
  for (const std::string& first : {kPost, kChunked, std::string("GET / HTTP/1.1\r\n\r\n")}) {
    RequestReader reader({});
    size_t left = 0;
    EXPECT_EQ(feed_all(reader, first + "GET /next", 1000, &left), State::done);
    EXPECT_EQ(left, std::string("GET /next").size());
  }
}

TEST(RequestReader, HeaderIsThereBeforeTheBody) {
  RequestReader reader({});
  EXPECT_EQ(feed_all(reader, kPost.substr(0, kPost.size() - 5), 1000), State::body);
  EXPECT_EQ(reader.request().path, "/v1/a b");
  EXPECT_EQ(reader.body_bytes(), 5);
  RequestReader chunked({});
  EXPECT_EQ(feed_all(chunked, kChunked.substr(0, kChunked.find("3\r\n")), 1000), State::body);
  EXPECT_EQ(chunked.body_bytes(), std::nullopt);
}

TEST(RequestReader, LimitsAndFormHaveTheirStatus) {
  HttpLimits limits;
  limits.header_bytes = 200;
  limits.body_bytes = 10;
  const auto status = [&](const std::string& bytes) {
    RequestReader reader(limits);
    return feed_all(reader, bytes, 7) == State::failed ? reader.fault().status : 0;
  };
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: " + std::string(300, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n"), 413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" +
                   std::string(11, 'x') + "\r\n0\r\n\r\n"),
            413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), 400);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
            400);
  EXPECT_EQ(status("GET / HTTP/3.1\r\n\r\n"), 505);
  EXPECT_EQ(status("GET http://elsewhere/ HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /%zz HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET /%4 HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"), 400);
  EXPECT_EQ(status(std::string("\x16\x03\x01\x00\xa5 TLS hello \r\n\r\n", 19)), 400);
}

}  // namespace
}  // namespace hadal
