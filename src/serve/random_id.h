// SPDX-License-Identifier: MIT
// Names that nobody can guess and that never meet: ids of replies, keys, secrets.
//
//   std::string id = make_id("chatcmpl-");     // "chatcmpl-" and 32 hex digits: 128 random bits
//
// From the system's generator, by OpenSSL.  Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hadal {

// `count` random bytes.  A machine without randomness stops the program: nothing may go on there.
std::string random_bytes(int64_t count);
std::string to_hex(std::string_view bytes);
std::string make_id(std::string_view prefix);

}  // namespace hadal
