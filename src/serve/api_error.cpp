// SPDX-License-Identifier: MIT
// Errors as the two families of clients expect them.
#include "serve/api_error.h"

#include <map>
#include <nlohmann/json.hpp>

namespace hadal {
namespace {

using Ordered = nlohmann::ordered_json;

struct Words {
  std::string_view openai, anthropic;
};

Words words_of(int status) {
  static const std::map<int, Words> kWords = {
      {400, {"invalid_request_error", "invalid_request_error"}},
      {401, {"authentication_error", "authentication_error"}},
      {402, {"insufficient_quota", "billing_error"}},
      {403, {"permission_error", "permission_error"}},
      {404, {"invalid_request_error", "not_found_error"}},
      {413, {"invalid_request_error", "request_too_large"}},
      {429, {"rate_limit_error", "rate_limit_error"}},
      {500, {"server_error", "api_error"}},
      {503, {"server_error", "overloaded_error"}},
      {504, {"timeout", "timeout_error"}},
  };
  if (const auto found = kWords.find(status); found != kWords.end()) return found->second;
  return status < 500 ? kWords.at(400) : kWords.at(500);
}

}  // namespace

std::string_view error_type(int status, ErrorFamily family) {
  const Words words = words_of(status);
  return family == ErrorFamily::anthropic ? words.anthropic : words.openai;
}

std::string error_body(const ApiError& error, ErrorFamily family, std::string_view request_id) {
  const auto or_null = [](const std::string& text) {
    return text.empty() ? Ordered() : Ordered(text);
  };
  Ordered body;
  if (family == ErrorFamily::openai)
    body = {{"error",
             {{"message", error.message},
              {"type", error_type(error.status, family)},
              {"param", or_null(error.param)},
              {"code", or_null(error.code)}}}};
  else if (family == ErrorFamily::a1111)
    body = {{"error", error_type(error.status, family)},
            {"detail", error.message},
            {"errors", error.param}};
  else
    body = {{"type", "error"},
            {"error", {{"type", error_type(error.status, family)}, {"message", error.message}}},
            {"request_id", request_id}};
  return body.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

HttpReply error_reply(const ApiError& error, ErrorFamily family, std::string_view request_id) {
  HttpReply reply{.status = error.status, .body = error_body(error, family, request_id)};
  if (error.wait_seconds > 0)
    reply.headers.emplace_back("Retry-After", std::to_string(error.wait_seconds));
  if (error.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace hadal
