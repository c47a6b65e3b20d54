// SPDX-License-Identifier: MIT
// Pictures as answers in a chat.
#include "serve/picture_chat.h"

#include <algorithm>
#include <array>
#include <utility>

#include "serve/accounts.h"
#include "serve/base64.h"
#include "serve/shown_pictures.h"
#include "serve/video_codec.h"

namespace hadal {
namespace {

constexpr std::string_view kNameInMessage = "name a picture in the message";

// Of chat completions, and of no other API that has words for pictures.
constexpr std::array kChatFields = {"messages", "modalities",  "stream_options", "response_format",
                                    "tools",    "tool_choice", "logprobs"};

ApiStatus refuse_text_forms(JsonFields& fields) {
  constexpr std::string_view kDrawn = "the answer is drawn";
  TRY_STATUS(fields.only("tools", {OrderedJson::array()}, kDrawn));
  TRY_STATUS(fields.only("tool_choice", {"none", "auto"}, kDrawn));
  TRY_STATUS(fields.only("logprobs", {false}, kDrawn));
  return fields.only("response_format", {{{"type", "text"}}}, kDrawn);
}

// What a user's message holds: its text, its pictures' bytes, and its clips.
struct ShownMessage {
  std::string text;
  std::vector<std::string> pictures;
  std::vector<ShownPicture> clips;
  std::vector<std::string> ignored;
};

ApiResult<ShownMessage> read_shown_message(const OrderedJson& message, const std::string& where) {
  ShownMessage shown;
  JsonFields fields(message, where);
  const OrderedJson& content = fields.any("content");
  if (content.is_string()) {
    shown.text = content.get<std::string>();
    return shown;
  }
  if (!content.is_array())
    return bad_field(where + ".content", "found ", json_kind(content),
                     ", expected a string or parts");
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string here = where + ".content[" + std::to_string(i) + "]";
    if (!content[i].is_object()) return bad_field(here, "found ", json_kind(content[i]));
    JsonFields inside(content[i], here);
    TRY(const std::string type, inside.needed_text("type"));
    if (type == "text") {
      TRY(const std::string text, inside.needed_text("text"));
      shown.text += (shown.text.empty() ? "" : "\n") + text;
    } else if (type == "image_url") {
      TRY(std::optional<std::string> picture,
          read_picture({}, inside, "image_url", no_files(kNameInMessage)));
      if (!picture) return bad_field(here + ".image_url", "is missing");
      shown.pictures.push_back(std::move(*picture));
    } else if (is_clip_part(content[i])) {
      TRY(ShownPicture clip, read_clip_part(content[i], here, shown.ignored));
      shown.clips.push_back(std::move(clip));
    } else {
      return bad_field(here, "a part of type \"", type.substr(0, 40),
                       "\", expected text, image_url or video_url");
    }
  }
  return shown;
}

// The last message, and where it stands.
ApiResult<ShownMessage> read_caption(const OrderedJson& body) {
  JsonFields fields(body, "");
  TRY(const OrderedJson* const messages, fields.array("messages"));
  if (!messages || messages->empty())
    return bad_field("messages", "is missing or empty, expected a conversation");
  const std::string where = "messages[" + std::to_string(messages->size() - 1) + "]";
  const OrderedJson& last = messages->back();
  if (!last.is_object() || last.value("role", OrderedJson()) != "user")
    return bad_field(where, "expected the user's, which says what is to be drawn");
  TRY(ShownMessage shown, read_shown_message(last, where));
  if (shown.pictures.size() > 1)
    return bad_field(where + ".content", shown.pictures.size(), " pictures, expected at most one");
  if (!shown.clips.empty())
    return bad_field(shown.clips.front().where,
                     "a clip cannot be gone on from here; videos/extensions and videos/edits take "
                     "one that was made");
  return shown;
}

// The request in the words of the images or videos API.
ApiResult<Form> art_form(const OrderedJson& body, ChatArt art) {
  TRY(ShownMessage shown, read_caption(body));
  Form form;
  for (const auto& [name, value] : body.items())
    if (std::find(kChatFields.begin(), kChatFields.end(), name) == kChatFields.end())
      form.fields[name] = value;
  form.fields["prompt"] = shown.text;
  if (!shown.pictures.empty())
    form.files[art == ChatArt::clip ? "input_reference" : "image"] = std::move(shown.pictures);
  return form;
}

OrderedJson head(const ReplyFacts& facts, std::string_view object) {
  return {{"id", facts.id},
          {"object", object},
          {"created", facts.created},
          {"model", facts.model},
          {"system_fingerprint", facts.fingerprint}};
}

std::string part(const ReplyFacts& facts, OrderedJson delta, OrderedJson finish = nullptr,
                 size_t choice = 0) {
  OrderedJson body = head(facts, "chat.completion.chunk");
  body["choices"] = {{{"index", choice},
                      {"delta", std::move(delta)},
                      {"logprobs", nullptr},
                      {"finish_reason", std::move(finish)}}};
  if (facts.stream_usage) body["usage"] = nullptr;
  return sse(body);
}

std::string stream_end(const ReplyFacts& facts, OrderedJson usage, size_t last_choice = 0) {
  std::string text = part(facts, OrderedJson::object(), "stop", last_choice);
  if (facts.stream_usage) {
    OrderedJson last = head(facts, "chat.completion.chunk");
    last["choices"] = OrderedJson::array();
    last["usage"] = std::move(usage);
    text += sse(last);
  }
  return text + "data: [DONE]\n\n";
}

std::string whole_answer(const ReplyFacts& facts, std::vector<OrderedJson> messages,
                         OrderedJson usage) {
  OrderedJson body = head(facts, "chat.completion");
  body["choices"] = OrderedJson::array();
  for (OrderedJson& message : messages)
    body["choices"].push_back({{"index", body["choices"].size()},
                               {"message", std::move(message)},
                               {"logprobs", nullptr},
                               {"finish_reason", "stop"}});
  body["usage"] = std::move(usage);
  return dump_json(body);
}

OrderedJson usage_json(int64_t text, int64_t given, int64_t painted) {
  const int64_t prompt = text + given;
  return {{"prompt_tokens", prompt},
          {"prompt_cache_hit_tokens", 0},
          {"prompt_cache_miss_tokens", prompt},
          {"completion_tokens", painted},
          {"total_tokens", prompt + painted},
          {"prompt_tokens_details", {{"cached_tokens", 0}, {"image_tokens", given}}},
          {"completion_tokens_details", {{"reasoning_tokens", 0}, {"image_tokens", painted}}}};
}

OrderedJson usage_of_work(const Artwork& work, const std::optional<Bill>& bill) {
  OrderedJson usage = usage_json(work.text_tokens, work.given_cells, work.output_cells);
  if (bill) usage["cost"] = {{"currency", bill->currency}, {"amount", money_text(bill->amount)}};
  return usage;
}

OrderedJson images_json(const ArtFile& file) {
  return OrderedJson::array(
      {{{"type", "image_url"},
        {"image_url", {{"url", "data:image/png;base64," + to_base64(file.bytes)}}},
        {"index", 0},
        {"seed", file.seed}}});
}

OrderedJson clip_json(const std::string& id) {
  return OrderedJson::array({{{"type", "video_url"},
                              {"id", id},
                              {"video_url", {{"url", "/v1/videos/" + id + "/content"}}}}});
}

class PictureChatWriter : public PictureWriter {
 public:
  explicit PictureChatWriter(ReplyFacts facts) : facts_(std::move(facts)) {}

  std::string begin() override {
    std::string text;
    for (int64_t i = 0; i < facts_.answers; ++i)
      text +=
          part(facts_, {{"role", "assistant"}, {"content", ""}}, nullptr, static_cast<size_t>(i));
    return text;
  }
  std::string preview(int64_t, int64_t, std::string_view) override { return {}; }
  std::string end(const Artwork& work, const std::optional<Bill>& bill) override {
    std::string text;
    const size_t last = work.files.empty() ? 0 : work.files.size() - 1;
    for (size_t i = 0; i < work.files.size(); ++i) {
      text += part(facts_, {{"images", images_json(work.files[i])}}, nullptr, i);
      if (i < last) text += part(facts_, OrderedJson::object(), "stop", i);
    }
    return text + stream_end(facts_, usage_of_work(work, bill), last);
  }
  std::string failed(const ApiError& error) override {
    return "data: " + error_body(error, ErrorFamily::openai, {}) + "\n\n";
  }
  HttpReply whole(const Artwork& work, const std::optional<Bill>& bill) override {
    std::vector<OrderedJson> messages;
    for (const ArtFile& file : work.files)
      messages.push_back({{"role", "assistant"}, {"content", ""}, {"images", images_json(file)}});
    return {.status = 200,
            .body = whole_answer(facts_, std::move(messages), usage_of_work(work, bill))};
  }

 private:
  ReplyFacts facts_;
};

}  // namespace

ApiResult<ChatArt> read_modalities(const OrderedJson& body, const ChatArts& possible) {
  JsonFields fields(body, "");
  TRY(const OrderedJson* const modalities, fields.array("modalities"));
  ChatArt art = ChatArt::none;
  for (size_t i = 0; modalities && i < modalities->size(); ++i) {
    const std::string where = "modalities[" + std::to_string(i) + "]";
    const OrderedJson& one = (*modalities)[i];
    if (one == "text") continue;
    const bool picture = one == "image", clip = one == "video";
    if (!(picture && possible.pictures) && !(clip && possible.clips))
      return bad_field(where, "found ", one.dump().substr(0, 40), ", expected text",
                       possible.pictures ? " or image" : "", possible.clips ? " or video" : "",
                       ", which is what the model makes");
    const ChatArt wanted = picture ? ChatArt::picture : ChatArt::clip;
    if (art != ChatArt::none && art != wanted)
      return bad_field(where, "an answer is a picture or a video, not both");
    art = wanted;
  }
  return art;
}

ApiResult<PictureChatCall> read_picture_chat(const OrderedJson& body, const ArtLimits& limits,
                                             ChatArt art) {
  JsonFields fields(body, "");
  TRY_STATUS(refuse_text_forms(fields));
  PictureChatCall call;
  TRY(const std::optional<bool> stream, fields.flag("stream"));
  call.stream = stream.value_or(false);
  TRY(const OrderedJson* const options, fields.object("stream_options"));
  if (options) {
    JsonFields inside(*options, "stream_options");
    TRY(const std::optional<bool> usage, inside.flag("include_usage"));
    call.stream_usage = usage.value_or(false);
  }
  TRY(Form form, art_form(body, art));
  if (body.at("messages").size() > 1) call.ignored.emplace_back("messages");
  if (art == ChatArt::clip) {
    form.fields.erase("stream");
    TRY(VideoCall clip, read_video_call(form, limits, no_files(kNameInMessage)));
    call.order = std::move(clip.order);
    call.model = clip.model;
    call.user = clip.user;
    call.ignored.insert(call.ignored.end(), clip.ignored.begin(), clip.ignored.end());
    return call;
  }
  JsonFields art_fields(form.fields, "");
  TRY_STATUS(art_fields.only("output_format", {"png"}, "pictures in a chat are PNG files"));
  const ImageTask task = form.has_file("image") ? ImageTask::edit : ImageTask::generate;
  TRY(ImageCall picture, read_image_call(form, limits, task, no_files(kNameInMessage)));
  call.order = std::move(picture.order);
  // Every picture in a delta is one of the answer's.
  if (std::exchange(call.order.previews, 0) > 0) call.ignored.emplace_back("partial_images");
  call.model = picture.model;
  call.user = picture.user;
  call.ignored.insert(call.ignored.end(), picture.ignored.begin(), picture.ignored.end());
  return call;
}

std::unique_ptr<PictureWriter> make_picture_chat_writer(ReplyFacts facts) {
  return std::make_unique<PictureChatWriter>(std::move(facts));
}

std::string clip_chat_whole(const ReplyFacts& facts, const std::string& id) {
  return whole_answer(facts, {{{"role", "assistant"}, {"content", ""}, {"videos", clip_json(id)}}},
                      usage_json(0, 0, 0));
}

std::string clip_chat_stream(const ReplyFacts& facts, const std::string& id) {
  return part(facts, {{"role", "assistant"}, {"content", ""}}) +
         part(facts, {{"videos", clip_json(id)}}) + stream_end(facts, usage_json(0, 0, 0));
}

}  // namespace hadal
