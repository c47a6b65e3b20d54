// SPDX-License-Identifier: MIT
// API keys: made, taken apart, compared.
//
//   ApiKey key = ApiKey::make();                     // "hk-1f6a0c9be2d4-<64 hex digits>"
//   std::optional<ApiKey> shown = ApiKey::parse(text_of_a_header);
//   bool right = same_hash(shown->hash(), stored);
//
// The part after the second dash is 32 random bytes, so one round of SHA-256 is all that is kept of
// it: nobody guesses 256 bits, slow hashes are for passwords.  The part before names the key and is
// no secret.  Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hadal {

struct ApiKey {
  std::string id;    // 12 hex digits
  std::string text;  // the whole of it; shown once, when it is made

  static ApiKey make();
  // Nothing, if it is no key of ours.
  static std::optional<ApiKey> parse(std::string_view text);
  // SHA-256 of the text: 32 bytes.
  std::string hash() const;
};

// In a time that does not depend on where they differ.
bool same_hash(std::string_view a, std::string_view b);

// HMAC-SHA-256, as hex digits.
std::string signature_of(std::string_view text, std::string_view secret);

}  // namespace hadal
