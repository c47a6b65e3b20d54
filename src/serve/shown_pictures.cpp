// SPDX-License-Identifier: MIT
// Pictures and clips that a conversation shows.
#include "serve/shown_pictures.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "serve/base64.h"
#include "serve/form.h"

namespace hadal {
namespace {

constexpr size_t kMostPictures = 100;  // as Anthropic's service
constexpr int64_t kMostClips = 8;      // each is read for up to a minute
constexpr double kMostFps = 30, kMostSeconds = ReadLimits{}.seconds;

ApiError text_only(const std::string& where, const std::string& type) {
  return bad_field(where, "a part of type \"", type.substr(0, 40),
                   "\", but the model that is served reads text");
}

// By its number from here on: the bytes stay in one place.
ApiResult<Block> add_shown(ShownPicture shown, ChatCall& call) {
  if (call.pictures.size() == kMostPictures)
    return bad_field(shown.where, "one more picture than ", kMostPictures,
                     ", the most of a request");
  const auto is_clip = [](const ShownPicture& one) { return one.part.has_value(); };
  if (is_clip(shown) &&
      std::count_if(call.pictures.begin(), call.pictures.end(), is_clip) == kMostClips)
    return bad_field(shown.where, "one more clip than ", kMostClips, ", the most of a request");
  Block block{.kind = Block::Kind::image, .type = "image"};
  block.text = std::to_string(call.pictures.size());
  call.pictures.push_back(std::move(shown));
  return block;
}

ApiResult<Block> add_picture(std::optional<std::string> bytes, const std::string& where,
                             ChatCall& call) {
  if (!bytes)
    return bad_field(where,
                     "expected a picture in base64, data:image/png;base64,…; nothing is fetched "
                     "from addresses");
  TRY_STATUS(check_picture(*bytes, where));
  return add_shown({where, std::move(*bytes)}, call);
}

ApiResult<std::string> read_clip_url(const std::string& url, const std::string& where) {
  std::optional<std::string> bytes = from_data_url(url);
  if (!bytes)
    return bad_field(where,
                     "expected a URL that holds the clip, data:video/mp4;base64,…, or a file_id; "
                     "nothing is fetched from addresses");
  TRY_STATUS(check_clip(*bytes, where));
  return std::move(*bytes);
}

ApiResult<ClipPart> read_clip_times(JsonFields& fields) {
  TRY(const std::optional<double> fps, fields.number("fps", 0, kMostFps));
  if (fps == 0) return bad_field(fields.path("fps"), "found 0, expected above 0 to ", kMostFps);
  TRY(const std::optional<double> start, fields.number("start", 0, kMostSeconds));
  TRY(const std::optional<double> end, fields.number("end", 0, kMostSeconds));
  if (end && *end <= start.value_or(0))
    return bad_field(fields.path("end"), "found ", *end, ", expected more than the start, ",
                     start.value_or(0));
  return ClipPart{fps.value_or(0), start.value_or(0), end.value_or(0)};
}

ApiStatus take_blocks(const OrderedJson& parts, std::vector<Block>& blocks,
                      const std::string& where, bool assistant, Sees sees, ChatCall& call) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string here = where + "[" + std::to_string(i) + "]";
    Block& block = blocks[i];
    if (block.kind == Block::Kind::other) {
      if (sees == Sees::text) return text_only(here, block.type);
      if (!is_clip_part(parts[i]))
        return bad_field(here, "a part of type \"", block.type.substr(0, 40),
                         "\", expected text, image_url or video_url");
      if (assistant) return bad_field(here, "a clip in a message of the assistant's");
      TRY(block, clip_block(parts[i], here, call));
      continue;
    }
    if (block.kind == Block::Kind::image) {
      if (sees == Sees::text) return text_only(here, block.type);
      if (assistant) return bad_field(here, "a picture in a message of the assistant's");
      TRY(block, picture_block(block.text, here, call));
    }
    if (!block.parts.empty())
      TRY_STATUS(
          take_blocks(parts[i]["content"], block.parts, here + ".content", assistant, sees, call));
  }
  return Ok{};
}

void show_in_blocks(const SeenPictures& seen, const std::vector<size_t>& firsts,
                    std::vector<Block>& blocks) {
  std::vector<Block> shown;
  for (Block& block : blocks) {
    show_in_blocks(seen, firsts, block.parts);
    if (block.kind != Block::Kind::image) {
      shown.push_back(std::move(block));
      continue;
    }
    const size_t picture = static_cast<size_t>(std::stoull(block.text));
    CHECK(picture < seen.size(), picture);
    for (size_t i = 0; i < seen[picture].size(); ++i) {
      const SeenFrame& frame = seen[picture][i];
      if (!frame.label.empty()) shown.push_back({.text = frame.label});
      block.text = std::to_string(firsts[picture] + i);
      shown.push_back(block);
    }
  }
  blocks = std::move(shown);
}

}  // namespace

ApiStatus take_pictures(const OrderedJson& messages, Sees sees, ChatCall& call) {
  for (size_t i = 0; i < call.messages.size(); ++i) {
    Message& message = call.messages[i];
    if (message.content.empty()) continue;
    TRY_STATUS(take_blocks(messages[i]["content"], message.content,
                           "messages[" + std::to_string(i) + "].content",
                           message.role == Role::assistant, sees, call));
  }
  return Ok{};
}

ApiResult<Block> picture_block(const std::string& url, const std::string& where, ChatCall& call) {
  return add_picture(from_data_url(url), where, call);
}

ApiResult<Block> picture_block_of_base64(const std::string& base64, const std::string& where,
                                         ChatCall& call) {
  return add_picture(from_base64(base64), where, call);
}

bool is_clip_part(const OrderedJson& part) {
  const OrderedJson type = part.is_object() ? part.value("type", OrderedJson()) : OrderedJson();
  return type == "video_url" || type == "input_video";
}

ApiResult<ShownPicture> read_clip_part(const OrderedJson& part, const std::string& where,
                                       std::vector<std::string>& ignored) {
  JsonFields fields(part, where);
  const OrderedJson& value = fields.any("video_url");
  ShownPicture shown{.where = where + ".video_url", .bytes = {}};
  if (value.is_object()) {
    JsonFields inside(value, shown.where);
    TRY(const std::string url, inside.needed_text("url"));
    TRY(shown.bytes, read_clip_url(url, inside.path("url")));
    TRY(shown.part, read_clip_times(inside));
    inside.tell_unread(ignored);
    return shown;
  }
  TRY(const std::string url, fields.needed_text("video_url"));
  TRY(shown.bytes, read_clip_url(url, shown.where));
  TRY(shown.part, read_clip_times(fields));
  return shown;
}

ApiResult<Block> clip_block(const OrderedJson& part, const std::string& where, ChatCall& call) {
  TRY(ShownPicture shown, read_clip_part(part, where, call.ignored));
  return add_shown(std::move(shown), call);
}

ApiResult<SeenPictures> look_at(const ChatCall& call, ViewCache& views,
                                const std::string& partition, int64_t room) {
  SeenPictures seen;
  for (const ShownPicture& picture : call.pictures) {
    Result<std::vector<SeenFrame>> frames =
        views.view(partition, picture.bytes, picture.part, room);
    if (!frames) {
      if (frames.error().blame != Blame::caller) return frames.error();
      return bad_field(picture.where, frames.error().message);
    }
    for (const SeenFrame& frame : *frames) room -= frame.rows_ND.size(0);
    seen.push_back(frames.take());
  }
  return seen;
}

void show_frames(const SeenPictures& seen, std::vector<Message>& messages) {
  std::vector<size_t> firsts;  // the number of each picture's first frame
  size_t count = 0;
  for (const std::vector<SeenFrame>& frames : seen) {
    firsts.push_back(count);
    count += frames.size();
  }
  for (Message& message : messages) show_in_blocks(seen, firsts, message.content);
}

ApiResult<SeenIds> expand_pictures(const std::vector<int64_t>& ids,
                                   const std::vector<std::string>& places, const SeenPictures& seen,
                                   int64_t placeholder) {
  SeenIds made{.ids = ids, .given = {}, .positions = 0};
  if (places.empty()) return made;
  std::vector<const Tensor*> all;
  for (const std::vector<SeenFrame>& frames : seen)
    for (const SeenFrame& frame : frames) all.push_back(&frame.rows_ND);
  std::vector<const Tensor*> rows;
  std::vector<int64_t> spans;
  for (const std::string& place : places) {
    const size_t number = static_cast<size_t>(std::stoull(place));
    CHECK(number < all.size(), number);
    rows.push_back(all[number]);
    spans.push_back(rows.back()->size(0));
    made.positions += spans.back();
  }
  TRY(ExpandedPrompt prompt, expand_images(ids, placeholder, spans));
  made.ids = std::move(prompt.ids);
  Tensor values = Tensor::empty(DType::f32, {made.positions, rows.front()->size(1)});
  uint8_t* to = values.raw();
  for (size_t i = 0; i < rows.size(); ++i) {
    for (int64_t row = 0; row < spans[i]; ++row) made.given.rows.push_back(prompt.starts[i] + row);
    const size_t bytes = static_cast<size_t>(rows[i]->bytes());
    std::memcpy(to, rows[i]->raw(), bytes);
    to += bytes;
  }
  made.given.values_ND = std::move(values);
  return made;
}

}  // namespace hadal
