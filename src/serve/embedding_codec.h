// SPDX-License-Identifier: MIT
// Embeddings, in and out: POST /v1/embeddings.
//
//   TRY(EmbeddingCall call, read_embedding_call(body));
//   TRY(ids, embedding_ids(model, call));                     // of each input
//   embedding_json(model.id, call.base64, vectors, tokens)
//
// An embedding is the mean of what the model's output head reads behind each token, of unit length
// (engine/text_embedding.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "serve/served_model.h"
#include "serve/text_call.h"

namespace hadal {

struct EmbeddingCall {
  TextCall common;  // model and user
  std::vector<std::variant<std::string, std::vector<int64_t>>> inputs;
  std::optional<int64_t> dimensions;
  bool base64 = false;
};

ApiResult<EmbeddingCall> read_embedding_call(const OrderedJson& body);
// Within the model's vocabulary and context.
ApiResult<std::vector<std::vector<int64_t>>> embedding_ids(const ServedModel& model,
                                                           const EmbeddingCall& call);
OrderedJson embedding_json(const std::string& model, bool base64,
                           const std::vector<std::vector<float>>& vectors, int64_t tokens);

}  // namespace hadal
