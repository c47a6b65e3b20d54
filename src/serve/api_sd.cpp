// SPDX-License-Identifier: MIT
// The API: AUTOMATIC1111's paths, for programs that know no others.
#include "serve/api.h"
#include "serve/json_reply.h"
#include "serve/picture_reply.h"
#include "serve/pictures.h"
#include "serve/sd_codec.h"

namespace hadal {

ApiStatus Api::sd_txt2img(const Asked& asked) {
  return answer_sd(asked, read_txt2img);
}

ApiStatus Api::sd_img2img(const Asked& asked) {
  return answer_sd(asked, read_img2img);
}

ApiStatus Api::answer_sd(const Asked& asked, SdReader read) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  TRY(ImageCall call, read(body, pictures->artist().limits(), model_.id));
  TRY_STATUS(check_order(pictures->artist(), call.order));
  std::unique_ptr<PictureWriter> writer = make_sd_writer(call, model_.id);
  return answer_picture(asked, call.user,
                        {.exchange = asked.exchange,
                         .key = asked.key,
                         .writer = std::move(writer),
                         .order = std::move(call.order),
                         .family = ErrorFamily::a1111,
                         .headers = ignored_headers(call.ignored)});
}

ApiStatus Api::sd_models(const Asked& asked) {
  TRY_STATUS(pictures_or_refusal());
  reply_json(*asked.exchange, OrderedJson::array({{{"title", model_.id},
                                                   {"model_name", model_.id},
                                                   {"hash", model_.fingerprint},
                                                   {"sha256", nullptr},
                                                   {"filename", model_.id},
                                                   {"config", nullptr}}}));
  return Ok{};
}

ApiStatus Api::sd_samplers(const Asked& asked) {
  TRY_STATUS(pictures_or_refusal());
  reply_json(*asked.exchange, OrderedJson::array({{{"name", kSampler},
                                                   {"aliases", OrderedJson::array()},
                                                   {"options", OrderedJson::object()}}}));
  return Ok{};
}

// Programs set the model before they ask for pictures: it can be set to what it is.
ApiStatus Api::sd_options(const Asked& asked) {
  TRY_STATUS(pictures_or_refusal());
  if (asked.exchange->request().method == "POST") {
    TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
    JsonFields fields(body, "");
    TRY_STATUS(
        fields.only("sd_model_checkpoint", {"", model_.id}, model_.id + " is what is served"));
    if (const std::vector<std::string> others = fields.unread(); !others.empty())
      return bad_field(others.front(), "cannot be changed");
    reply_json(*asked.exchange, nullptr);
    return Ok{};
  }
  reply_json(*asked.exchange, {{"sd_model_checkpoint", model_.id}, {"samples_format", "png"}});
  return Ok{};
}

ApiStatus Api::sd_progress(const Asked& asked) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  const std::optional<double> part = pictures->progress(owner_of(asked));
  reply_json(*asked.exchange, {{"progress", part.value_or(0)},
                               {"eta_relative", 0},
                               {"state", {{"job_count", part ? 1 : 0}, {"interrupted", false}}},
                               {"current_image", nullptr},
                               {"textinfo", nullptr}});
  return Ok{};
}

}  // namespace hadal
