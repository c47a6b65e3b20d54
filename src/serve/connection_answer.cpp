// SPDX-License-Identifier: MIT
// One connection: what goes out.
#include <algorithm>
#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdio>
#include <sstream>
#include <utility>

#include "base/json.h"
#include "base/result.h"
#include "serve/connection.h"

namespace hadal {
namespace {

namespace http = boost::beast::http;

// What one write hands to the system: small enough that a slow but honest reader takes it in time.
constexpr size_t kMostWrite = 64 << 10;
constexpr int64_t kUnknownLength = -1;

}  // namespace

std::string Connection::header_text(int status, const std::string& type,
                                    const std::vector<HttpHeader>& headers, int64_t length) const {
  http::response<http::empty_body> response;
  response.version(11);
  response.result(static_cast<unsigned>(status));
  response.set(http::field::content_type, type);
  for (const char* name : {"x-request-id", "x-deepseek-request-id"}) response.set(name, head_.id);
  response.set("x-content-type-options", "nosniff");
  for (const auto& [name, value] : headers) response.set(name, value);
  if (status == 304) {
    // It has no body, and its length would be that of the body it stands for.
  } else if (length != kUnknownLength) {
    response.set(http::field::content_length, std::to_string(length));
  } else if (head_.version_11) {
    response.set(http::field::transfer_encoding, "chunked");
  }
  const bool stays = keep_alive_ && (length != kUnknownLength || head_.version_11);
  response.set(http::field::connection, stays ? "keep-alive" : "close");
  std::ostringstream text;
  text << response.base();
  return text.str();
}

std::string Connection::framed(std::string bytes) const {
  if (!head_.version_11) return bytes;
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return size.data() + std::move(bytes) + "\r\n";
}

void Connection::answer(int64_t serial, const HttpReply& reply) {
  if (!is_current(serial)) return;
  CHECK(form_ == Form::none || form_ == Form::early, "a second answer to ", head_.path);
  if (form_ == Form::early) {
    send(framed(reply.body) + (head_.version_11 ? "0\r\n\r\n" : ""));
  } else {
    status_ = reply.status;
    const int64_t length = static_cast<int64_t>(reply.body.size());
    std::string text = header_text(reply.status, reply.type, reply.headers, length);
    if (head_.method != "HEAD") text += reply.body;
    send(std::move(text));
  }
  form_ = Form::whole;
  finish_answer();
}

void Connection::expect_long_wait(int64_t serial, std::vector<HttpHeader> headers) {
  if (!is_current(serial)) return;
  long_wait_ = true;
  early_headers_ = std::move(headers);
}

void Connection::begin_stream(int64_t serial, const std::vector<HttpHeader>& headers) {
  if (!is_current(serial)) return;
  CHECK(form_ == Form::none, "a second answer to ", head_.path);
  form_ = Form::stream;
  status_ = 200;
  std::vector<HttpHeader> all = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  all.insert(all.end(), headers.begin(), headers.end());
  send(header_text(200, "text/event-stream; charset=utf-8", all, kUnknownLength));
}

void Connection::stream(int64_t serial, std::string bytes) {
  if (!is_current(serial) || bytes.empty()) return;
  CHECK(form_ == Form::stream, "no stream was begun for ", head_.path);
  send(framed(std::move(bytes)));
}

void Connection::end_stream(int64_t serial) {
  if (!is_current(serial)) return;
  CHECK(form_ == Form::stream, "no stream was begun for ", head_.path);
  if (head_.version_11) send("0\r\n\r\n");
  finish_answer();
}

void Connection::watch(int64_t serial, std::function<void()> gone,
                       std::function<void(bool)> behind) {
  if (!is_current(serial)) {
    if (gone) gone();
    return;
  }
  gone_ = std::move(gone);
  behind_changed_ = std::move(behind);
}

void Connection::set_comment(int64_t serial, std::string text) {
  if (is_current(serial)) comment_ = std::move(text);
}

void Connection::set_note(int64_t serial, std::string text) {
  if (!is_current(serial)) return;
  note_ += (note_.empty() ? "" : " ") + text;
}

// Nobody is left who could answer.
void Connection::abandon(int64_t serial) {
  if (!is_current(serial)) return;
  if (form_ == Form::stream) {
    finished_ = true;  // cut off: the missing last chunk tells the client
    --host_.counts().answering;
    gone_ = nullptr;
    behind_changed_ = nullptr;
    write_log();
    return close();
  }
  answer(serial,
         {.status = 500, .body = host_.handler().error_body(head_, 500, "the request was lost")});
}

// The last byte of the answer is in the queue.
void Connection::finish_answer() {
  finished_ = true;
  --host_.counts().answering;
  gone_ = nullptr;
  behind_changed_ = nullptr;
  host_.counts().body_bytes -= std::exchange(reserved_, 0);
  if (form_ == Form::stream && !head_.version_11) keep_alive_ = false;
  write_log();
  write_next();
}

void Connection::send(std::string bytes) {
  last_sent_ = Clock::now();
  sent_bytes_ += static_cast<int64_t>(bytes.size());
  out_bytes_ += static_cast<int64_t>(bytes.size());
  host_.counts().answer_bytes += static_cast<int64_t>(bytes.size());
  out_.push_back(std::move(bytes));
  write_next();
  note_backlog();
}

// Small parts leave together, large ones in pieces.
void Connection::write_next() {
  if (writing_ || phase_ == Phase::closed) return;
  if (out_.empty()) {
    if (phase_ != Phase::answering || !finished_) return;
    if (!keep_alive_) return linger();
    set_phase(Phase::idle, host_.limits().idle_time);
    advance();
    return pump();  // it rests while too much waits, which has now been read
  }
  writing_now_.clear();
  while (!out_.empty() && writing_now_.size() < kMostWrite) {
    const std::string& next = out_.front();
    const size_t taken = std::min(next.size() - front_sent_, kMostWrite - writing_now_.size());
    writing_now_.append(next, front_sent_, taken);
    front_sent_ += taken;
    if (front_sent_ < next.size()) break;
    out_.pop_front();
    front_sent_ = 0;
  }
  writing_ = true;
  write_deadline_ = Clock::now() + host_.limits().write_time;
  transport_->write(writing_now_, [self = shared_from_this()](bool well, size_t bytes) {
    self->wrote(well, bytes);
  });
}

void Connection::wrote(bool well, size_t bytes) {
  writing_ = false;
  if (phase_ == Phase::closed) return;
  if (!well) return phase_ == Phase::answering ? lose_client() : close();
  out_bytes_ -= static_cast<int64_t>(bytes);
  host_.counts().answer_bytes -= static_cast<int64_t>(bytes);
  note_backlog();
  write_next();
}

void Connection::note_backlog() {
  const int64_t mark = host_.limits().behind_bytes;
  const bool behind = behind_ ? out_bytes_ > mark / 2 : out_bytes_ > mark;
  if (behind == behind_ || finished_) return;
  behind_ = behind;
  if (behind_changed_) behind_changed_(behind);
}

void Connection::keep_silence_short(Clock::time_point now) {
  if (finished_ || now - last_sent_ < host_.limits().comment_time) return;
  if (form_ == Form::stream)
    return send(framed(": " + (comment_.empty() ? "keep-alive" : comment_) + "\n\n"));
  if (!long_wait_ || !head_.version_11) return;
  if (form_ == Form::none) {
    form_ = Form::early;
    status_ = 200;
    send(header_text(200, "application/json", early_headers_, kUnknownLength));
  }
  send(framed("\n"));
}

void Connection::write_log() const {
  const std::chrono::duration<double> passed = Clock::now() - began_;
  std::array<char, 32> seconds{};
  std::snprintf(seconds.data(), seconds.size(), "%.3fs", passed.count());
  host_.log(peer_ + " " + printable(head_.method) + " " + printable(head_.path) + " " +
            std::to_string(status_) + " " + std::to_string(sent_bytes_) + "B " + seconds.data() +
            " " + head_.id + (note_.empty() ? "" : " " + note_));
}

}  // namespace hadal
