// SPDX-License-Identifier: MIT
// `hadal serve` as its users start it, with a folder of its own: what the soak looks at.
//
//   TRY(std::unique_ptr<SoakServer> server, SoakServer::start({"--model", "models/nano"}));
//   TRY(SoakLevels levels, server->levels());     // from its /metrics, and from the system
//   TRY(int code, server->terminate());           // SIGTERM; the exit code
//
// Listens on loopback alone.  Killed and its folder removed when this goes.  Any thread, but
// terminate().
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace hadal {

// What a server holds.  Between requests all but `resident_bytes` must be as it was at the start.
struct SoakLevels {
  int64_t running = 0, waiting = 0;  // answers
  int64_t pictures = 0;              // painted or waiting
  int64_t connections = 0, answering = 0;
  int64_t body_bytes = 0, answer_bytes = 0;
  int64_t slot_tokens = 0;  // of the cache, held by answers; in millionths of it
  int64_t resident_bytes = 0;

  bool operator==(const SoakLevels&) const = default;
  bool same_pools(SoakLevels other) const {
    other.resident_bytes = resident_bytes;
    return *this == other;
  }
};

class SoakServer {
 public:
  static Result<std::unique_ptr<SoakServer>> start(std::vector<std::string> options);
  ~SoakServer();

  uint16_t port() const { return port_; }
  bool alive() const;
  // Whether its model makes pictures.
  Result<bool> draws() const;
  Result<SoakLevels> levels() const;
  Result<int> terminate();

 private:
  SoakServer() = default;
  Result<std::string> page(const std::string& path) const;
  Status launch(const std::vector<std::string>& options);

  std::string folder_;
  pid_t process_ = -1;
  uint16_t port_ = 0;
};

}  // namespace hadal
