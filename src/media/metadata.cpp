// SPDX-License-Identifier: MIT
// Metadata as one JSON text.
#include "media/metadata.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace hadal {
namespace {

constexpr std::string_view kStart = "{\"hadal\":{";

}  // namespace

Result<std::string> metadata_comment(const Metadata& metadata) {
  if (metadata.empty()) return std::string();
  nlohmann::json values = nlohmann::json::object();
  for (const auto& [key, value] : metadata) values[key] = value;
  const nlohmann::json document = {{"hadal", values}};
  std::string comment =
      document.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace);
  if (static_cast<int64_t>(comment.size()) > kMostCommentBytes)
    return fail("metadata of ", comment.size(), " bytes, at most ", kMostCommentBytes,
                " can be stored in a file");
  return comment;
}

bool is_metadata_comment(std::string_view comment) {
  return comment.starts_with(kStart);
}

Metadata metadata_of(std::string_view comment) {
  Metadata metadata;
  if (!is_metadata_comment(comment)) return metadata;
  const JsonLimits limits = {.bytes = kMostCommentBytes, .depth = 4, .values = 4096};
  const Result<nlohmann::json> document = parse_json(comment, "comment", limits);
  if (!document) return metadata;
  for (const auto& [key, value] : (*document)["hadal"].items())
    if (value.is_string()) metadata[key] = value.get<std::string>();
  return metadata;
}

}  // namespace hadal
