// SPDX-License-Identifier: MIT
// The library's event parser, and a builder that refuses what the library would let pass.
#include "base/json.h"

#include <utility>
#include <vector>

namespace hadal {
namespace {

using nlohmann::json;

class Builder final : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view name, const JsonLimits& limits) : name_(name), limits_(limits) {}

  bool null() override { return place(nullptr); }
  bool boolean(bool value) override { return place(value); }
  bool number_integer(int64_t value) override { return place(value); }
  bool number_unsigned(uint64_t value) override { return place(value); }
  bool number_float(double value, const std::string&) override { return place(value); }
  bool string(std::string& value) override { return place(std::move(value)); }
  bool binary(json::binary_t&) override { return refuse("binary values are not JSON"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& key) override {
    if (open_.back()->contains(key)) return refuse(printable(key), ": key given twice");
    key_ = std::move(key);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const json::exception&) override {
    return refuse("not valid JSON at byte ", position);
  }

  json& root() { return root_; }
  Error error() const { return error_; }

 private:
  template <typename... Parts>
  bool refuse(const Parts&... parts) {
    error_ = fail(name_, ": ", parts...);
    return false;
  }

  // Containers stay where they are until they are closed: only the innermost grows.
  bool place(json value) {
    if (++values_ > limits_.values) return refuse("more than ", limits_.values, " values");
    last_ = &root_;
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      last_ = &open_.back()->back();
    } else {
      last_ = &((*open_.back())[key_] = std::move(value));
    }
    return true;
  }
  bool open(json container) {
    if (static_cast<int>(open_.size()) >= limits_.depth)
      return refuse("nested deeper than ", limits_.depth, " levels");
    if (!place(std::move(container))) return false;
    open_.push_back(last_);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::string_view name_;
  const JsonLimits& limits_;
  int64_t values_ = 0;
  json root_;
  json* last_ = nullptr;
  std::vector<json*> open_;
  std::string key_;
  Error error_;
};

}  // namespace

Result<nlohmann::json> parse_json(std::string_view text, std::string_view name,
                                  const JsonLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.bytes)
    return fail(name, ": ", text.size(), " bytes, at most ", limits.bytes, " are read");
  // The library takes a NUL for the end of the text, and whatever follows it would pass unread.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos)
    return fail(name, ": not valid JSON at byte ", nul + 1);
  Builder builder(name, limits);
  if (!json::sax_parse(text, &builder)) return builder.error();
  return std::move(builder.root());
}

std::string printable(std::string_view text) {
  constexpr size_t kLongest = 120;  // a published tensor name has 40
  std::string result;
  for (char c : text.substr(0, kLongest)) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    result += control ? '?' : c;
  }
  return text.size() > kLongest ? result + "…" : result;
}

}  // namespace hadal
