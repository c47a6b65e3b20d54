// SPDX-License-Identifier: MIT
// Forms with files, as browsers and SDKs post them: multipart/form-data (RFC 7578, over RFC 2046).
//
//   TRY(std::vector<FormPart> parts, read_multipart(request.header("content-type"), request.body));
//
//   body = [preamble CRLF] delimiter part (CRLF delimiter part)* CRLF delimiter "--" [epilogue]
//   delimiter = "--" boundary [spaces] CRLF            part = header* CRLF bytes
//
// The bytes of a part are views into the body, which must outlive them.  Any bytes; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hadal {

struct FormPart {
  std::string name;
  std::string file_name;  // as the client says; nothing is ever stored under it
  bool is_file = false;   // a file name was given
  std::string_view bytes;
};

bool is_multipart(std::string_view content_type);
// Refuses what is no such form, and forms of too many parts or too long headers.
Result<std::vector<FormPart>> read_multipart(std::string_view content_type, std::string_view body);

}  // namespace hadal
