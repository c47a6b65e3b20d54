// SPDX-License-Identifier: MIT
// One HTTP/1.1 request out of a stream of bytes, by Boost.Beast's parser and within limits.
//
//   RequestReader reader(limits);
//   input.erase(0, reader.feed(input));                 // again whenever more has come
//   if (reader.state() == RequestReader::State::done) HttpRequest request = reader.take();
//
// Feeding a request in any pieces gives the same request.  One request, one reader, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http_message.h"

namespace hadal {

// Why a request cannot be read, and the status that says so.
struct HttpFault {
  int status = 400;
  std::string message;
};

class RequestReader {
 public:
  enum class State {
    header,  // more of it must come
    body,    // the header is there: see request(); more must come
    done,
    failed,
  };

  explicit RequestReader(const HttpLimits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  // How many of the bytes were used; the rest belongs to the next request, or must be fed again
  // with what follows.  Stops once where the body begins.
  size_t feed(std::string_view bytes);

  State state() const { return state_; }
  const HttpFault& fault() const { return fault_; }
  // From `body` on: all but the body.
  const HttpRequest& request() const { return request_; }
  bool keep_alive() const;
  bool expects_continue() const;
  std::optional<int64_t> body_bytes() const;  // absent: chunked, so nobody knows
  // Once the header is there, and before anything of the body is fed.
  void limit_body(int64_t bytes);
  HttpRequest take();

 private:
  struct Parser;
  void read_header();
  void fail(int status, std::string message);

  HttpLimits limits_;
  std::unique_ptr<Parser> parser_;
  State state_ = State::header;
  HttpFault fault_;
  HttpRequest request_;
};

// "%2F" to "/"; false if a percent sign is followed by no two hex digits.
bool percent_decoded(std::string_view text, std::string& decoded);

}  // namespace hadal
