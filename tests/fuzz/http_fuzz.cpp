// SPDX-License-Identifier: MIT
// What comes in at a socket, as hostile input.  The first byte says where the rest is cut in two;
// the request must be the same as uncut.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/request_reader.h"

namespace {

using hadal::RequestReader;

// No request: more must come, or there is a fault.  When a fault in a header that has not come to
// its end is seen depends on the cut.
constexpr const char* kNone = "none";

// The request and how it ended, as one string.
std::string read(std::string_view bytes, size_t cut) {
  hadal::HttpLimits limits;
  limits.header_bytes = 4096;
  limits.body_bytes = 65536;
  RequestReader reader(limits);
  std::string held;
  for (std::string_view piece : {bytes.substr(0, cut), bytes.substr(cut)}) {
    held += piece;
    for (size_t used = 1; used > 0 && !held.empty();) {
      used = reader.feed(held);
      CHECK(used <= held.size(), used);
      held.erase(0, used);
      if (reader.state() == RequestReader::State::failed) return kNone;
      if (reader.state() == RequestReader::State::done) break;
    }
  }
  if (reader.state() != RequestReader::State::done) return kNone;
  const bool stays = reader.keep_alive();
  const hadal::HttpRequest request = reader.take();
  std::string all = request.method + " " + request.path + "?" + request.query + "\n";
  for (const auto& [name, value] : request.headers) all += name + ": " + value + "\n";
  return all + request.body + (stays ? "+" : "-") + held;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const std::string whole = read(text, text.size());
  const std::string cut = read(text, text.empty() ? 0 : bytes[0] % text.size());
  CHECK(whole == cut, "cut: ", cut.substr(0, 200), " whole: ", whole.substr(0, 200));
  return 0;
}
