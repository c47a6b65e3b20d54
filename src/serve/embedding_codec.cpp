// SPDX-License-Identifier: MIT
// Embeddings, in and out.
#include "serve/embedding_codec.h"

#include <bit>
#include <utility>

#include "serve/base64.h"
#include "serve/completion_codec.h"
#include "text/prompt.h"

namespace hadal {
namespace {

static_assert(std::endian::native == std::endian::little, "base64 holds little-endian floats");

constexpr size_t kMostInputs = 2048;  // as OpenAI's service
constexpr int64_t kNoVocabYet = int64_t{1} << 31;

ApiStatus read_text_input(const OrderedJson& value, const std::string& where, EmbeddingCall& call) {
  if (value.is_string()) {
    if (value.get_ref<const std::string&>().empty()) return bad_field(where, "is empty");
    call.inputs.emplace_back(value.get<std::string>());
    return Ok{};
  }
  if (!value.is_array() || value.empty())
    return bad_field(where, "found ", json_kind(value), ", expected text or token ids");
  TRY(std::vector<int64_t> ids, read_ids(value, where, kNoVocabYet));
  call.inputs.emplace_back(std::move(ids));
  return Ok{};
}

// One text, several, the ids of one, or those of several.
ApiStatus read_inputs(const OrderedJson& input, EmbeddingCall& call) {
  if (input.is_null()) return bad_field("input", "is missing, expected text or token ids");
  const bool several =
      input.is_array() && !input.empty() && (input[0].is_string() || input[0].is_array());
  if (!several) return read_text_input(input, "input", call);
  if (input.size() > kMostInputs)
    return bad_field("input", input.size(), " texts, expected at most ", kMostInputs);
  for (size_t i = 0; i < input.size(); ++i)
    TRY_STATUS(read_text_input(input[i], "input[" + std::to_string(i) + "]", call));
  return Ok{};
}

std::string float_bytes(const std::vector<float>& vector) {
  return {reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float)};
}

}  // namespace

ApiResult<EmbeddingCall> read_embedding_call(const OrderedJson& body) {
  JsonFields fields(body, "");
  EmbeddingCall call;
  TRY(const std::optional<std::string> model, fields.text("model"));
  call.common.model = model.value_or("");
  TRY(call.common.user, read_user(fields));
  TRY_STATUS(read_inputs(fields.any("input"), call));
  TRY(call.dimensions, fields.integer("dimensions", 1, 1 << 20));
  TRY(const std::optional<std::string> format, fields.text("encoding_format"));
  if (format && *format != "float" && *format != "base64")
    return bad_field("encoding_format", "found \"", format->substr(0, 40),
                     "\", expected float or base64");
  call.base64 = format == "base64";
  fields.tell_unread(call.common.ignored);
  return call;
}

ApiResult<std::vector<std::vector<int64_t>>> embedding_ids(const ServedModel& model,
                                                           const EmbeddingCall& call) {
  if (call.dimensions && *call.dimensions != model.worker.width())
    return bad_field("dimensions", "is ", *call.dimensions, ", this model's vectors have ",
                     model.worker.width(), " and cannot be cut");
  std::vector<std::vector<int64_t>> all;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const std::string where =
        call.inputs.size() == 1 ? "input" : "input[" + std::to_string(i) + "]";
    std::vector<int64_t> ids;
    if (const auto* text = std::get_if<std::string>(&call.inputs[i])) {
      Prompt prompt;
      if (model.tokenizer.bos()) prompt.control(kBos);
      prompt.text(*text);
      TRY(const std::vector<int32_t> encoded, encode_prompt(model.tokenizer, prompt));
      ids.assign(encoded.begin(), encoded.end());
    } else {
      ids = std::get<std::vector<int64_t>>(call.inputs[i]);
    }
    for (const int64_t id : ids)
      if (id >= model.worker.vocab())
        return bad_field(where, "found ", id, ", expected token ids below ", model.worker.vocab());
    if (static_cast<int64_t>(ids.size()) >= model.worker.context())
      return bad_field(where, "has ", ids.size(), " tokens, expected fewer than ",
                       model.worker.context());
    all.push_back(std::move(ids));
  }
  return all;
}

OrderedJson embedding_json(const std::string& model, bool base64,
                           const std::vector<std::vector<float>>& vectors, int64_t tokens) {
  OrderedJson data = OrderedJson::array();
  for (const std::vector<float>& vector : vectors) {
    data.push_back({{"object", "embedding"}, {"index", data.size()}});
    data.back()["embedding"] =
        base64 ? OrderedJson(to_base64(float_bytes(vector))) : OrderedJson(vector);
  }
  return {{"object", "list"},
          {"data", std::move(data)},
          {"model", model},
          {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
}

}  // namespace hadal
