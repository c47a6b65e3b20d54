// SPDX-License-Identifier: MIT
// No text may make the reader of visual_tokenizer.json fail otherwise than with an Error, and what
// it accepts is consistent: it survives being written and read, and calls for tensors whose shapes
// follow each other.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "model/visual_tokenizer_network.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "visual_tokenizer_fuzz: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using hadal::VisualTokenizerConfig;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const hadal::Result<VisualTokenizerConfig> config = VisualTokenizerConfig::parse(text, "input");
  if (!config) return 0;
  const hadal::Result<VisualTokenizerConfig> again =
      VisualTokenizerConfig::parse(config->to_json(), "again");
  require(static_cast<bool>(again), again ? "" : again.error().message.c_str());
  require(*again == *config, "to_json() is another configuration");
  require(config->codes() >= 2 && config->patch_values() > 0, "sizes overflow");
  int64_t count = 0;
  for (const hadal::VisualTensor& tensor : visual_tensor_list(*config)) {
    int64_t values = 1;
    for (int64_t side : tensor.shape) values *= side;
    require(values > 0, "a tensor without values");
    count += values;
  }
  require(count > 0, "parameters overflow");
  return 0;
}
