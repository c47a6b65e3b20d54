// SPDX-License-Identifier: MIT
// One connection: what comes in, and when it has come too late.
#include "serve/connection.h"

#include <algorithm>
#include <utility>

#include "base/result.h"
#include "serve/posted_exchange.h"
#include "serve/random_id.h"

namespace hadal {
namespace {

// Early requests of an impatient client wait here; more stays in the socket.
constexpr size_t kMostInput = 64 << 10;
constexpr std::chrono::milliseconds kLingerTime{2000};
// For the request of a connection that there is no room for.
constexpr std::chrono::milliseconds kRefusalTime{2000};
// Bodies are read and connections end within seconds.
constexpr std::string_view kComeAgainSeconds = "2";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

Connection::Connection(ConnectionHost& host, std::unique_ptr<Transport> transport, std::string peer,
                       Room room)
    : host_(host), transport_(std::move(transport)), peer_(std::move(peer)), room_(room) {}

std::chrono::milliseconds Connection::header_time() const {
  const std::chrono::milliseconds usual = host_.limits().header_time;
  return room_ == Room::enough ? usual : std::min(usual, kRefusalTime);
}

void Connection::begin() {
  set_phase(Phase::handshake, header_time());
  transport_->handshake([self = shared_from_this()](bool well, size_t) {
    if (!well || self->phase_ == Phase::closed) return self->close();
    self->set_phase(Phase::idle, self->header_time());
    self->pump();
  });
}

void Connection::set_phase(Phase phase, std::chrono::milliseconds limit) {
  phase_ = phase;
  deadline_ = Clock::now() + limit;
}

// One read is always under way, unless too much waits already.
void Connection::pump() {
  if (reading_ || phase_ == Phase::closed || input_.size() >= kMostInput) return;
  reading_ = true;
  transport_->read(chunk_, [self = shared_from_this()](bool well, size_t bytes) {
    self->reading_ = false;
    if (self->phase_ == Phase::closed) return;
    if (!well) return self->phase_ == Phase::answering ? self->lose_client() : self->close();
    if (self->phase_ != Phase::lingering) {
      self->input_.append(self->chunk_.data(), bytes);
      if (self->phase_ != Phase::answering) self->advance();
    }
    self->pump();
  });
}

// Reads on as far as the input goes.
void Connection::advance() {
  while (!input_.empty()) {
    if (!reader_) {
      reader_.emplace(host_.limits());
      set_phase(Phase::header, header_time());
    }
    const bool had_header = reader_->state() != RequestReader::State::header;
    const size_t used = reader_->feed(input_);
    input_.erase(0, used);
    const RequestReader::State state = reader_->state();
    if (state == RequestReader::State::failed) return refuse_fault(reader_->fault());
    if (!had_header && state != RequestReader::State::header && !header_came()) return;
    if (state == RequestReader::State::done) return dispatch();
    if (used == 0) return;
  }
}

// False: the request was refused.
bool Connection::header_came() {
  head_ = reader_->request();
  head_.peer = peer_;
  head_.id = make_id("req_");
  began_ = Clock::now();
  if (room_ == Room::none) {
    refuse_for_now("as many connections are open as the server takes");
    return false;
  }
  if (const std::optional<HttpReply> refusal = host_.handler().refuse(head_)) {
    refuse(*refusal);
    return false;
  }
  const HttpLimits& limits = host_.limits();
  const int64_t most = host_.handler().body_limit(head_, limits);
  reader_->limit_body(most);
  if (reader_->state() == RequestReader::State::failed) {
    refuse_fault(reader_->fault());
    return false;
  }
  const int64_t body = reader_->body_bytes().value_or(most);
  if (host_.counts().body_bytes + body > limits.all_bodies_bytes) {
    refuse_for_now("other requests' bodies fill the memory that is set apart for them");
    return false;
  }
  reserved_ = body;
  host_.counts().body_bytes += body;
  if (reader_->expects_continue() && body > 0) send(std::string(kContinue));
  // An upload has the pace of other bodies.
  set_phase(Phase::body, limits.body_time * (1 + body / std::max<int64_t>(1, limits.body_bytes)));
  return true;
}

void Connection::dispatch() {
  HttpRequest request = reader_->take();
  request.peer = head_.peer;
  request.id = head_.id;
  keep_alive_ = reader_->keep_alive() && !host_.draining();
  reader_.reset();
  phase_ = Phase::answering;
  ++serial_;
  finished_ = false;
  form_ = Form::none;
  long_wait_ = behind_ = false;
  status_ = 0;
  sent_bytes_ = 0;
  last_sent_ = Clock::now();
  note_.clear();
  comment_.clear();
  ++host_.counts().requests;
  ++host_.counts().answering;
  host_.dispatch(std::make_shared<PostedExchange>(host_.executor(), weak_from_this(), serial_,
                                                  std::move(request)));
}

// An answer to a request that is not read to its end: the connection cannot be used again.
void Connection::refuse(const HttpReply& reply) {
  ++host_.counts().requests;
  ++host_.counts().answering;
  ++serial_;
  reader_.reset();
  keep_alive_ = false;
  finished_ = false;
  form_ = Form::none;
  long_wait_ = behind_ = false;
  sent_bytes_ = 0;
  note_.clear();
  phase_ = Phase::answering;
  answer(serial_, reply);
}

void Connection::refuse_fault(const HttpFault& fault) {
  ++host_.counts().bad_requests;
  if (phase_ == Phase::header) {
    head_ = reader_ ? reader_->request() : HttpRequest{};
    head_.peer = peer_;
    head_.id = make_id("req_");
    began_ = Clock::now();
  }
  refuse({.status = fault.status,
          .body = host_.handler().error_body(head_, fault.status, fault.message)});
}

void Connection::refuse_for_now(const std::string& why) {
  refuse({.status = 503,
          .body = host_.handler().error_body(head_, 503, why),
          .headers = {{"Retry-After", std::string(kComeAgainSeconds)}}});
}

void Connection::tick(Clock::time_point now) {
  if (phase_ == Phase::closed) return;
  if (writing_ && now >= write_deadline_) {
    ++host_.counts().slow_readers;
    note_ += note_.empty() ? "slow-reader" : " slow-reader";
    return phase_ == Phase::answering ? lose_client() : close();
  }
  if (phase_ == Phase::answering) return keep_silence_short(now);
  if (now < deadline_) return;
  if (phase_ != Phase::header && phase_ != Phase::body) return close();
  ++host_.counts().timeouts;
  refuse_fault({408, phase_ == Phase::header ? "the header took too long to come"
                                             : "the body took too long to come"});
}

void Connection::end_when_idle() {
  keep_alive_ = false;
  if (phase_ == Phase::idle) close();
}

void Connection::close() {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  host_.counts().body_bytes -= std::exchange(reserved_, 0);
  host_.counts().answer_bytes -= std::exchange(out_bytes_, 0);
  transport_->close();
  host_.forget(*this);
}

// The client's end of the connection is gone while it was answered.
void Connection::lose_client() {
  if (!finished_) {
    ++host_.counts().gone_clients;
    --host_.counts().answering;
    status_ = 499;
    finished_ = true;
    write_log();
    if (const auto gone = std::exchange(gone_, nullptr)) gone();
    behind_changed_ = nullptr;
  }
  close();
}

void Connection::linger() {
  if (phase_ == Phase::closed) return;
  set_phase(Phase::lingering, kLingerTime);
  input_.clear();
  transport_->end_writing();
  pump();
}

}  // namespace hadal
