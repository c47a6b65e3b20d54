// SPDX-License-Identifier: MIT
// Fields of a request's JSON: typed, bounded, named in every refusal; and what nobody asked for.
//
//   TRY(OrderedJson body, parse_body(text));
//   JsonFields fields(body, "");
//   TRY(std::optional<double> temperature, fields.number("temperature", 0, 2));
//   std::vector<std::string> strangers = fields.unread();
//
// null counts as absent.  A JsonFields looks into JSON that must outlive it.  One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "text/bounded_json.h"

namespace hadal {

// An object, bounded in depth and in the width of its objects (which are searched in order).
ApiResult<OrderedJson> parse_body(std::string_view text);

class JsonFields {
 public:
  // `where` begins the names of fields: "messages[2]", or empty at the top.
  JsonFields(const OrderedJson& object, std::string where);

  // What stands there, or null's address if nothing does.
  const OrderedJson& any(std::string_view name);
  bool has(std::string_view name) { return !any(name).is_null(); }
  ApiResult<std::optional<std::string>> text(std::string_view name);
  ApiResult<std::string> needed_text(std::string_view name);
  ApiResult<std::optional<bool>> flag(std::string_view name);
  ApiResult<std::optional<int64_t>> integer(std::string_view name, int64_t least, int64_t most);
  ApiResult<std::optional<double>> number(std::string_view name, double least, double most);
  ApiResult<const OrderedJson*> object(std::string_view name);  // null: absent
  ApiResult<const OrderedJson*> array(std::string_view name);
  // Accepts what says the same as leaving the field out; anything else cannot be done here.
  ApiStatus only(std::string_view name, const std::vector<OrderedJson>& neutral,
                 std::string_view why);

  std::string path(std::string_view name) const;
  // Fields of the object that were never looked at, in order.
  std::vector<std::string> unread() const;
  // The same with their paths, for those that name what was let through.
  void tell_unread(std::vector<std::string>& ignored) const;

 private:
  const OrderedJson& object_;
  std::string where_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace hadal
