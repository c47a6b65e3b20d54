// SPDX-License-Identifier: MIT
// Clients of the soak: each does one thing after the other, well or badly, until it is told to
// rest.
//
//   SoakClient client(port, seed);
//   while (time_is_left) client.act(tally);
//   client.rest();                              // nothing of it is left at the server
//
// A client is of one thread, and has a tally of its own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"

namespace hadal {

struct LoopbackAnswer {
  int status = 0;
  bool closes = false;  // the connection is not to be used again
  std::string body;     // put together, if it came in chunks
};

// Plain bytes to and from a server on this machine.
class LoopbackConnection {
 public:
  // A small buffer makes a slow reader of who does not read.
  static std::optional<LoopbackConnection> open(uint16_t port, int receive_buffer = 0);
  LoopbackConnection(LoopbackConnection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), got_(std::move(other.got_)) {}
  LoopbackConnection& operator=(LoopbackConnection&& other) noexcept;
  ~LoopbackConnection() { close(); }

  bool send(std::string_view bytes);
  // Up to so many bytes more; false: it was closed, or nothing came for a minute.
  bool read_some(size_t most = 65536);
  // A whole answer; nothing if it did not come.
  std::optional<LoopbackAnswer> answer();
  const std::string& got() const { return got_; }
  // No more is sent; what is said can still be heard.
  void half_close();
  // As from a machine that was switched off.
  void reset();
  void close();

 private:
  explicit LoopbackConnection(int socket) : socket_(socket) {}

  int socket_ = -1;
  std::string got_;
};

enum class SoakAct : uint8_t {
  whole,
  streamed,
  vanished,
  slow_reader,
  half_open,
  agent_turn,
  held_to_form,
  counted,
  picture,
  bad_json,
  bad_http,
  no_such_path,
  too_long,
  acts
};
inline constexpr size_t kSoakActs = static_cast<size_t>(SoakAct::acts);
std::string_view soak_act_name(SoakAct act);

struct SoakTally {
  std::array<int64_t, kSoakActs> right{}, refused{}, wrong{};
  std::array<std::vector<float>, kSoakActs> seconds;  // of those that were right
  int64_t prompt_tokens = 0, hit_tokens = 0;          // of agents' turns
  std::vector<std::string> faults;                    // the first few

  void add(const SoakTally& other);
};

class SoakClient {
 public:
  SoakClient(uint16_t port, uint64_t seed, bool paints);

  void act(SoakTally& tally);
  void rest();

 private:
  // Empty: it went as it should.
  using Fault = std::string;

  SoakAct choose();
  Fault perform(SoakAct act, SoakTally& tally);
  // Over the connection that stays, or a new one.
  std::optional<LoopbackAnswer> ask(const std::string& request);
  Fault expect(const std::string& request, int status, std::string_view within = {});
  Fault stream(bool slowly);
  Fault vanish();
  Fault half_open();
  Fault agent_turn(SoakTally& tally);
  Fault held_to_form();
  std::string chat(std::string_view more);

  const uint16_t port_;
  const bool paints_;
  Random random_;
  bool was_refused_ = false;
  std::optional<LoopbackConnection> kept_;
  std::vector<LoopbackConnection> forgotten_;  // half-open, until it rests
  std::string conversation_;                   // of the agent: messages, as JSON
  int64_t turns_ = 0;
};

}  // namespace hadal
