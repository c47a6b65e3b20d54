// SPDX-License-Identifier: MIT
// What an API answers when it cannot: status, words, and the field that is to blame.
//
//   ApiResult<ChatCall> call = read_chat_call(body);
//   if (!call) exchange->reply(error_reply(call.error(), ErrorFamily::openai, request_id));
//
// ApiResult works with TRY as Result does; a Result's error becomes a 400.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.h"
#include "serve/http_message.h"

namespace hadal {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param = {};    // the field, as a path: "messages[2].content"; or empty
  std::string code = {};     // "model_not_found"; or empty
  int64_t wait_seconds = 0;  // Retry-After, for 429 and 503
};

// Until a server that shuts down may be there again.
inline constexpr int64_t kRestartSeconds = 10;
inline ApiError shutting_down() {
  return {.status = 503, .message = "the server is shutting down", .wait_seconds = kRestartSeconds};
}

template <typename T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : state_(std::move(value)) {}
  ApiResult(ApiError error) : state_(std::move(error)) {}
  ApiResult(const Error& error)
      : state_(ApiError{.status = error.blame == Blame::caller ? 400 : 500,
                        .message = error.message}) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  const ApiError& error() const { return std::get<ApiError>(state_); }
  T& operator*() { return std::get<T>(state_); }
  const T& operator*() const { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }
  T take() { return std::move(std::get<T>(state_)); }

 private:
  std::variant<T, ApiError> state_;
};
using ApiStatus = ApiResult<Ok>;

// A 400 that names the field.
template <typename... Parts>
ApiError bad_field(std::string param, const Parts&... parts) {
  return {.status = 400, .message = param + ": " + detail::join_text(parts...), .param = param};
}

enum class ErrorFamily { openai, anthropic, a1111 };

// The word for the status in each family.
std::string_view error_type(int status, ErrorFamily family);
std::string error_body(const ApiError& error, ErrorFamily family, std::string_view request_id);
HttpReply error_reply(const ApiError& error, ErrorFamily family, std::string_view request_id);

}  // namespace hadal
