// SPDX-License-Identifier: MIT
// The visual tokenizer's parameters: first values for a fresh run, and the files of a trained one.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/safetensors.h"
#include "model/visual_tokenizer_network.h"
#include "train/parameters.h"
#include "train/tokenizer_config.h"
#include "train/tokenizer_worker.h"

namespace hadal {

// Those of the folder that the configuration starts from, or first values, which depend on the seed
// and the tensor's name alone.  Encoders that stay as they are want no gradient.
Result<Parameters> tokenizer_parameters(const TokenizerTrainConfig& config);

// Scales that change nothing: those of a fresh run, and of tensors that have theirs folded in.
CodeScales unit_scales(const VisualTokenizerConfig& config);

// The tensors of visual_tokenizer.safetensors: matrices in BF16, vectors in F32, the scales of
// pre-codes folded into the encoder's last layer.
std::vector<NamedTensor> tokenizer_tensors(const Parameters& parameters, const CodeScales& scales);

Status write_tokenizer(const std::string& folder, const VisualTokenizerConfig& config,
                       const std::vector<NamedTensor>& tensors);

}  // namespace hadal
