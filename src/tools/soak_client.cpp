// SPDX-License-Identifier: MIT
// What clients of a server do all day.
#include "tools/soak_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

namespace hadal {
namespace {

using nlohmann::json;
using SoakClock = std::chrono::steady_clock;

constexpr int kPatienceMs = 60'000;  // of a client: then its answer counts as lost
constexpr size_t kMostFaults = 10;
constexpr size_t kMostForgotten = 8;
constexpr int64_t kAgentTurns = 12;

std::string post(std::string_view path, const std::string& body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

// A whole number behind a header's name; -1: the header is not there.
int64_t header_number(std::string_view head, std::string_view name) {
  const size_t at = head.find(name);
  if (at == std::string_view::npos) return -1;
  int64_t number = -1;
  std::from_chars(head.data() + at + name.size(), head.data() + head.size(), number);
  return number;
}

// The chunks of a body put together, and where it ends; nothing while some are still to come.
std::optional<std::pair<std::string, size_t>> join_chunks(std::string_view bytes) {
  std::string whole;
  for (size_t at = 0;;) {
    const size_t line = bytes.find("\r\n", at);
    size_t size = 0;
    if (line == std::string_view::npos) return std::nullopt;
    std::from_chars(bytes.data() + at, bytes.data() + line, size, 16);
    if (bytes.size() < line + 4 + size) return std::nullopt;
    if (size == 0) return std::pair{std::move(whole), line + 4};
    whole += bytes.substr(line + 2, size);
    at = line + 4 + size;
  }
}

}  // namespace

std::optional<LoopbackConnection> LoopbackConnection::open(uint16_t port, int receive_buffer) {
  LoopbackConnection made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.socket_ < 0) return std::nullopt;
  if (receive_buffer > 0)
    setsockopt(made.socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(made.socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return std::nullopt;
  return made;
}

LoopbackConnection& LoopbackConnection::operator=(LoopbackConnection&& other) noexcept {
  if (this == &other) return *this;
  close();
  socket_ = std::exchange(other.socket_, -1);
  got_ = std::move(other.got_);
  return *this;
}

bool LoopbackConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool LoopbackConnection::read_some(size_t most) {
  pollfd ready{socket_, POLLIN, 0};
  if (poll(&ready, 1, kPatienceMs) != 1) return false;
  std::array<char, 65536> bytes{};
  const ssize_t count = recv(socket_, bytes.data(), std::min(most, bytes.size()), 0);
  if (count <= 0) return false;
  got_.append(bytes.data(), static_cast<size_t>(count));
  return true;
}

std::optional<LoopbackAnswer> LoopbackConnection::answer() {
  size_t head_bytes = 0;
  while ((head_bytes = got_.find("\r\n\r\n")) == std::string::npos)
    if (!read_some()) return std::nullopt;
  const std::string head = got_.substr(0, head_bytes);
  got_.erase(0, head_bytes + 4);
  LoopbackAnswer answer{.status = static_cast<int>(header_number(head, "HTTP/1.1 ")),
                        .closes = head.find("Connection: close") != std::string::npos,
                        .body = {}};
  const int64_t length = header_number(head, "Content-Length: ");
  if (length >= 0) {
    while (got_.size() < static_cast<size_t>(length))
      if (!read_some()) return std::nullopt;
    answer.body = got_.substr(0, static_cast<size_t>(length));
    got_.erase(0, static_cast<size_t>(length));
    return answer;
  }
  std::optional<std::pair<std::string, size_t>> joined;
  while (!(joined = join_chunks(got_)))
    if (!read_some()) return std::nullopt;
  answer.body = std::move(joined->first);
  got_.erase(0, joined->second);
  return answer;
}

void LoopbackConnection::half_close() {
  shutdown(socket_, SHUT_WR);
}

void LoopbackConnection::reset() {
  const linger at_once{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void LoopbackConnection::close() {
  if (socket_ >= 0) ::close(std::exchange(socket_, -1));
}

std::string_view soak_act_name(SoakAct act) {
  static constexpr std::array<std::string_view, kSoakActs> kNames = {
      "whole answer",   "streamed answer", "gone in mid-stream", "slow reader", "half-open",
      "agent's turn",   "held to a form",  "counted tokens",     "picture",     "malformed JSON",
      "malformed HTTP", "no such path",    "too long a body"};
  return kNames[static_cast<size_t>(act)];
}

void SoakTally::add(const SoakTally& other) {
  for (size_t act = 0; act < kSoakActs; ++act) {
    right[act] += other.right[act];
    refused[act] += other.refused[act];
    wrong[act] += other.wrong[act];
    seconds[act].insert(seconds[act].end(), other.seconds[act].begin(), other.seconds[act].end());
  }
  prompt_tokens += other.prompt_tokens;
  hit_tokens += other.hit_tokens;
  for (const std::string& fault : other.faults)
    if (faults.size() < kMostFaults) faults.push_back(fault);
}

SoakClient::SoakClient(uint16_t port, uint64_t seed, bool paints)
    : port_(port), paints_(paints), random_(seed) {}

void SoakClient::rest() {
  kept_.reset();
  forgotten_.clear();
}

// Pictures are a hundred times dearer than the rest, and would be all that is measured.
SoakAct SoakClient::choose() {
  if (paints_ && random_.below(200) == 0) return SoakAct::picture;
  SoakAct act = SoakAct::picture;
  while (act == SoakAct::picture) act = static_cast<SoakAct>(random_.below(kSoakActs));
  return act;
}

void SoakClient::act(SoakTally& tally) {
  const SoakAct act = choose();
  const size_t index = static_cast<size_t>(act);
  was_refused_ = false;
  const SoakClock::time_point start = SoakClock::now();
  const Fault fault = perform(act, tally);
  if (was_refused_) {
    ++tally.refused[index];
    return;
  }
  if (fault.empty()) {
    ++tally.right[index];
    tally.seconds[index].push_back(std::chrono::duration<float>(SoakClock::now() - start).count());
    return;
  }
  ++tally.wrong[index];
  kept_.reset();
  if (tally.faults.size() < kMostFaults)
    tally.faults.push_back(std::string(soak_act_name(act)) + ": " + fault);
}

SoakClient::Fault SoakClient::perform(SoakAct act, SoakTally& tally) {
  switch (act) {
    case SoakAct::whole:
      return expect(post("/v1/chat/completions", chat("")), 200, "finish_reason");
    case SoakAct::streamed:
      return stream(false);
    case SoakAct::slow_reader:
      return stream(true);
    case SoakAct::vanished:
      return vanish();
    case SoakAct::half_open:
      return half_open();
    case SoakAct::agent_turn:
      return agent_turn(tally);
    case SoakAct::held_to_form:
      return held_to_form();
    case SoakAct::counted:
      return expect(post("/v1/messages/count_tokens",
                         R"({"messages":[{"role":"user","content":"How many?"}]})"),
                    200, "input_tokens");
    case SoakAct::picture:
      return expect(post("/v1/images/generations", R"({"prompt":"a red circle"})"), 200,
                    "b64_json");
    case SoakAct::bad_json:
      return expect(post("/v1/chat/completions", R"({"messages":[{"role":"user")"), 400);
    case SoakAct::bad_http:
      return expect("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
    case SoakAct::no_such_path:
      return expect(get("/v1/nothing"), 404);
    default:
      return expect(
          "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
          "application/json\r\nContent-Length: 9000000000\r\n\r\n",
          413);
  }
}

std::optional<LoopbackAnswer> SoakClient::ask(const std::string& request) {
  if (!kept_) kept_ = LoopbackConnection::open(port_);
  if (!kept_ || !kept_->send(request)) return std::nullopt;
  std::optional<LoopbackAnswer> answer = kept_->answer();
  if (!answer || answer->closes) kept_.reset();
  return answer;
}

// Who is told that there is no room was answered.
SoakClient::Fault SoakClient::expect(const std::string& request, int status,
                                     std::string_view within) {
  const std::optional<LoopbackAnswer> answer = ask(request);
  if (!answer) return "no answer";
  was_refused_ = status != answer->status && (answer->status == 429 || answer->status == 503);
  if (was_refused_) return {};
  if (answer->status != status)
    return "status " + std::to_string(answer->status) + ", " + answer->body.substr(0, 200);
  if (answer->body.find(within) == std::string::npos)
    return "an answer without " + std::string(within);
  return {};
}

std::string SoakClient::chat(std::string_view more) {
  return R"({"messages":[{"role":"user","content":"Tell me about number )" +
         std::to_string(random_.below(1000)) + R"("}],"max_tokens":)" +
         std::to_string(1 + random_.below(24)) + std::string(more) + "}";
}

SoakClient::Fault SoakClient::stream(bool slowly) {
  constexpr int kSmallBuffer = 2048;
  std::optional<LoopbackConnection> connection =
      LoopbackConnection::open(port_, slowly ? kSmallBuffer : 0);
  if (!connection || !connection->send(post("/v1/chat/completions", chat(R"(,"stream":true)"))))
    return "no connection";
  while (connection->got().find("\r\n0\r\n\r\n") == std::string::npos) {
    if (slowly) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (!connection->read_some(slowly ? 256 : 65536)) break;
    const std::string& got = connection->got();
    was_refused_ = got.starts_with("HTTP/1.1 503") || got.starts_with("HTTP/1.1 429");
    if (was_refused_) return {};
  }
  if (connection->got().find("data: [DONE]") == std::string::npos)
    return "a stream without its end: " + connection->got().substr(0, 200);
  return {};
}

// In the midst of an answer, politely or not.
SoakClient::Fault SoakClient::vanish() {
  std::optional<LoopbackConnection> connection = LoopbackConnection::open(port_);
  if (!connection || !connection->send(post("/v1/chat/completions", chat(R"(,"stream":true)"))))
    return "no connection";
  if (random_.below(2) == 0 && !connection->read_some()) return "no first byte";
  if (random_.below(2) == 0) connection->reset();
  return {};
}

// A part of a request, and then silence; or a whole one from who will say no more.
SoakClient::Fault SoakClient::half_open() {
  std::optional<LoopbackConnection> connection = LoopbackConnection::open(port_);
  if (!connection) return "no connection";
  const std::string request = post("/v1/chat/completions", chat(""));
  if (random_.below(3) == 0) {
    connection->send(request);
    connection->half_close();
    connection->answer();  // it may be given or not
    return {};
  }
  connection->send(
      request.substr(0, static_cast<size_t>(random_.below(static_cast<int64_t>(request.size())))));
  if (forgotten_.size() == kMostForgotten) forgotten_.erase(forgotten_.begin());
  forgotten_.push_back(std::move(*connection));
  return {};
}

// A conversation that grows, in the shape in which agents send it: all of it each time, behind a
// header whose second line changes.
SoakClient::Fault SoakClient::agent_turn(SoakTally& tally) {
  if (turns_++ % kAgentTurns == 0) conversation_.clear();
  const std::string message =
      json{{"role", "user"}, {"content", "Step " + std::to_string(turns_) + ": look again."}}
          .dump();
  conversation_ += (conversation_.empty() ? "" : ",") + message;
  const std::string body =
      R"({"system":[{"type":"text","text":"x-anthropic-billing-header: )" +
      std::to_string(random_.below(1 << 30)) +
      R"("},{"type":"text","text":"You are an agent who helps with programs."}],"max_tokens":8,)"
      R"("model":"claude-sonnet","messages":[)" +
      conversation_ + "]}";
  const std::optional<LoopbackAnswer> answer = ask(post("/v1/messages", body));
  was_refused_ = answer && (answer->status == 503 || answer->status == 429);
  const json told = answer ? json::parse(answer->body, nullptr, false) : json();
  if (!answer || answer->status != 200 || !told.contains("usage") || !told.contains("content")) {
    conversation_.clear();
    turns_ = 0;
    return answer ? "status " + std::to_string(answer->status) : "no answer";
  }
  std::string text;
  for (const json& block : told["content"]) text += block.value("text", "");
  conversation_ += "," + json{{"role", "assistant"}, {"content", text.empty() ? "." : text}}.dump(
                             -1, ' ', false, json::error_handler_t::replace);
  const int64_t hit = told["usage"].value("cache_read_input_tokens", int64_t{0});
  tally.hit_tokens += hit;
  tally.prompt_tokens += hit + told["usage"].value("input_tokens", int64_t{0}) +
                         told["usage"].value("cache_creation_input_tokens", int64_t{0});
  return {};
}

SoakClient::Fault SoakClient::held_to_form() {
  const std::optional<LoopbackAnswer> answer = ask(post(
      "/v1/chat/completions",
      R"({"messages":[{"role":"user","content":"A year?"}],"guided_regex":"(19|20)[0-9]{2}"})"));
  was_refused_ = answer && (answer->status == 503 || answer->status == 429);
  if (was_refused_) return {};
  if (!answer || answer->status != 200) return "no answer";
  const json told = json::parse(answer->body, nullptr, false);
  const json::json_pointer place("/choices/0/message/content");
  const std::string text = told.is_object() && told.contains(place) ? told[place].dump() : "";
  const bool fits = text.size() == 6 && (text.starts_with("\"19") || text.starts_with("\"20"));
  return fits ? "" : "left its form: " + text.substr(0, 100);
}

}  // namespace hadal
