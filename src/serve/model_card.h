// SPDX-License-Identifier: MIT
// What /v1/models says of the model: OpenAI's four fields and our own.
//
//   OrderedJson card = model_card(model, senses, prices, now);
//
// Stateless; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "serve/accounts.h"
#include "serve/served_model.h"
#include "text/bounded_json.h"

namespace hadal {

// What goes into the model beside text, and what comes out of it.
struct Senses {
  bool looks = false, draws = false, films = false;

  OrderedJson input() const;   // ["text", "image", "video"]
  OrderedJson output() const;  // ["text", "image", "video"]
};

// `prices` as they were set; those that hold at `now`, seconds since 1970, are told.
OrderedJson model_card(const ServedModel& model, const Senses& senses,
                       const std::vector<Price>& prices, int64_t now);

}  // namespace hadal
