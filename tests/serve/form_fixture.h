// SPDX-License-Identifier: MIT
// What an answer is held to, asked through the API.
#pragma once

#include <string>

#include "api_fixture.h"

namespace hadal {

class FormTest : public ApiTest {
 protected:
  TokenConstraint& form() { return *worker_.last.constraint; }
  bool allows(int64_t token) {
    const std::span<const uint64_t> mask = form().allowed();
    return mask.empty() ||
           (mask[static_cast<size_t>(token) / 64] >> (static_cast<uint64_t>(token) % 64) & 1) != 0;
  }
  // Whether the form lets this be the answer, as the tokenizer spells it.
  bool accepts(const std::string& text) {
    for (const int32_t id : tokenizer_->encode_with_control(text)) {
      if (!allows(id)) return false;
      form().accept(id);
    }
    return allows(*tokenizer_->eos());
  }
  // Asks, and says whether `text` could be the answer.
  bool answer_may_be(const std::string& path, const nlohmann::json& body, const std::string& text) {
    script("x");
    worker_.last = {};
    const auto exchange = post(path, body);
    exchange->wait();
    EXPECT_EQ(exchange->answer.status, 200) << exchange->answer.body;
    return worker_.last.constraint && accepts(text);
  }
};

}  // namespace hadal
