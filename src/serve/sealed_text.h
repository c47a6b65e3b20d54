// SPDX-License-Identifier: MIT
// Text that a client keeps for the server: without the secret nobody reads it, or changes it
// unseen.
//
//   std::string sealed = seal_text("what was thought", secret);            // base64
//   std::optional<std::string> text = open_sealed_text(sealed, secret);    // nothing: none of ours
//
// AES-256 in Galois/counter mode: 12 random bytes, the text enciphered, a tag of 16.  Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hadal {

std::string seal_text(std::string_view text, std::string_view secret);
std::optional<std::string> open_sealed_text(std::string_view sealed, std::string_view secret);

}  // namespace hadal
