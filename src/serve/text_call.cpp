// SPDX-License-Identifier: MIT
// What requests for text have in common.
#include "serve/text_call.h"

#include <algorithm>
#include <map>
#include <set>

namespace hadal {
namespace {

constexpr size_t kMostStops = 16;      // as DeepSeek's service
constexpr int64_t kMostAnswers = 8;    // each takes a slot; who asks for them compares them
constexpr size_t kLongestStop = 1024;  // bytes that are held back from every stream
constexpr size_t kLongestUser = 512;   // as DeepSeek's service
constexpr std::string_view kNoSampler = "no such step in the sampler";

struct Refused {
  std::string_view name;
  std::vector<OrderedJson> neutral;
  std::string_view why;
};

// Of OpenAI's surface and its common extensions.
const std::vector<Refused>& refused_fields() {
  static const std::vector<Refused> kRefused = {
      {"use_beam_search", {false}, kNoSampler},
      {"logit_bias", {OrderedJson::object()}, kNoSampler},
      {"repetition_penalty", {1, 1.0}, kNoSampler},
      {"repeat_penalty", {1, 1.0}, kNoSampler},
      {"typical_p", {1, 1.0}, kNoSampler},
      {"tfs_z", {1, 1.0}, kNoSampler},
      {"mirostat", {0}, kNoSampler},
      {"dry_multiplier", {0, 0.0}, kNoSampler},
      {"xtc_probability", {0, 0.0}, kNoSampler},
      {"min_tokens", {0}, kNoSampler},
      {"ignore_eos", {false}, kNoSampler},
      {"stop_token_ids", {OrderedJson::array()}, "name strings in stop"},
      {"bad_words", {OrderedJson::array()}, kNoSampler},
      {"structural_tag", {}, "name the form in response_format"},
  };
  return kRefused;
}

// What more there is than OpenAI's fields; what is refused among them is refused here, too.
bool is_extension(std::string_view name) {
  static const std::set<std::string_view> kKnown = {"add_generation_prompt",
                                                    "cache_salt",
                                                    "chat_template",
                                                    "chat_template_kwargs",
                                                    "continue_final_message",
                                                    "grammar",
                                                    "guided_choice",
                                                    "guided_grammar",
                                                    "guided_json",
                                                    "guided_regex",
                                                    "json_schema",
                                                    "min_p",
                                                    "structured_outputs",
                                                    "thinking",
                                                    "top_k",
                                                    "user_id"};
  const std::vector<Refused>& refused = refused_fields();
  return kKnown.contains(name) ||
         std::any_of(refused.begin(), refused.end(),
                     [&](const Refused& field) { return field.name == name; });
}

}  // namespace

ApiStatus open_extra(OrderedJson& body) {
  const auto extra = body.find("extra");
  if (extra == body.end() || !extra->is_object()) return Ok{};
  OrderedJson strangers = OrderedJson::object();
  const OrderedJson given = std::move(*extra);
  for (const auto& [name, value] : given.items()) {
    if (!is_extension(name))
      strangers[name] = value;
    else if (body.contains(name))
      return bad_field("extra." + name, "stands at the top, too");
    else
      body[name] = value;
  }
  if (strangers.empty())
    body.erase("extra");
  else
    body["extra"] = std::move(strangers);
  return Ok{};
}

ApiStatus check_user(const std::string& user, const std::string& where) {
  if (user.size() <= kLongestUser) return Ok{};
  return bad_field(where, "has ", user.size(), " bytes, expected at most ", kLongestUser);
}

ApiResult<std::string> read_user(JsonFields& fields) {
  TRY(const std::optional<std::string> user, fields.text("user_id"));
  TRY(const std::optional<std::string> old_user, fields.text("user"));
  std::string name = user ? *user : old_user.value_or("");
  TRY_STATUS(check_user(name, fields.path(user ? "user_id" : "user")));
  return name;
}

ApiStatus read_common(JsonFields& fields, TextCall& call) {
  TRY(std::optional<std::string> model, fields.text("model"));
  call.model = model.value_or("");
  TRY(const std::optional<bool> stream, fields.flag("stream"));
  call.stream = stream.value_or(false);
  TRY(call.temperature, fields.number("temperature", 0, 2));
  TRY(call.top_p, fields.number("top_p", 0, 1));
  if (call.top_p == 0.0)
    return bad_field(fields.path("top_p"), "is 0, expected more than 0 and at most 1");
  return Ok{};
}

ApiStatus read_openai(JsonFields& fields, TextCall& call) {
  TRY_STATUS(read_common(fields, call));
  TRY(const std::optional<int64_t> answers, fields.integer("n", 1, kMostAnswers));
  call.answers = answers.value_or(1);
  TRY_STATUS(fields.only("best_of", {1, call.answers}, "all answers are told, as n has it"));
  // -1 is how some clients say "all".
  TRY(const std::optional<int64_t> top_k, fields.integer("top_k", -1, kMostTokens));
  call.top_k = std::max<int64_t>(0, top_k.value_or(0));
  TRY(const std::optional<double> min_p, fields.number("min_p", 0, 1));
  call.min_p = min_p.value_or(0);
  TRY(const std::optional<int64_t> seed, fields.integer("seed", INT64_MIN, INT64_MAX));
  if (seed) call.seed = static_cast<uint64_t>(*seed);
  TRY(const std::optional<double> presence, fields.number("presence_penalty", -2, 2));
  TRY(const std::optional<double> frequency, fields.number("frequency_penalty", -2, 2));
  call.penalties = {presence.value_or(0), frequency.value_or(0)};
  TRY(call.stops, read_stops(fields, "stop"));
  TRY(call.user, read_user(fields));
  TRY(const std::optional<std::string> salt, fields.text("cache_salt"));
  call.cache_salt = salt.value_or("");
  if (call.cache_salt.size() > kLongestUser)
    return bad_field(fields.path("cache_salt"), "has ", call.cache_salt.size(),
                     " bytes, expected at most ", kLongestUser);
  TRY(const OrderedJson* const options, fields.object("stream_options"));
  if (options) {
    JsonFields inside(*options, "stream_options");
    TRY(const std::optional<bool> usage, inside.flag("include_usage"));
    call.stream_usage = usage.value_or(false);
    inside.tell_unread(call.ignored);
  }
  for (const Refused& refused : refused_fields())
    TRY_STATUS(fields.only(refused.name, refused.neutral, refused.why));
  return read_guides(fields, call);
}

namespace {

ApiStatus set_form(TextCall& call, AskedForm form) {
  if (call.form.kind != AskedForm::Kind::free)
    return bad_field(form.field, "an answer can be held to one form, and ", call.form.field,
                     " names another");
  call.form = std::move(form);
  return Ok{};
}

// A schema as an object, or as a text that holds one.
ApiResult<OrderedJson> schema_of(const OrderedJson& value, const std::string& where) {
  if (value.is_object() || value.is_boolean()) return value;
  if (!value.is_string())
    return bad_field(where, "found ", json_kind(value), ", expected a schema");
  TRY(OrderedJson schema, parse_ordered_json(value.get_ref<const std::string&>(), where, {}));
  return schema;
}

// One of vLLM's guides, by the name it has within structured_outputs.
ApiStatus read_guide(JsonFields& fields, std::string_view name, std::string_view guide,
                     TextCall& call) {
  const OrderedJson& value = fields.any(name);
  if (value.is_null() || value == "") return Ok{};
  using Kind = AskedForm::Kind;
  AskedForm form{.field = fields.path(name)};
  if (guide == "json") {
    form.kind = Kind::json_schema;
    TRY(form.json, schema_of(value, form.field));
  } else if (guide == "json_object") {
    TRY(const std::optional<bool> asked, fields.flag(name));
    if (!*asked) return Ok{};
    form.kind = Kind::json_object;
  } else if (guide == "choice") {
    if (!value.is_array())
      return bad_field(form.field, "found ", json_kind(value), ", expected strings");
    form.kind = Kind::choice;
    form.json = value;
  } else {
    form.kind = guide == "regex" ? Kind::regex : Kind::grammar;
    TRY(form.text, fields.needed_text(name));
  }
  return set_form(call, std::move(form));
}

}  // namespace

ApiStatus read_guides(JsonFields& fields, TextCall& call) {
  for (const char* guide : {"json", "regex", "choice", "grammar"})
    TRY_STATUS(read_guide(fields, std::string("guided_") + guide, guide, call));
  TRY_STATUS(read_guide(fields, "json_schema", "json", call));
  TRY_STATUS(read_guide(fields, "grammar", "grammar", call));
  TRY(const OrderedJson* const outputs, fields.object("structured_outputs"));
  if (!outputs) return Ok{};
  JsonFields inside(*outputs, fields.path("structured_outputs"));
  for (const char* guide : {"json", "json_object", "regex", "choice", "grammar"})
    TRY_STATUS(read_guide(inside, guide, guide, call));
  TRY_STATUS(inside.only("structural_tag", {}, "name the form in response_format"));
  inside.tell_unread(call.ignored);
  return Ok{};
}

// What a schema is called, and whether it is to be held, which it always is.
ApiStatus read_labels(JsonFields& format) {
  for (const char* name : {"name", "description"}) TRY_STATUS(format.text(name));
  TRY_STATUS(format.flag("strict"));
  return Ok{};
}

ApiStatus read_format(JsonFields& fields, std::string_view name, TextCall& call) {
  TRY(const OrderedJson* const format, fields.object(name));
  if (!format) return Ok{};
  JsonFields inside(*format, fields.path(name));
  TRY(const std::string type, inside.needed_text("type"));
  if (type == "text") {
    inside.tell_unread(call.ignored);
    return Ok{};
  }
  if (type != "json_object" && type != "json_schema")
    return bad_field(inside.path("type"), "found \"", type.substr(0, 40),
                     "\", expected text, json_object or json_schema");
  AskedForm form{.kind = AskedForm::Kind::json_object, .field = fields.path(name)};
  TRY(const OrderedJson* const wrapped, inside.object("json_schema"));
  const OrderedJson& bare = inside.any("schema");
  const OrderedJson& schema = wrapped && wrapped->contains("schema") ? (*wrapped)["schema"] : bare;
  if (!schema.is_null()) {
    form.kind = AskedForm::Kind::json_schema;
    TRY(form.json, schema_of(schema, form.field + ".schema"));
  } else if (type == "json_schema") {
    return bad_field(inside.path("json_schema.schema"), "is missing, expected a schema");
  }
  if (wrapped) {
    JsonFields inner(*wrapped, inside.path("json_schema"));
    TRY_STATUS(read_labels(inner));
    inner.any("schema");
    inner.tell_unread(call.ignored);
  }
  TRY_STATUS(read_labels(inside));
  inside.tell_unread(call.ignored);
  return set_form(call, std::move(form));
}

ApiResult<std::vector<std::string>> read_stops(JsonFields& fields, std::string_view name) {
  const OrderedJson& value = fields.any(name);
  std::vector<std::string> stops;
  if (value.is_null()) return stops;
  if (value.is_string()) {
    stops.push_back(value.get<std::string>());
  } else if (value.is_array()) {
    if (value.size() > kMostStops)
      return bad_field(fields.path(name), value.size(), " strings, expected at most ", kMostStops);
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string where = fields.path(name) + "[" + std::to_string(i) + "]";
      if (!value[i].is_string())
        return bad_field(where, "found ", json_kind(value[i]), ", expected a string");
      stops.push_back(value[i].get<std::string>());
    }
  } else {
    return bad_field(fields.path(name), "found ", json_kind(value),
                     ", expected a string or an array of strings");
  }
  for (const std::string& stop : stops)
    if (stop.size() > kLongestStop)
      return bad_field(fields.path(name), "a string of ", stop.size(), " bytes, expected at most ",
                       kLongestStop);
  return stops;
}

ApiStatus read_effort(JsonFields& fields, std::string_view name, ChatCall& call) {
  static const std::map<std::string, std::string, std::less<>> kWords = {
      {"minimal", "low"}, {"low", "low"}, {"medium", "high"}, {"high", "high"},
      {"xhigh", "high"},  {"max", "max"}, {"ultra", "max"},
  };
  const OrderedJson& value = fields.any(name);
  if (value.is_null()) return Ok{};
  if (value.is_number_integer()) {
    TRY(const std::optional<int64_t> number, fields.integer(name, 1, 100));
    call.effort = std::to_string(*number);
  } else {
    TRY(const std::string word, fields.needed_text(name));
    if (word == "none") {
      if (!call.thinking) call.thinking = false;
      return Ok{};
    }
    const auto found = kWords.find(word);
    if (found == kWords.end())
      return bad_field(fields.path(name), "found \"", word.substr(0, 40),
                       "\", expected none, minimal, low, medium, high, xhigh, max, ultra or a "
                       "number from 1 to 100");
    call.effort = found->second;
  }
  if (!call.thinking) call.thinking = true;
  return Ok{};
}

}  // namespace hadal
