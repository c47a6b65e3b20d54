// SPDX-License-Identifier: MIT
// Base64 (RFC 4648, section 4) and data URLs (RFC 2397) that hold it.
//
//   std::string text = to_base64(png);
//   std::optional<std::string> bytes = from_base64(text);       // nothing: no base64
//   std::optional<std::string> bytes = from_data_url("data:image/png;base64,iVBOR…");
//
// Strict: no spaces, whole groups of four, padding at the end alone.  Any thread; any bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hadal {

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);
// What the URL says of its type is dropped: files are told by their bytes.
std::optional<std::string> from_data_url(std::string_view url);

}  // namespace hadal
