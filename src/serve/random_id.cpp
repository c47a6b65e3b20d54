// SPDX-License-Identifier: MIT
// Names that nobody can guess.
#include "serve/random_id.h"

#include <openssl/rand.h>

#include "base/result.h"

namespace hadal {

std::string random_bytes(int64_t count) {
  std::string bytes(static_cast<size_t>(count), '\0');
  const int made =
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count));
  CHECK(made == 1, "the system gives no random bytes");
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value >> 4];
    text += kDigits[value & 15];
  }
  return text;
}

std::string make_id(std::string_view prefix) {
  constexpr int64_t kIdBytes = 16;  // of tool calls they are cache keys: more than 96 bits
  return std::string(prefix) + to_hex(random_bytes(kIdBytes));
}

}  // namespace hadal
