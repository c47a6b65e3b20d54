// SPDX-License-Identifier: MIT
// One request, by Beast's parser.
#include "serve/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <charconv>

#include "base/result.h"

namespace hadal {

namespace asio = boost::asio;
namespace http = boost::beast::http;

struct RequestReader::Parser {
  http::request_parser<http::string_body> beast;
};

namespace {

// Beast gives each fault a code of its own; clients need to know whether it is size or form.
HttpFault fault_of(const boost::system::error_code& error, const HttpLimits& limits) {
  if (error == http::error::header_limit)
    return {431, "the header is longer than " + std::to_string(limits.header_bytes) + " bytes"};
  if (error == http::error::body_limit)
    return {413, "the body is longer than " + std::to_string(limits.body_bytes) + " bytes"};
  if (error == http::error::bad_version) return {505, "expected HTTP/1.1"};
  return {400, "no HTTP request: " + error.message()};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

bool percent_decoded(std::string_view text, std::string& decoded) {
  decoded.clear();
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(at + 1, 2);
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, value, 16);
    if (digits.size() != 2 || read.ec != std::errc() || read.ptr != end) return false;
    decoded += static_cast<char>(value);
    at += 2;
  }
  return true;
}

RequestReader::RequestReader(const HttpLimits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>()) {
  // Until the header says which limit it is.
  limits_.body_bytes = std::max(limits.body_bytes, limits.upload_bytes);
  parser_->beast.header_limit(static_cast<uint32_t>(limits.header_bytes));
  parser_->beast.body_limit(static_cast<uint64_t>(limits_.body_bytes));
}

RequestReader::~RequestReader() = default;

void RequestReader::fail(int status, std::string message) {
  state_ = State::failed;
  fault_ = {status, std::move(message)};
}

size_t RequestReader::feed(std::string_view bytes) {
  auto& beast = parser_->beast;
  size_t used = 0;
  while (state_ == State::header || state_ == State::body) {
    boost::system::error_code error;
    const size_t now = beast.put(asio::buffer(bytes.substr(used)), error);
    used += now;
    const bool more = error == http::error::need_more;
    if (error && !more) {
      const HttpFault fault = fault_of(error, limits_);
      fail(fault.status, fault.message);
    } else if (state_ == State::header && beast.is_header_done()) {
      read_header();
      beast.eager(true);
      if (state_ == State::body && beast.is_done()) state_ = State::done;
      return used;
    } else if (beast.is_done()) {
      state_ = State::done;
    } else if (more || now == 0 || used == bytes.size()) {
      return used;
    }
  }
  return used;
}

void RequestReader::read_header() {
  const auto& message = parser_->beast.get();
  state_ = State::body;
  request_.method = std::string(message.method_string());
  request_.version_11 = message.version() == 11;
  const std::string_view target(message.target().data(), message.target().size());
  const size_t question = target.find('?');
  if (question != std::string_view::npos) request_.query = target.substr(question + 1);
  if (!target.starts_with('/') || !percent_decoded(target.substr(0, question), request_.path))
    return fail(400, "the target of the request is no path");
  for (const auto& field : message) {
    const std::string name = lower({field.name_string().data(), field.name_string().size()});
    const std::string value(field.value());
    const auto [there, is_new] = request_.headers.emplace(name, value);
    if (!is_new && name == "authorization") return fail(400, "two authorization headers");
    if (!is_new) there->second += ", " + value;
  }
  if (message.version() != 10 && message.version() != 11) fail(505, "expected HTTP/1.1");
}

bool RequestReader::keep_alive() const {
  return state_ != State::failed && parser_->beast.get().keep_alive();
}

bool RequestReader::expects_continue() const {
  return lower(request_.header("expect")) == "100-continue";
}

std::optional<int64_t> RequestReader::body_bytes() const {
  if (parser_->beast.chunked()) return std::nullopt;
  const auto length = parser_->beast.content_length();
  return length ? static_cast<int64_t>(*length) : 0;
}

void RequestReader::limit_body(int64_t bytes) {
  limits_.body_bytes = bytes;
  if (body_bytes().value_or(0) > bytes)
    return fail(413, "the body is longer than " + std::to_string(bytes) + " bytes");
  if (state_ == State::body) parser_->beast.body_limit(static_cast<uint64_t>(bytes));
}

HttpRequest RequestReader::take() {
  request_.body = std::move(parser_->beast.get().body());
  return std::move(request_);
}

}  // namespace hadal
