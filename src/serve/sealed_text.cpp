// SPDX-License-Identifier: MIT
// Sealed text.
#include "serve/sealed_text.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <memory>

#include "base/result.h"
#include "serve/base64.h"
#include "serve/random_id.h"

namespace hadal {
namespace {

constexpr size_t kKeyBytes = 32, kNonceBytes = 12, kTagBytes = 16;
// The secret signs, too: what it seals with is another key.
constexpr std::string_view kPurpose = "sealed text";

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Cipher new_cipher() {
  Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  CHECK(cipher, "no memory for a cipher");
  return cipher;
}

std::string key_of(std::string_view secret) {
  std::string key(kKeyBytes, '\0');
  unsigned int length = 0;
  const unsigned char* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                   bytes_of(kPurpose), kPurpose.size(), bytes_of(key), &length);
  CHECK(made && length == kKeyBytes, "HMAC-SHA-256 is missing in OpenSSL");
  return key;
}

}  // namespace

std::string seal_text(std::string_view text, std::string_view secret) {
  const std::string key = key_of(secret), nonce = random_bytes(kNonceBytes);
  const Cipher cipher = new_cipher();
  std::string sealed(text.size(), '\0'), tag(kTagBytes, '\0');
  int length = 0, rest = 0;
  const bool made =
      EVP_EncryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), bytes_of(std::string_view(key)),
                          bytes_of(std::string_view(nonce)), nullptr) == 1 &&
      EVP_EncryptUpdate(cipher.get(), bytes_of(sealed), &length, bytes_of(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), bytes_of(sealed) + length, &rest) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1;
  CHECK(made, "AES-256-GCM is missing in OpenSSL");
  return to_base64(nonce + sealed + tag);
}

std::optional<std::string> open_sealed_text(std::string_view sealed, std::string_view secret) {
  const std::optional<std::string> bytes = from_base64(sealed);
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::string_view nonce = std::string_view(*bytes).substr(0, kNonceBytes);
  const std::string_view inside =
      std::string_view(*bytes).substr(kNonceBytes, bytes->size() - kNonceBytes - kTagBytes);
  std::string tag = bytes->substr(bytes->size() - kTagBytes), text(inside.size(), '\0');
  const std::string key = key_of(secret);
  const Cipher cipher = new_cipher();
  int length = 0, rest = 0;
  const bool opened =
      EVP_DecryptInit_ex2(cipher.get(), EVP_aes_256_gcm(), bytes_of(std::string_view(key)),
                          bytes_of(nonce), nullptr) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(text), &length, bytes_of(inside),
                        static_cast<int>(inside.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes_of(text) + length, &rest) == 1;
  return opened ? std::optional<std::string>(std::move(text)) : std::nullopt;
}

}  // namespace hadal
