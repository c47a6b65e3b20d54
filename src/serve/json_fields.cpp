// SPDX-License-Identifier: MIT
// Fields of a request's JSON.
#include "serve/json_fields.h"

#include <algorithm>
#include <limits>

#include "base/result.h"

namespace hadal {
namespace {

constexpr BoundedJsonLimits kBodyLimits = {
    .max_bytes = std::numeric_limits<size_t>::max(),  // the server has held it to HttpLimits
    .max_depth = 64,
    .max_width = size_t{4} << 20,  // token arrays of the longest context
};
// Finding a key in an ordered object takes time for each key before it.
constexpr size_t kMostMembers = 512;

// One pass before anything is built: commas and brackets outside of strings.
Status check_members(std::string_view text) {
  std::vector<std::pair<bool, size_t>> open;  // an object?, its members
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (open.size() > static_cast<size_t>(kBodyLimits.max_depth)) break;  // the parser says so
      open.emplace_back(c == '{', 1);
    } else if ((c == '}' || c == ']') && !open.empty()) {
      open.pop_back();
    } else if (c == ',' && !open.empty() && open.back().first &&
               ++open.back().second > kMostMembers) {
      return fail("body: an object with more than ", kMostMembers, " members at byte ", at);
    }
  }
  return Ok{};
}

}  // namespace

ApiResult<OrderedJson> parse_body(std::string_view text) {
  TRY_STATUS(check_members(text));
  TRY(OrderedJson body, parse_ordered_json(text, "body", kBodyLimits));
  if (!body.is_object())
    return ApiError{.message = "body: found " + json_kind(body) + ", expected an object"};
  return body;
}

JsonFields::JsonFields(const OrderedJson& object, std::string where)
    : object_(object), where_(std::move(where)) {
  CHECK(object.is_object(), where_);
}

std::string JsonFields::path(std::string_view name) const {
  return where_.empty() ? std::string(name) : where_ + "." + std::string(name);
}

const OrderedJson& JsonFields::any(std::string_view name) {
  static const OrderedJson kNull;
  read_.emplace(name);
  const auto found = object_.find(std::string(name));
  return found == object_.end() ? kNull : *found;
}

ApiResult<std::optional<std::string>> JsonFields::text(std::string_view name) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return std::optional<std::string>();
  if (!value.is_string())
    return bad_field(path(name), "found ", json_kind(value), ", expected a string");
  return std::optional<std::string>(value.get<std::string>());
}

ApiResult<std::string> JsonFields::needed_text(std::string_view name) {
  TRY(std::optional<std::string> value, text(name));
  if (!value) return bad_field(path(name), "is missing, expected a string");
  return std::move(*value);
}

ApiResult<std::optional<bool>> JsonFields::flag(std::string_view name) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return std::optional<bool>();
  if (!value.is_boolean())
    return bad_field(path(name), "found ", json_kind(value), ", expected true or false");
  return std::optional<bool>(value.get<bool>());
}

ApiResult<std::optional<int64_t>> JsonFields::integer(std::string_view name, int64_t least,
                                                      int64_t most) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return std::optional<int64_t>();
  if (!value.is_number_integer())
    return bad_field(path(name), "found ", json_kind(value), ", expected a whole number");
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX;
  const int64_t number = huge ? INT64_MAX : value.get<int64_t>();
  if (huge || number < least || number > most)
    return bad_field(path(name), "is ", value.dump(), ", expected ", least, " to ", most);
  return std::optional<int64_t>(number);
}

ApiResult<std::optional<double>> JsonFields::number(std::string_view name, double least,
                                                    double most) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return std::optional<double>();
  if (!value.is_number())
    return bad_field(path(name), "found ", json_kind(value), ", expected a number");
  const double number = value.get<double>();
  if (!(number >= least && number <= most))
    return bad_field(path(name), "is ", value.dump(), ", expected ", least, " to ", most);
  return std::optional<double>(number);
}

ApiResult<const OrderedJson*> JsonFields::object(std::string_view name) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return nullptr;
  if (!value.is_object())
    return bad_field(path(name), "found ", json_kind(value), ", expected an object");
  return &value;
}

ApiResult<const OrderedJson*> JsonFields::array(std::string_view name) {
  const OrderedJson& value = any(name);
  if (value.is_null()) return nullptr;
  if (!value.is_array())
    return bad_field(path(name), "found ", json_kind(value), ", expected an array");
  return &value;
}

ApiStatus JsonFields::only(std::string_view name, const std::vector<OrderedJson>& neutral,
                           std::string_view why) {
  const OrderedJson& value = any(name);
  if (value.is_null() || std::find(neutral.begin(), neutral.end(), value) != neutral.end())
    return Ok{};
  return bad_field(path(name), "not supported: ", why);
}

void JsonFields::tell_unread(std::vector<std::string>& ignored) const {
  for (const std::string& name : unread()) ignored.push_back(path(name));
}

std::vector<std::string> JsonFields::unread() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_.items())
    if (!read_.contains(name)) names.push_back(name);
  return names;
}

}  // namespace hadal
