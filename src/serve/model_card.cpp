// SPDX-License-Identifier: MIT
// What /v1/models says of the model.
#include "serve/model_card.h"

#include <algorithm>

#include "serve/money.h"
#include "text/prompt.h"

namespace hadal {
namespace {

OrderedJson capabilities_of(const ServedModel& model, const Senses& senses) {
  OrderedJson list = {"completion", "chat", "tools", "prefix", "logprobs", "embeddings"};
  const Tokenizer& tokenizer = model.tokenizer;
  if (tokenizer.id_of(kThink) && tokenizer.id_of(kThinkEnd)) list.push_back("thinking");
  if (tokenizer.id_of(kFimHole)) list.push_back("fill_in_middle");
  if (model.forms) list.push_back("structured_output");
  if (senses.looks) list.push_back("vision");
  if (senses.draws) list.push_back("image_generation");
  if (senses.films) list.push_back("video_generation");
  return list;
}

// One object a currency; what was set last holds.  Tokens by the million.
OrderedJson pricing(const std::vector<Price>& prices, int64_t now) {
  OrderedJson list = OrderedJson::array();
  for (const Price& price : prices) {
    if (price.from > now || (price.until && *price.until <= now)) continue;
    const auto of_currency = std::find_if(list.begin(), list.end(), [&](const OrderedJson& one) {
      return one["currency"] == price.currency;
    });
    OrderedJson& told =
        of_currency == list.end()
            ? list.emplace_back(OrderedJson{{"currency", price.currency}, {"tokens", 1'000'000}})
            : *of_currency;
    std::string name(price_class_name(price.price_class));
    std::replace(name.begin(), name.end(), '-', '_');
    told[name] = money_text(price.amount);
  }
  return list;
}

}  // namespace

OrderedJson Senses::input() const {
  OrderedJson kinds = OrderedJson::array({"text"});
  if (looks) kinds.insert(kinds.end(), {"image", "video"});
  return kinds;
}

OrderedJson Senses::output() const {
  OrderedJson kinds = OrderedJson::array({"text"});
  if (draws) kinds.push_back("image");
  if (films) kinds.push_back("video");
  return kinds;
}

OrderedJson model_card(const ServedModel& model, const Senses& senses,
                       const std::vector<Price>& prices, int64_t now) {
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "hadal"},
          {"context_length", model.worker.context()},
          {"max_output_tokens", model.worker.context() - 1},
          {"modalities", senses.input()},
          {"output_modalities", senses.output()},
          {"capabilities", capabilities_of(model, senses)},
          {"pricing", pricing(prices, now)},
          {"state", "loaded"},  // while it is not, nothing but /health is answered
          {"quantization", model.quantization},
          {"default_temperature", model.temperature},
          {"fingerprint", model.fingerprint}};
}

}  // namespace hadal
