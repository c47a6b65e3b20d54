// SPDX-License-Identifier: MIT
// Lines of JSON, one document each.
#include "tools/documents.h"

#include <string_view>

#include "base/json.h"

namespace hadal {

namespace {

constexpr int64_t kLineLimit = 32 << 20;  // one document; longer ones belong into several

}  // namespace

std::vector<std::string> Document::texts() const {
  std::vector<std::string> all;
  if (text) all.push_back(*text);
  for (const Message& message : messages)
    for (const Block& block : message.content) all.push_back(block.text);
  return all;
}

int64_t Document::text_bytes() const {
  int64_t bytes = 0;
  for (const std::string& part : texts()) bytes += static_cast<int64_t>(part.size());
  return bytes;
}

Result<bool> DocumentReader::next_line(std::string_view& line) {
  while (true) {
    if (!file_) {
      if (path_ == paths_.size()) return false;
      TRY(file_, MappedFile::open(paths_[path_]));
      offset_ = line_number_ = 0;
    }
    if (offset_ < file_->size()) break;
    file_.reset();
    ++path_;
  }
  std::string_view rest(file_->bytes() + offset_, static_cast<size_t>(file_->size() - offset_));
  line = rest.substr(0, rest.find('\n'));
  offset_ += static_cast<int64_t>(line.size()) + 1;
  ++line_number_;
  if (static_cast<int64_t>(line.size()) > kLineLimit)
    return fail(paths_[path_], ":", line_number_, ": a line of ", line.size(), " bytes, at most ",
                kLineLimit);
  return true;
}

Result<bool> DocumentReader::next(Document& document) {
  std::string_view line;
  do {
    TRY(bool more, next_line(line));
    if (!more) return false;
  } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
  std::string where = detail::join_text(paths_[path_], ":", line_number_);
  TRY(nlohmann::json json, parse_json(line, where, {.bytes = kLineLimit, .depth = 16}));
  document = {};
  bool has_text = json.is_object() && json.size() == 1 && json.contains("text");
  bool has_messages = json.is_object() && json.size() == 1 && json.contains("messages");
  if (has_text && json["text"].is_string()) {
    document.text = json["text"].get<std::string>();
    return true;
  }
  if (!has_messages) return fail(where, R"(: expected {"text": "…"} or {"messages": […]})");
  Result<std::vector<Message>> messages = messages_from_json(json["messages"].dump());
  if (!messages) return fail(where, ": ", messages.error().message);
  document.messages = messages.take();
  return true;
}

}  // namespace hadal
