// SPDX-License-Identifier: MIT
// Forms with files.
#include "serve/multipart.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/json.h"

namespace hadal {
namespace {

constexpr size_t kMostBoundary = 70;  // RFC 2046, 5.1.1
constexpr size_t kMostParts = 64;     // a request for pictures has some twenty fields
constexpr size_t kMostHeader = 4096;  // of one part: a disposition and a type
constexpr size_t kMostName = 200;     // of a field or file
constexpr std::string_view kLine = "\r\n";

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// A parameter's value at the beginning of `rest`, quoted or not; `rest` is left behind it.
std::optional<std::string> take_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    const size_t end = std::min(rest.find(';'), rest.size());
    value = trimmed(rest.substr(0, end));
    rest.remove_prefix(end);
    return value;
  }
  for (size_t at = 1; at < rest.size(); ++at) {
    if (rest[at] == '"') {
      rest.remove_prefix(at + 1);
      return value;
    }
    // Only a quote is escaped: a backslash stands for itself in the names that browsers send.
    if (rest[at] == '\\' && at + 1 < rest.size() && rest[at + 1] == '"') ++at;
    value += rest[at];
  }
  return std::nullopt;  // the quote is never closed
}

// The parameter `name` of a header's value "word; a=b; c="d""; nothing if it is not there.
Result<std::optional<std::string>> parameter(std::string_view header, std::string_view name) {
  const size_t word = header.find(';');
  std::string_view rest = word == std::string_view::npos ? "" : header.substr(word);
  std::optional<std::string> found;
  while (!rest.empty()) {
    if (rest.front() != ';') return fail("a header of the form has no \";\" between parameters");
    rest = trimmed(rest.substr(1));
    if (rest.empty()) break;
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos)
      return fail("a header of the form has a broken parameter");
    const std::string_view key = trimmed(rest.substr(0, equals));
    rest = trimmed(rest.substr(equals + 1));
    std::optional<std::string> value = take_value(rest);
    if (!value) return fail("a header of the form has an open quote");
    rest = trimmed(rest);
    if (!same_word(key, name)) continue;
    if (found) return fail("a header of the form says \"", name, "\" twice");
    found = std::move(value);
  }
  return found;
}

Status read_disposition(std::string_view value, FormPart& part) {
  if (!same_word(trimmed(value.substr(0, value.find(';'))), "form-data"))
    return fail("a part of the form is not \"form-data\"");
  TRY(const std::optional<std::string> name, parameter(value, "name"));
  TRY(const std::optional<std::string> file, parameter(value, "filename"));
  if (!name || name->empty() || name->size() > kMostName)
    return fail("a part of the form has no name of 1 to ", kMostName, " bytes");
  part.name = *name;
  part.is_file = file.has_value();
  part.file_name = file.value_or("").substr(0, kMostName);
  return Ok{};
}

// "Name: value" lines.
Status read_headers(std::string_view lines, FormPart& part) {
  while (!lines.empty()) {
    const size_t end = std::min(lines.find(kLine), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + kLine.size(), lines.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return fail("a header of a part has no colon");
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (same_word(name, "content-disposition")) {
      if (!part.name.empty()) return fail("a part of the form has two dispositions");
      TRY_STATUS(read_disposition(value, part));
    } else if (same_word(name, "content-transfer-encoding") && !same_word(value, "binary") &&
               !same_word(value, "8bit") && !same_word(value, "7bit")) {
      return fail("a part of the form is encoded as ", printable(value), ", expected binary");
    }
  }
  if (part.name.empty()) return fail("a part of the form has no disposition");
  return Ok{};
}

// What stands between two delimiters: headers, an empty line, bytes.
Result<FormPart> read_part(std::string_view text) {
  const size_t head = text.substr(0, kMostHeader).find("\r\n\r\n");
  if (text.starts_with(kLine) || head == std::string_view::npos)
    return fail("a part of the form has no headers that end within ", kMostHeader, " bytes");
  FormPart part;
  TRY_STATUS(read_headers(text.substr(0, head), part));
  part.bytes = text.substr(head + 2 * kLine.size());
  return part;
}

// Behind a delimiter: true at the last one.  `rest` is left at the part.
Result<bool> end_delimiter(std::string_view& rest) {
  if (rest.starts_with("--")) return true;
  while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
  if (!rest.starts_with(kLine)) return fail("a boundary of the form is not followed by a new line");
  rest.remove_prefix(kLine.size());
  return false;
}

}  // namespace

bool is_multipart(std::string_view content_type) {
  return same_word(trimmed(content_type.substr(0, content_type.find(';'))), "multipart/form-data");
}

Result<std::vector<FormPart>> read_multipart(std::string_view content_type, std::string_view body) {
  TRY(const std::optional<std::string> boundary, parameter(content_type, "boundary"));
  if (!boundary || boundary->empty() || boundary->size() > kMostBoundary)
    return fail("content-type: expected a boundary of 1 to ", kMostBoundary, " characters");
  const std::string delimiter = "--" + *boundary;
  const std::string inner = "\r\n" + delimiter;

  std::string_view rest = body;
  if (rest.starts_with(delimiter)) {
    rest.remove_prefix(delimiter.size());
  } else {
    const size_t first = rest.find(inner);
    if (first == std::string_view::npos) return fail("the form does not hold its boundary");
    rest.remove_prefix(first + inner.size());
  }
  std::vector<FormPart> parts;
  while (true) {
    TRY(const bool last, end_delimiter(rest));
    if (last) return parts;
    if (parts.size() == kMostParts) return fail("the form has more than ", kMostParts, " parts");
    const size_t end = rest.find(inner);
    if (end == std::string_view::npos) return fail("the form breaks off before its last boundary");
    TRY(FormPart part, read_part(rest.substr(0, end)));
    parts.push_back(std::move(part));
    rest.remove_prefix(end + inner.size());
  }
}

}  // namespace hadal
