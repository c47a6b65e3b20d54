// SPDX-License-Identifier: MIT
// The chat page, as it lies in the program: web/ compiled by the build (web/embed.cmake).
//
//   if (find_web_asset(request.path)) exchange->reply(web_reply(request));
//
// The page may load and reach nothing but this server, and nothing that a model writes can run in
// it: script comes from /app.js alone (Content-Security-Policy, Trusted Types).  Browsers ask each
// time whether what they hold is still right (ETag), so a new program brings its page along.
// Any thread.
#pragma once

#include <span>
#include <string_view>

#include "serve/http_message.h"

namespace hadal {

struct WebAsset {
  std::string_view path;  // "/app.js"
  std::string_view type;  // "text/javascript; charset=utf-8"
  std::string_view etag;  // quoted, of the bytes
  std::string_view plain;
  std::string_view zipped;  // by gzip; empty where that saves nothing
};

std::span<const WebAsset> web_assets();
const WebAsset* find_web_asset(std::string_view path);

// The path must be an asset's.
HttpReply web_reply(const HttpRequest& request);

}  // namespace hadal
