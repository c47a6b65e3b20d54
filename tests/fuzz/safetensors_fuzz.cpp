// SPDX-License-Identifier: MIT
// No bytes may make the reader of safetensors touch memory that is not theirs.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const hadal::Result<hadal::Safetensors> file =
      hadal::Safetensors::parse(std::string(reinterpret_cast<const char*>(bytes), size), "input");
  if (!file) return 0;
  // Every byte of every tensor is inside the file, and no two tensors share one.
  uint64_t sum = 0;
  int64_t all_bytes = 0;
  for (const auto& [name, tensor] : file->tensors()) {
    for (int64_t i = 0; i < tensor.bytes(); ++i) sum += tensor.raw()[i];
    all_bytes += tensor.bytes();
  }
  if (all_bytes > static_cast<int64_t>(size)) std::abort();
  volatile uint64_t kept = sum;
  (void)kept;
  return 0;
}
