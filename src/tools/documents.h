// SPDX-License-Identifier: MIT
// Documents of JSON Lines files, one after another, checked line by line.
//
//   DocumentReader reader(paths);
//   Document document;
//   while (true) { TRY(bool more, reader.next(document)); if (!more) break; … }
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "text/message.h"

namespace hadal {

struct Document {
  std::optional<std::string> text;  // plain text …
  std::vector<Message> messages;    // … or a conversation

  // The text alone, one part after another: what bits per byte are counted over.
  std::vector<std::string> texts() const;
  int64_t text_bytes() const;
};

class DocumentReader {
 public:
  explicit DocumentReader(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  // False after the last document.
  Result<bool> next(Document& document);

 private:
  Result<bool> next_line(std::string_view& line);

  std::vector<std::string> paths_;
  size_t path_ = 0;
  std::shared_ptr<MappedFile> file_;
  int64_t offset_ = 0;
  int64_t line_number_ = 0;
};

}  // namespace hadal
