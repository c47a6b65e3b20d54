// SPDX-License-Identifier: MIT
// JSON from outside, bounded.
#include "text/bounded_json.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

#include "text/utf8.h"

namespace hadal {
namespace {

// One pass over the bytes, before the parser builds anything: brackets deepen, commas widen.
Status check_shape(std::string_view text, std::string_view name, const BoundedJsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    return fail(name, ": ", text.size(), " bytes of JSON, expected at most ", limits.max_bytes);
  std::vector<size_t> widths;
  bool in_string = false;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      widths.push_back(1);
      if (widths.size() > static_cast<size_t>(limits.max_depth))
        return fail(name, ": JSON nested deeper than ", limits.max_depth, " at byte ", at);
    } else if ((c == '}' || c == ']') && !widths.empty()) {
      widths.pop_back();
    } else if (c == ',' && !widths.empty() && ++widths.back() > limits.max_width) {
      return fail(name, ": more than ", limits.max_width, " JSON members side by side at byte ",
                  at);
    }
  }
  return Ok{};
}

template <typename Value>
Result<Value> parse(std::string_view text, std::string_view name, const BoundedJsonLimits& limits) {
  TRY_STATUS(check_shape(text, name, limits));
  // The library takes a NUL for the end of the text, and whatever follows it would pass unread.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
    return fail(name, ": not JSON at byte ", nul + 1);
  try {
    return Value::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    return fail(name, ": not JSON at byte ", error.byte);
  } catch (const nlohmann::json::exception&) {
    return fail(name, ": not JSON: a number is out of range");
  }
}

// repr(float): shortest digits; an exponent below -4 or from 16 on.
std::string python_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  char buffer[64];
  double size = std::fabs(value);
  bool plain = value == 0 || (size >= 1e-4 && size < 1e16);
  auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format);
  std::string text(buffer, end.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

void write_python(const OrderedJson& value, std::string& out) {
  bool first = true;
  if (value.is_object()) {
    out += '{';
    for (const auto& [key, member] : value.items()) {
      if (!first) out += ", ";
      first = false;
      out += python_json_string(key) + ": ";
      write_python(member, out);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (const OrderedJson& element : value) {
      if (!first) out += ", ";
      first = false;
      write_python(element, out);
    }
    out += ']';
  } else if (value.is_string()) {
    out += python_json_string(value.get_ref<const std::string&>());
  } else if (value.is_number_float()) {
    out += python_float(value.get<double>());
  } else {
    out += value.dump();
  }
}

}  // namespace

Result<Json> parse_bounded_json(std::string_view text, std::string_view name,
                                BoundedJsonLimits limits) {
  return parse<Json>(text, name, limits);
}

Result<OrderedJson> parse_ordered_json(std::string_view text, std::string_view name,
                                       BoundedJsonLimits limits) {
  return parse<OrderedJson>(text, name, limits);
}

std::string python_json(const OrderedJson& value) {
  std::string out;
  write_python(value, out);
  return out;
}

std::string python_json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", c);
          out += escape;
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string with_article(std::string_view noun) {
  if (noun == "null") return "null";
  bool vowel = noun == "array" || noun == "object";
  return (vowel ? "an " : "a ") + std::string(noun);
}

}  // namespace hadal
