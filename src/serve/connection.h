// SPDX-License-Identifier: MIT
// One connection: requests in, answers out, one after the other; inside the room only.
//
//   idle ─► header ─► body ─► answering ─► idle …            every arrow has its time limit
//                └──────┴──────────┴─► lingering ─► closed
//
// Bytes are read all the time, so a client's farewell is seen while it is answered; what it sends
// early waits for its turn.  Lingering: after the last answer what still comes is thrown away for a
// moment, since closing over unread bytes would take the answer back from the client.
// All on the server's thread but for the exchange, which posts.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/http_server.h"
#include "serve/request_reader.h"
#include "serve/transport.h"

namespace hadal {

// What a connection needs of the server.
class ConnectionHost {
 public:
  virtual ~ConnectionHost() = default;
  virtual const HttpLimits& limits() const = 0;
  virtual HttpHandler& handler() = 0;
  virtual HttpCounts& counts() = 0;
  virtual bool draining() const = 0;
  virtual boost::asio::any_io_executor executor() = 0;
  virtual void dispatch(std::shared_ptr<Exchange> exchange) = 0;
  virtual void log(const std::string& line) = 0;
  virtual void forget(const class Connection& connection) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  // Without room its first request is told to come again.
  enum class Room { enough, none };
  Connection(ConnectionHost& host, std::unique_ptr<Transport> transport, std::string peer,
             Room room);
  void begin();
  void tick(Clock::time_point now);
  void close();
  // Draining: what is idle ends now, the rest after its answer.
  void end_when_idle();

  // What exchanges post here.  A serial that is not the current one comes too late.
  void answer(int64_t serial, const HttpReply& reply);
  void expect_long_wait(int64_t serial, std::vector<HttpHeader> headers);
  void begin_stream(int64_t serial, const std::vector<HttpHeader>& headers);
  void stream(int64_t serial, std::string bytes);
  void end_stream(int64_t serial);
  void watch(int64_t serial, std::function<void()> gone, std::function<void(bool)> behind);
  void set_comment(int64_t serial, std::string text);
  void set_note(int64_t serial, std::string text);
  void abandon(int64_t serial);

 private:
  enum class Phase { handshake, idle, header, body, answering, lingering, closed };

  void pump();
  void advance();
  bool header_came();
  void dispatch();
  void refuse(const HttpReply& reply);
  void refuse_fault(const HttpFault& fault);
  void refuse_for_now(const std::string& why);
  std::chrono::milliseconds header_time() const;
  void set_phase(Phase phase, std::chrono::milliseconds limit);
  void send(std::string bytes);
  void write_next();
  void wrote(bool well, size_t bytes);
  void finish_answer();
  void linger();
  void lose_client();
  void write_log() const;

  bool is_current(int64_t serial) const { return serial_ == serial && !finished_; }
  std::string header_text(int status, const std::string& type,
                          const std::vector<HttpHeader>& headers, int64_t length) const;
  std::string framed(std::string bytes) const;  // as a chunk
  void keep_silence_short(Clock::time_point now);
  void note_backlog();

  ConnectionHost& host_;
  std::unique_ptr<Transport> transport_;
  std::string peer_;
  const Room room_;
  Phase phase_ = Phase::handshake;
  Clock::time_point deadline_;
  std::array<char, 16384> chunk_{};
  std::string input_;
  bool reading_ = false, writing_ = false;
  std::optional<RequestReader> reader_;
  int64_t reserved_ = 0;  // of all_bodies_bytes

  std::deque<std::string> out_;
  size_t front_sent_ = 0;  // of the first of them
  int64_t out_bytes_ = 0;
  std::string writing_now_;
  Clock::time_point write_deadline_;

  // The answer.
  int64_t serial_ = 0;
  HttpRequest head_;  // of the current request, without its body
  enum class Form { none, whole, early, stream } form_ = Form::none;
  bool finished_ = true, keep_alive_ = false, long_wait_ = false, behind_ = false;
  int status_ = 0;
  int64_t sent_bytes_ = 0;
  Clock::time_point began_, last_sent_;
  std::function<void()> gone_;
  std::function<void(bool)> behind_changed_;
  std::string comment_, note_;
  std::vector<HttpHeader> early_headers_;  // of a reply that may take long
};

}  // namespace hadal
