// SPDX-License-Identifier: MIT
// Pictures that a conversation shows.
#include "serve/shown_pictures.h"

#include <cstring>
#include <utility>

#include "serve/base64.h"
#include "serve/form.h"

namespace hadal {
namespace {

constexpr size_t kMostPictures = 100;  // as Anthropic's service

ApiError text_only(const std::string& where, const std::string& type) {
  return bad_field(where, "a part of type \"", type.substr(0, 40),
                   "\", but the model that is served reads text");
}

// By its number from here on: the bytes stay in one place.
ApiResult<Block> add_picture(std::optional<std::string> bytes, const std::string& where,
                             ChatCall& call) {
  if (!bytes)
    return bad_field(where,
                     "expected a picture in base64, data:image/png;base64,…; nothing is fetched "
                     "from addresses");
  TRY_STATUS(check_picture(*bytes, where));
  if (call.pictures.size() == kMostPictures)
    return bad_field(where, "one more picture than ", kMostPictures, ", the most of a request");
  Block block{.kind = Block::Kind::image, .type = "image"};
  block.text = std::to_string(call.pictures.size());
  call.pictures.push_back({where, std::move(*bytes)});
  return block;
}

ApiStatus take_blocks(std::vector<Block>& blocks, const std::string& where, bool assistant,
                      Sees sees, ChatCall& call) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string here = where + "[" + std::to_string(i) + "]";
    Block& block = blocks[i];
    if (block.kind == Block::Kind::other) {
      if (sees == Sees::text) return text_only(here, block.type);
      return bad_field(here, "a part of type \"", block.type.substr(0, 40),
                       "\", expected text or image_url");
    }
    if (block.kind == Block::Kind::image) {
      if (sees == Sees::text) return text_only(here, block.type);
      if (assistant) return bad_field(here, "a picture in a message of the assistant's");
      TRY(block, picture_block(block.text, here, call));
    }
    TRY_STATUS(take_blocks(block.parts, here + ".content", assistant, sees, call));
  }
  return Ok{};
}

}  // namespace

ApiStatus take_pictures(ChatCall& call, Sees sees) {
  for (size_t i = 0; i < call.messages.size(); ++i) {
    Message& message = call.messages[i];
    TRY_STATUS(take_blocks(message.content, "messages[" + std::to_string(i) + "].content",
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

ApiResult<SeenPictures> look_at(const ChatCall& call, ViewCache& views,
                                const std::string& partition, int64_t room) {
  SeenPictures seen;
  for (const ShownPicture& picture : call.pictures) {
    Result<Tensor> rows_ND = views.view(partition, picture.bytes, room);
    if (!rows_ND) {
      if (rows_ND.error().blame != Blame::caller) return rows_ND.error();
      return bad_field(picture.where, rows_ND.error().message);
    }
    room -= rows_ND->size(0);
    seen.push_back(rows_ND.take());
  }
  return seen;
}

ApiResult<SeenIds> expand_pictures(const std::vector<int64_t>& ids,
                                   const std::vector<std::string>& places, const SeenPictures& seen,
                                   int64_t placeholder) {
  SeenIds made{.ids = ids, .given = {}, .positions = 0};
  if (places.empty()) return made;
  std::vector<const Tensor*> rows;
  std::vector<int64_t> spans;
  for (const std::string& place : places) {
    const size_t number = static_cast<size_t>(std::stoull(place));
    CHECK(number < seen.size(), number);
    rows.push_back(&seen[number]);
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
