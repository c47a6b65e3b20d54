// SPDX-License-Identifier: MIT
// Completions, in: the JSON of POST /v1/completions and of llama.cpp's /infill.  Out:
// make_completion_writer() and make_infill_writer().
//
// Stateless, any thread.
#pragma once

#include "serve/text_call.h"

namespace hadal {

struct InfillCall : CompletionCall {
  std::vector<std::string> wanted;  // of the answer's fields, as paths; empty: all
};

ApiResult<CompletionCall> read_completion_call(const OrderedJson& body);
ApiResult<InfillCall> read_infill_call(const OrderedJson& body);

// Token ids of an array, within the vocabulary.
ApiResult<std::vector<int64_t>> read_ids(const OrderedJson& array, const std::string& where,
                                         int64_t vocab);

}  // namespace hadal
