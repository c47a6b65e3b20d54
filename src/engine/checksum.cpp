// SPDX-License-Identifier: MIT
// Checksums over xxHash, which is compiled in from its header.
#include "engine/checksum.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstdio>

namespace hadal {

struct Checksum::State {
  XXH3_state_t xxh3;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  XXH3_INITSTATE(&state_->xxh3);
  XXH3_64bits_reset(&state_->xxh3);
}

Checksum::~Checksum() = default;

void Checksum::add_bytes(const void* bytes, int64_t count) {
  XXH3_64bits_update(&state_->xxh3, bytes, static_cast<size_t>(count));
}

void Checksum::add(std::string_view text) {
  const int64_t length = static_cast<int64_t>(text.size());
  add_bytes(&length, sizeof length);
  add_bytes(text.data(), length);
}

void Checksum::add(const Tensor& host_tensor) {
  add(std::to_string(static_cast<int>(host_tensor.dtype())) + shape_text(host_tensor.shape()));
  if (host_tensor.count() > 0) add_bytes(host_tensor.raw(), host_tensor.bytes());
}

int64_t Checksum::number() const {
  return static_cast<int64_t>(XXH3_64bits_digest(&state_->xxh3) >> 1);
}

std::string Checksum::text() const {
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx",
                static_cast<unsigned long long>(XXH3_64bits_digest(&state_->xxh3)));
  return digits.data();
}

}  // namespace hadal
