// SPDX-License-Identifier: MIT
// The chat page: which bytes, and what browsers are told of them.
#include "serve/web_page.h"

#include <algorithm>

#include "base/result.h"

namespace hadal {
namespace {

// data: and blob: are pictures and clips that the page holds itself; fetching a data: URL is how it
// saves one.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self' data:; manifest-src 'self'; "
    "worker-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types hadal";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `each` for every element of a list between commas until it says true.
template <typename Each>
bool any_element(std::string_view list, const Each& each) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (each(trimmed(list.substr(0, comma)))) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// RFC 9110, section 12.5.3; a weight of nought forbids.
bool takes_gzip(std::string_view accepted) {
  return any_element(accepted, [](std::string_view element) {
    const size_t semicolon = std::min(element.find(';'), element.size());
    if (trimmed(element.substr(0, semicolon)) != "gzip") return false;
    const std::string_view weight =
        trimmed(element.substr(std::min(semicolon + 1, element.size())));
    return !weight.starts_with("q=0") || weight.find_first_of("123456789") != weight.npos;
  });
}

// RFC 9110, section 13.1.2: weak comparison.
bool is_held(std::string_view held, std::string_view etag) {
  return any_element(held, [&](std::string_view element) {
    if (element.starts_with("W/")) element.remove_prefix(2);
    return element == "*" || element == etag;
  });
}

}  // namespace

const WebAsset* find_web_asset(std::string_view path) {
  const std::span<const WebAsset> all = web_assets();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const WebAsset& asset) { return asset.path == path; });
  return found == all.end() ? nullptr : &*found;
}

HttpReply web_reply(const HttpRequest& request) {
  const WebAsset* const asset = find_web_asset(request.path);
  CHECK(asset, request.path);
  HttpReply reply;
  reply.type = asset->type;
  reply.headers = {{"ETag", std::string(asset->etag)},
                   {"Cache-Control", "no-cache"},
                   {"Vary", "Accept-Encoding"},
                   {"Content-Security-Policy", std::string(kPolicy)},
                   {"Referrer-Policy", "no-referrer"},
                   {"Cross-Origin-Opener-Policy", "same-origin"},
                   {"Cross-Origin-Resource-Policy", "same-origin"}};
  if (is_held(request.header("if-none-match"), asset->etag)) {
    reply.status = 304;
    return reply;
  }
  const bool zipped = !asset->zipped.empty() && takes_gzip(request.header("accept-encoding"));
  if (zipped) reply.headers.emplace_back("Content-Encoding", "gzip");
  reply.body = zipped ? asset->zipped : asset->plain;
  return reply;
}

}  // namespace hadal
