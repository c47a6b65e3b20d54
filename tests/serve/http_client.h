// SPDX-License-Identifier: MIT
// A client of bytes: what it sends and gets is exactly what the test says.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

namespace hadal {

class HttpClient {
 public:
  explicit HttpClient(uint16_t port, int receive_buffer = 0) {
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~HttpClient() { close_now(); }
  HttpClient(HttpClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), got_(std::move(other.got_)) {}

  void close_now() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }

  // False: the server has closed.
  bool send(const std::string& bytes) const {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t now = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += static_cast<size_t>(now);
    }
    return true;
  }

  // What came, once it holds `text` or the server has closed or nothing came for long.
  const std::string& until(const std::string& text, int patience_ms = 30'000) {
    while (got_.find(text) == std::string::npos && read_some(patience_ms)) {
    }
    return got_;
  }
  const std::string& until_closed(int patience_ms = 30'000) {
    while (read_some(patience_ms)) {
    }
    return got_;
  }
  // What is there next; false: nothing came for long.
  bool more() { return read_some(30'000); }
  // As one who reads a little at a time.
  const std::string& slowly_until(const std::string& text) {
    while (got_.find(text) == std::string::npos && read_some(30'000, 256))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return got_;
  }
  // No more is sent; what is said can still be heard.
  void half_close() const { shutdown(socket_, SHUT_WR); }
  // One whole answer with a known length; the next one begins anew.
  std::string answer() {
    const size_t head = until("\r\n\r\n").find("\r\n\r\n");
    if (head == std::string::npos) return std::exchange(got_, {});
    const size_t at = got_.find("Content-Length: ");
    if (at == std::string::npos || at > head) {
      ADD_FAILURE() << "no length in " << got_.substr(0, head);
      return got_;
    }
    const size_t whole = head + 4 + std::stoul(got_.substr(at + 16));
    while (got_.size() < whole && read_some(30'000)) {
    }
    const std::string answer = got_.substr(0, whole);
    got_.erase(0, whole);
    return answer;
  }
  const std::string& got() const { return got_; }
  bool closed() const { return closed_; }

 private:
  bool read_some(int patience_ms, size_t most = 65536) {
    pollfd ready{socket_, POLLIN, 0};
    if (poll(&ready, 1, patience_ms) != 1) return false;
    std::array<char, 65536> bytes{};
    const ssize_t count = recv(socket_, bytes.data(), std::min(most, bytes.size()), 0);
    closed_ = count <= 0;
    if (closed_) return false;
    got_.append(bytes.data(), static_cast<size_t>(count));
    return true;
  }

  int socket_ = -1;
  std::string got_;
  bool closed_ = false;
};

inline int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9)) : -1;
}

inline std::string body_of(const std::string& answer) {
  const size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}

// The chunks of a chunked answer, put together.
inline std::string dechunked(const std::string& answer) {
  std::string rest = body_of(answer), whole;
  while (!rest.empty()) {
    const size_t line = rest.find("\r\n");
    if (line == std::string::npos) break;
    const size_t size = std::stoul(rest, nullptr, 16);
    if (size == 0 || rest.size() < line + 2 + size) break;
    whole += rest.substr(line + 2, size);
    rest.erase(0, line + 2 + size + 2);
  }
  return whole;
}

inline std::string post_text(const std::string& path, const std::string& body,
                             const std::string& headers = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// A file, as a form sends it.
inline std::string upload_text(const std::string& path, const std::string& bytes) {
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n" +
      bytes + "\r\n--b--\r\n";
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string get_text(const std::string& path, const std::string& headers = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

}  // namespace hadal
