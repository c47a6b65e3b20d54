// SPDX-License-Identifier: MIT
// The tensor list: every tensor that a configuration calls for, with its published name.
//
// One list drives everything that walks weights: the loader checks names, shapes and formats
// against it, `inspect` counts it, the trainer initialises and groups by it, and a checkpoint is
// written from it.  Source: model-spec §8.2.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config.h"

namespace hadal {

// What a tensor is part of: the rows of `inspect`'s table.
enum class Part {
  embedding,
  head,
  norms,
  attention,
  compressor,
  indexer,
  streams,
  router,
  shared_expert,
  experts,
  engram_table,
  engram_projection,
  draft,
  vision,
  codes
};
std::string_view part_name(Part part);

// How it is stored in a quantised checkpoint.
enum class Storing {
  plain_bf16,   // BF16
  plain_f32,    // F32
  table_i64,    // tid2eid
  fp8_blocks,   // F8_E4M3 + .scale F8_E8M0 in weight_block² tiles
  dense,        // fp8_blocks, or packed FP4 under WeightFormat::fp4: large, and little is lost
  expert,       // packed FP4 with a scale per 32 columns, or fp8_blocks
  engram_rows,  // F8_E4M3 with one E8M0 per 32 columns of a row
};

// Who trains it (§10.2, §10.3).
enum class TrainGroup { muon, muon_heads, adamw, adamw_no_decay, engram, frozen };

// First values for training.
enum class Initial { normal, ones, zeros, hc_base, hc_scale, hash_table };

struct TensorSpec {
  std::string name;  // published name, "layers.3.attn.wq_a.weight"
  Shape shape;       // logical shape [out, in]
  Part part = Part::norms;
  Storing storing = Storing::plain_bf16;
  TrainGroup group = TrainGroup::adamw;
  Initial initial = Initial::normal;
  int64_t layer = -1;   // -1: outside the layers; draft layers continue after the backbone
  int64_t expert = -1;  // routed experts: which
  int64_t heads = 1;    // muon_heads: how many equal row blocks are orthogonalised apart
};

// In the published order of modules.  `include_vision` and drafts are counted by inspect; the
// loader leaves out what it does not run.
std::vector<TensorSpec> tensor_list(const ModelConfig& config);

// A tensor of a checkpoint's file.
struct StoredTensor {
  std::string name;
  DType dtype;
  Shape shape;
  int64_t block_rows = 0, block_columns = 0;  // of quantised values: what shares a scale
};
// What a tensor of the list is in the files of a checkpoint in the configuration's format: the
// weight and, where it is quantised, its scales.  (For plain tensors readers should take BF16
// and F32 alike: published files are not known to agree, model-spec §12.5.)
std::vector<StoredTensor> stored_tensors(const TensorSpec& spec, const ModelConfig& config);

// Stored name of the scales that go with a quantised weight: ".weight" -> ".scale".
std::string scale_name(const std::string& weight_name);

}  // namespace hadal
