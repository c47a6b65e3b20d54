// SPDX-License-Identifier: MIT
// Responses that are drawn.
#include "serve/picture_response.h"

#include <algorithm>
#include <utility>

#include "serve/accounts.h"
#include "serve/base64.h"
#include "serve/random_id.h"
#include "serve/responses_codec.h"

namespace hadal {
namespace {

constexpr std::string_view kTool = "image_generation";
constexpr std::string_view kNameInInput = "name a picture in the input";

bool is_tool(const OrderedJson& tool) {
  return tool.is_object() && tool.value("type", OrderedJson()) == kTool;
}

// The words and pictures of the last item become a prompt and what is gone on from.
ApiStatus read_content(const OrderedJson& content, const std::string& where, Form& form) {
  std::string prompt;
  if (content.is_string()) {
    form.fields["prompt"] = content;
    return Ok{};
  }
  if (!content.is_array())
    return bad_field(where, "found ", json_kind(content), ", expected a string or parts");
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string here = where + "[" + std::to_string(i) + "]";
    if (!content[i].is_object()) return bad_field(here, "found ", json_kind(content[i]));
    JsonFields part(content[i], here);
    TRY(const std::string type, part.needed_text("type"));
    if (type == "input_text") {
      TRY(const std::string text, part.needed_text("text"));
      prompt += (prompt.empty() ? "" : "\n") + text;
    } else if (type == "input_image") {
      TRY(std::optional<std::string> picture,
          read_picture({}, part, "image_url", no_files(kNameInInput)));
      if (!picture) return bad_field(here + ".image_url", "is missing");
      form.files["image"].push_back(std::move(*picture));
    } else {
      return bad_field(here, "a part of type \"", type.substr(0, 40),
                       "\", expected input_text or input_image");
    }
  }
  form.fields["prompt"] = std::move(prompt);
  return Ok{};
}

ApiStatus read_last_item(const OrderedJson& input, Form& form) {
  if (input.is_string()) return read_content(input, "input", form);
  if (!input.is_array() || input.empty())
    return bad_field("input", "found ", json_kind(input), ", expected a string or items");
  const std::string where = "input[" + std::to_string(input.size() - 1) + "]";
  const OrderedJson& last = input.back();
  if (!last.is_object() || last.value("role", OrderedJson()) != "user")
    return bad_field(where, "expected the user's, which says what is to be drawn");
  JsonFields item(last, where);
  return read_content(item.any("content"), where + ".content", form);
}

// The one tool; it cannot be mixed with others, which only a writing answer could call.
ApiStatus read_tool(JsonFields& fields, Form& form) {
  TRY(const OrderedJson* const tools, fields.array("tools"));
  if (tools->size() > 1)
    return bad_field("tools",
                     "image_generation stands beside others: this model either draws or writes");
  for (const auto& [name, value] : tools->front().items())
    if (name != "type" && name != "model")
      form.fields[name == "input_image_mask" ? "mask" : name] = value;
  const OrderedJson& choice = fields.any("tool_choice");
  const bool meant = choice.is_null() || choice == "auto" || choice == "required" ||
                     (choice.is_object() && choice.value("type", OrderedJson()) == kTool);
  if (!meant) return bad_field("tool_choice", "expected auto, required, none or image_generation");
  return Ok{};
}

// What is said of text means nothing to a picture.
void note_ignored(JsonFields& fields, const OrderedJson& body, std::vector<std::string>& ignored) {
  const OrderedJson& input = fields.any("input");
  if (input.is_array() && input.size() > 1) ignored.emplace_back("input");
  for (const char* echo : {"metadata", "parallel_tool_calls"}) fields.any(echo);
  for (const std::string& name : fields.unread())
    if (!body[name].is_null()) ignored.push_back(name);
}

class PictureResponseWriter : public PictureWriter {
 public:
  PictureResponseWriter(ReplyFacts facts, const PictureResponseCall& call)
      : facts_(std::move(facts)),
        echoed_(call.echoed),
        looks_{{"output_format", call.image.facts.format},
               {"size", call.image.facts.size},
               {"quality", call.image.facts.quality},
               {"background", "opaque"}} {}

  std::string begin() override {
    const OrderedJson response = body("in_progress");
    std::string text = event("response.created", {{"response", response}});
    text += event("response.in_progress", {{"response", response}});
    text += event("response.output_item.added",
                  {{"output_index", 0}, {"item", item("in_progress", nullptr)}});
    text += event("response.image_generation_call.in_progress", place());
    return text + event("response.image_generation_call.generating", place());
  }
  std::string preview(int64_t, int64_t number, std::string_view png) override {
    OrderedJson fields = place();
    fields["partial_image_index"] = number;
    fields["partial_image_b64"] = to_base64(png);
    return event("response.image_generation_call.partial_image", std::move(fields));
  }
  std::string end(const Artwork& work, const std::optional<Bill>& bill) override {
    std::string text = event("response.image_generation_call.completed", place());
    text +=
        event("response.output_item.done", {{"output_index", 0}, {"item", finished_item(work)}});
    return text + event("response.completed", {{"response", finished(work, bill)}});
  }
  std::string failed(const ApiError& error) override {
    OrderedJson response = body("failed");
    response["error"] = {{"code", "server_error"}, {"message", error.message}};
    return event("response.failed", {{"response", std::move(response)}});
  }
  HttpReply whole(const Artwork& work, const std::optional<Bill>& bill) override {
    return {.status = 200, .body = dump_json(finished(work, bill))};
  }

 private:
  OrderedJson body(std::string_view status) const {
    OrderedJson response = {{"id", facts_.id},
                            {"object", "response"},
                            {"created_at", facts_.created},
                            {"status", status},
                            {"error", nullptr},
                            {"incomplete_details", nullptr},
                            {"model", facts_.model},
                            {"output", OrderedJson::array()},
                            {"previous_response_id", nullptr},
                            {"store", false},
                            {"usage", nullptr}};
    response.update(echoed_);
    return response;
  }
  OrderedJson item(std::string_view status, OrderedJson result) const {
    OrderedJson made = {{"id", item_id_},
                        {"type", "image_generation_call"},
                        {"status", status},
                        {"result", std::move(result)}};
    made.update(looks_);
    return made;
  }
  OrderedJson finished_item(const Artwork& work) const {
    OrderedJson made = item("completed", to_base64(work.files.at(0).bytes));
    made["seed"] = work.files[0].seed;
    return made;
  }
  OrderedJson finished(const Artwork& work, const std::optional<Bill>& bill) const {
    OrderedJson response = body("completed");
    response["output"].push_back(finished_item(work));
    const int64_t input = work.text_tokens + work.given_cells;
    response["usage"] = {{"input_tokens", input},
                         {"input_tokens_details", {{"cached_tokens", 0}}},
                         {"output_tokens", work.output_cells},
                         {"output_tokens_details", {{"reasoning_tokens", 0}}},
                         {"total_tokens", input + work.output_cells}};
    if (bill)
      response["usage"]["cost"] = {{"currency", bill->currency},
                                   {"amount", money_text(bill->amount)}};
    return response;
  }
  OrderedJson place() const { return {{"output_index", 0}, {"item_id", item_id_}}; }
  std::string event(std::string_view type, OrderedJson fields) {
    OrderedJson data = {{"type", type}, {"sequence_number", sequence_++}};
    data.update(fields);
    return sse(data, type);
  }

  ReplyFacts facts_;
  OrderedJson echoed_, looks_;
  const std::string item_id_ = make_id("ig_");
  int64_t sequence_ = 0;
};

}  // namespace

bool asks_for_picture(const OrderedJson& body) {
  const auto tools = body.find("tools");
  if (tools == body.end() || !tools->is_array()) return false;
  const auto choice = body.find("tool_choice");
  if (choice != body.end() && *choice == "none") return false;
  return std::any_of(tools->begin(), tools->end(), is_tool);
}

ApiResult<PictureResponseCall> read_picture_response(const OrderedJson& body,
                                                     const ArtLimits& limits) {
  JsonFields fields(body, "");
  TRY_STATUS(refuse_memory(fields));
  Form form;
  TRY_STATUS(read_tool(fields, form));
  TRY_STATUS(read_last_item(fields.any("input"), form));
  for (const char* shared : {"stream", "model", "user"})
    if (fields.has(shared)) form.fields[shared] = body[shared];
  form.fields["n"] = 1;
  const ImageTask task = form.has_file("image") ? ImageTask::edit : ImageTask::generate;
  PictureResponseCall call;
  TRY(call.image, read_image_call(form, limits, task, no_files(kNameInInput)));
  note_ignored(fields, body, call.image.ignored);
  call.echoed = OrderedJson::object();
  for (const char* name : {"metadata", "parallel_tool_calls", "tool_choice", "tools"})
    if (fields.has(name)) call.echoed[name] = body[name];
  return call;
}

std::unique_ptr<PictureWriter> make_picture_response_writer(ReplyFacts facts,
                                                            const PictureResponseCall& call) {
  return std::make_unique<PictureResponseWriter>(std::move(facts), call);
}

}  // namespace hadal
