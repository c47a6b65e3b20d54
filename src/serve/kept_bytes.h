// SPDX-License-Identifier: MIT
// Files of the server's own: written whole or not at all, read in parts, answered with byte ranges.
//
//   TRY_STATUS(write_file(path, bytes));               // base/file.h
//   TRY(const std::string part, read_kept(path, first, count));
//   TRY_STATUS(reply_kept(exchange, {.path = path, .size = size, .type = "image/png", .tag = id}));
//
// Stateless; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/api_error.h"
#include "serve/exchange.h"

namespace hadal {

// Fails if the file has fewer.
Result<std::string> read_kept(const std::string& path, int64_t first, int64_t count);

// A file that never changes.
struct KeptFile {
  std::string path;
  int64_t size = 0;
  std::string type;
  std::string tag;  // names this content for ever
};

// All of it, or the range that the request asks for: 200, 206 or 416.
ApiStatus reply_kept(Exchange& exchange, const KeptFile& file);

}  // namespace hadal
