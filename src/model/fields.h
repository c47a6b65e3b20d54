// SPDX-License-Identifier: MIT
// Fields: one object of a JSON document, read key by key, every value within its range.
//
//   Problem problem("config.json");
//   Fields text(document, "text_config", problem);
//   config.width = text.integer("hidden_size", {1, kWidth});
//   text.finish();                                   // what nobody asked for is unknown
//   if (problem) return problem.error();
//
// The first problem is kept and the reading goes on with harmless values, so that readers need
// no error handling of their own.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hadal {

class Problem {
 public:
  explicit Problem(std::string_view file) : file_(file) {}

  template <typename... Parts>
  void report(const std::string& key, const Parts&... parts) {
    if (!error_) error_ = fail(file_, ": ", key, key.empty() ? "" : ": ", parts...);
  }
  explicit operator bool() const { return error_.has_value(); }
  const Error& error() const { return *error_; }

 private:
  std::string file_;
  std::optional<Error> error_;
};

struct Range {
  int64_t low, high;
};
struct Reals {
  double low, high;
};

class Fields {
 public:
  Fields(const nlohmann::json& object, std::string path, Problem& problem)
      : object_(object.is_object() ? object : nothing()),
        path_(std::move(path)),
        problem_(problem) {
    if (!object.is_object()) problem_.report(path_, "expected an object");
  }

  bool has(const std::string& key) const { return object_.contains(key); }
  std::string path(const std::string& key) const {
    return path_.empty() ? printable(key) : path_ + "." + printable(key);
  }

  int64_t integer(const std::string& key, Range range) {
    const nlohmann::json* value = required(key);
    return value ? integer_of(*value, path(key), range) : range.low;
  }
  int64_t integer_or(const std::string& key, Range range, int64_t otherwise) {
    const nlohmann::json* value = optional(key);
    return value ? integer_of(*value, path(key), range) : otherwise;
  }
  std::optional<int64_t> maybe_integer(const std::string& key, Range range) {
    const nlohmann::json* value = optional(key);
    if (!value || value->is_null()) return std::nullopt;
    return integer_of(*value, path(key), range);
  }
  std::vector<int64_t> integers(const std::string& key, Range range, size_t longest) {
    const nlohmann::json* value = required(key);
    return value ? integers_of(*value, key, range, longest) : std::vector<int64_t>{};
  }
  std::vector<int64_t> integers_or_none(const std::string& key, Range range, size_t longest) {
    return has(key) ? integers(key, range, longest) : std::vector<int64_t>{};
  }
  double real(const std::string& key, Reals range) {
    const nlohmann::json* value = required(key);
    return value ? real_of(*value, path(key), range) : range.low;
  }
  double real_or(const std::string& key, Reals range, double otherwise) {
    const nlohmann::json* value = optional(key);
    return value ? real_of(*value, path(key), range) : otherwise;
  }
  std::optional<double> maybe_real(const std::string& key, Reals range) {
    const nlohmann::json* value = optional(key);
    if (!value || value->is_null()) return std::nullopt;
    return real_of(*value, path(key), range);
  }
  bool boolean(const std::string& key) {
    const nlohmann::json* value = required(key);
    return value && boolean_of(*value, path(key));
  }
  std::string text(const std::string& key) {
    const nlohmann::json* value = required(key);
    return value ? text_of(*value, path(key)) : std::string();
  }
  // One of `words`; its position.
  size_t word(const std::string& key, const std::vector<std::string_view>& words) {
    const std::string found = text(key);
    for (size_t i = 0; i < words.size(); ++i)
      if (found == words[i]) return i;
    std::string known;
    for (std::string_view each : words) known += (known.empty() ? "" : " or ") + std::string(each);
    problem_.report(path(key), printable(found), ", expected ", known);
    return 0;
  }
  Fields object(const std::string& key) {
    const nlohmann::json* value = required(key);
    return Fields(value ? *value : nothing(), path(key), problem_);
  }
  const nlohmann::json& array(const std::string& key) {
    const nlohmann::json* value = required(key);
    if (value && value->is_array()) return *value;
    if (value) problem_.report(path(key), "expected an array");
    return nothing();
  }

  // Keys whose value changes nothing here, or may have only one value: checked, not kept.
  void skip_text(const std::string& key) {
    if (has(key)) text(key);
  }
  void skip_boolean(const std::string& key) {
    if (has(key)) boolean(key);
  }
  void only_integer(const std::string& key, int64_t value) {
    if (has(key)) integer(key, {value, value});
  }
  void only_real(const std::string& key, double value) {
    if (has(key)) real(key, {value, value});
  }
  void only_text(const std::string& key, std::string_view value) {
    if (has(key)) word(key, {value});
  }
  void only_boolean(const std::string& key, bool value) {
    if (has(key) && boolean(key) != value)
      problem_.report(path(key), value ? "false, expected true" : "true, expected false");
  }

  void finish() {
    for (const auto& [key, value] : object_.items())
      if (!asked_.contains(key)) problem_.report(path(key), "unknown key");
  }

 private:
  static const nlohmann::json& nothing() {
    static const nlohmann::json empty = nlohmann::json::object();
    return empty;
  }
  const nlohmann::json* optional(const std::string& key) {
    asked_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  const nlohmann::json* required(const std::string& key) {
    const nlohmann::json* value = optional(key);
    if (!value) problem_.report(path(key), "missing");
    return value;
  }
  static std::string shown(const nlohmann::json& value) {
    return printable(value.dump(-1, ' ', true));
  }

  int64_t integer_of(const nlohmann::json& value, const std::string& where, Range range) {
    // 1e6 and 10.0 are numbers of another type: no published integer is written so.
    if (!value.is_number_integer()) {
      problem_.report(where, shown(value), ", expected an integer");
      return range.low;
    }
    const bool fits = !value.is_number_unsigned() || value.get<uint64_t>() >> 63 == 0;
    if (!fits || value.get<int64_t>() < range.low || value.get<int64_t>() > range.high) {
      problem_.report(where, shown(value), ", expected ", range_text(range.low, range.high));
      return range.low;
    }
    return value.get<int64_t>();
  }
  std::vector<int64_t> integers_of(const nlohmann::json& value, const std::string& key, Range range,
                                   size_t longest) {
    std::vector<int64_t> result;
    if (!value.is_array()) {
      problem_.report(path(key), "expected an array of integers");
      return result;
    }
    if (value.size() > longest) {
      problem_.report(path(key), value.size(), " entries, at most ", longest);
      return result;
    }
    for (const nlohmann::json& each : value)
      result.push_back(
          integer_of(each, path(key) + "[" + std::to_string(result.size()) + "]", range));
    return result;
  }
  double real_of(const nlohmann::json& value, const std::string& where, Reals range) {
    if (!value.is_number()) {
      problem_.report(where, shown(value), ", expected a number");
      return range.low;
    }
    const double number = value.get<double>();
    if (!(number >= range.low && number <= range.high)) {
      problem_.report(where, shown(value), ", expected ", range_text(range.low, range.high));
      return range.low;
    }
    return number;
  }
  bool boolean_of(const nlohmann::json& value, const std::string& where) {
    if (!value.is_boolean()) problem_.report(where, shown(value), ", expected true or false");
    return value.is_boolean() && value.get<bool>();
  }
  std::string text_of(const nlohmann::json& value, const std::string& where) {
    if (!value.is_string()) problem_.report(where, shown(value), ", expected a string");
    return value.is_string() ? value.get<std::string>() : std::string();
  }
  template <typename Number>
  static std::string range_text(Number low, Number high) {
    return low == high ? detail::join_text(low) : detail::join_text(low, " to ", high);
  }

  const nlohmann::json& object_;
  std::string path_;
  Problem& problem_;
  std::set<std::string> asked_;
};

}  // namespace hadal
