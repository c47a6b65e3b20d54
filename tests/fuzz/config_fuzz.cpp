// SPDX-License-Identifier: MIT
// No text may make the reader of config.json fail otherwise than with an Error, and what it
// accepts is consistent: it survives being written and read, and its schedule can be walked.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "model/config.h"
#include "model/figures.h"

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "config_fuzz: %s\n", what);
  std::abort();
}

void walk(const hadal::ModelConfig& config) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const int64_t rows = config.kv_source_of(layer), choice = config.index_source_of(layer);
    require(rows <= layer && choice <= layer, "a source lies behind its reader");
    require(rows < 0 || config.ratio(rows) == config.ratio(layer), "ratios differ");
    require((config.ratio(layer) > 0) == (rows >= 0), "a layer without rows");
  }
  const int64_t start = config.decoder_start();
  require(start >= 0 && start <= config.layers, "decoder_start");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const hadal::Result<hadal::ModelConfig> config = hadal::ModelConfig::parse(text, "input");
  if (!config) return 0;
  walk(*config);
  const hadal::Result<hadal::ModelConfig> again =
      hadal::ModelConfig::parse(config->to_json(), "again");
  require(static_cast<bool>(again), again ? "" : again.error().message.c_str());
  require(*again == *config, "to_json() is another configuration");
  // Lists of hundreds of thousands of tensors are right, and slow to fuzz.
  const int64_t experts = config->experts + config->draft.experts;
  if ((config->layers + config->draft.layers) * experts <= 4096 && config->vision.layers <= 256) {
    require(hadal::count_parameters(*config).all().total > 0, "parameters overflow");
    require(hadal::count_stored(*config).all_bytes() > 0, "bytes overflow");
  }
  return 0;
}
