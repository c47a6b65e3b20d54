// SPDX-License-Identifier: MIT
// API keys.
#include "serve/api_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/result.h"
#include "serve/random_id.h"

namespace hadal {
namespace {

constexpr std::string_view kPrefix = "hk-";
constexpr size_t kIdDigits = 12;
constexpr size_t kSecretDigits = 64;
constexpr size_t kHashBytes = 32;

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

ApiKey ApiKey::make() {
  const std::string id = to_hex(random_bytes(kIdDigits / 2));
  return {id, std::string(kPrefix) + id + "-" + to_hex(random_bytes(kSecretDigits / 2))};
}

std::optional<ApiKey> ApiKey::parse(std::string_view text) {
  if (text.size() != kPrefix.size() + kIdDigits + 1 + kSecretDigits) return std::nullopt;
  if (!text.starts_with(kPrefix)) return std::nullopt;
  const std::string_view id = text.substr(kPrefix.size(), kIdDigits);
  const std::string_view secret = text.substr(text.size() - kSecretDigits);
  if (!is_hex(id) || !is_hex(secret) || text[kPrefix.size() + kIdDigits] != '-')
    return std::nullopt;
  return ApiKey{std::string(id), std::string(text)};
}

std::string ApiKey::hash() const {
  std::string digest(kHashBytes, '\0');
  unsigned int length = 0;
  const int made =
      EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
                 EVP_sha256(), nullptr);
  CHECK(made == 1 && length == kHashBytes, "SHA-256 is missing in OpenSSL");
  return digest;
}

bool same_hash(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string signature_of(std::string_view text, std::string_view secret) {
  std::string digest(kHashBytes, '\0');
  unsigned int length = 0;
  const unsigned char* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                   reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                                   reinterpret_cast<unsigned char*>(digest.data()), &length);
  CHECK(made && length == kHashBytes, "HMAC-SHA-256 is missing in OpenSSL");
  return to_hex(digest);
}

}  // namespace hadal
