// SPDX-License-Identifier: MIT
// What goes in and out over HTTP, as plain values; and the limits on all of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hadal {

struct HttpLimits {
  // Keys, cookies and trace ids of every known client stay under a fourth of it.
  int64_t header_bytes = 16 << 10;
  // A million tokens are about 5 MB of JSON; the rest is room for pictures in data URLs.
  int64_t body_bytes = 64 << 20;
  // Of a request that brings a file to keep, where the handler allows it; 0: as any other.
  int64_t upload_bytes = 0;
  // Of all requests that are being read or prepared: what memory they may take together.
  int64_t all_bodies_bytes = 512 << 20;
  int64_t connections = 512;                      // each costs about 50 kB; a browser opens six
  std::chrono::milliseconds header_time{20'000};  // slower is no client but a slow loris
  std::chrono::milliseconds body_time{120'000};   // 64 MB at 4 Mbit/s
  std::chrono::milliseconds idle_time{120'000};  // between requests; proxies close after 60 to 75 s
  // In which a reader must take the next 64 kB, or what there is of them.
  std::chrono::milliseconds write_time{30'000};
  // Silence after which a comment is sent: proxies cut what is silent for 30 s.
  std::chrono::milliseconds comment_time{10'000};
  // A reader that lets so much wait is behind: its answer pauses.
  int64_t behind_bytes = 256 << 10;
};

using HttpHeader = std::pair<std::string, std::string>;

struct HttpRequest {
  std::string method;
  std::string path;   // percent signs decoded, without the query
  std::string query;  // as it came
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case
  std::string body;
  std::string peer;  // its address, for the log
  std::string id;    // "req_…", made here: headers of the client name nothing of ours
  bool version_11 = true;

  // Empty if it is not there.
  std::string_view header(std::string_view name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<HttpHeader> headers = {};
};

}  // namespace hadal
