// SPDX-License-Identifier: MIT
// What the server answers while its model is loaded.
#include "serve/loading_door.h"

#include <algorithm>
#include <cmath>

#include "serve/api_path.h"
#include "serve/json_reply.h"
#include "text/bounded_json.h"

namespace hadal {
namespace {

constexpr int64_t kRetrySeconds = 5;

// For people: it looks again by itself.
constexpr std::string_view kPage =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<meta http-equiv=\"refresh\" content=\"2\">\n<title>Hadal</title>\n"
    "<p>The model is being loaded.</p>\n";

}  // namespace

void LoadingDoor::progress(int64_t done, int64_t all) {
  part_ = all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 0;
}

HttpReply LoadingDoor::closed(const HttpRequest& head) const {
  const std::string_view path = plain_path(head.path);
  if (path == "/live") return {.status = 200, .body = dump_json({{"status", "ok"}})};
  HttpReply reply{.status = 503, .body = {}};
  if (path == "/health" || path == "/healthz") {
    const double part = std::floor(100 * part_) / 100;
    reply.body = dump_json({{"error",
                             {{"code", 503},
                              {"message", "Loading model"},
                              {"type", "unavailable_error"},
                              {"progress", std::clamp(part, 0.0, 1.0)}}}});
  } else if (head.path == "/") {
    reply.body = kPage;
    reply.type = "text/html; charset=utf-8";
    reply.headers.emplace_back("Content-Security-Policy", "default-src 'none'");
  } else {
    return error_reply({.status = 503,
                        .message = "the model is being loaded",
                        .code = "model_loading",
                        .wait_seconds = kRetrySeconds},
                       family_of(head.path), head.id);
  }
  reply.headers.emplace_back("Retry-After", std::to_string(kRetrySeconds));
  return reply;
}

std::optional<HttpReply> LoadingDoor::refuse(const HttpRequest& head) {
  if (HttpHandler* const behind = behind_) return behind->refuse(head);
  return closed(head);
}

int64_t LoadingDoor::body_limit(const HttpRequest& head, const HttpLimits& limits) const {
  const HttpHandler* const behind = behind_;
  return behind ? behind->body_limit(head, limits) : HttpHandler::body_limit(head, limits);
}

void LoadingDoor::handle(std::shared_ptr<Exchange> exchange) {
  HttpHandler* const behind = behind_;
  CHECK(behind, "a request came through a closed door");
  behind->handle(std::move(exchange));
}

std::string LoadingDoor::error_body(const HttpRequest& head, int status,
                                    const std::string& message) {
  return hadal::error_body({.status = status, .message = message}, family_of(head.path), head.id);
}

}  // namespace hadal
