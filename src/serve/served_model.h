// SPDX-License-Identifier: MIT
// The model that is served: what the API must know of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "serve/answer_forms.h"
#include "serve/viewer.h"
#include "serve/worker.h"
#include "text/chat.h"
#include "text/tokenizer.h"

namespace hadal {

struct ServedModel {
  std::string id;                // what replies and /v1/models call it
  std::vector<int64_t> end_ids;  // tokens that end an answer
  const Tokenizer& tokenizer;
  GenerationWorker& worker;
  Dialect dialect = Dialect::v41;
  bool thinks = true;                            // unless a request says otherwise
  double temperature = 1;                        // unless a request says otherwise
  double top_p = 1;                              // unless a request says otherwise
  std::string fingerprint;                       // of the weights
  std::string quantization = "bf16";             // how the weights are stored
  int64_t created = 0;                           // when it was opened, seconds since 1970
  std::shared_ptr<AnswerForms> forms = nullptr;  // null: answers cannot be held to one
  int64_t default_output = 4096;                 // tokens of an answer whose request names no limit
  Viewer* viewer = nullptr;                      // null: the model reads text only
};

}  // namespace hadal
