// SPDX-License-Identifier: MIT
// Result<T>: a value, or the one line that says why there is none.
//
//   Result<File> file = File::open(path);
//   if (!file) return file.error();
//   TRY(auto header, read_header(*file));       // or: hand the error on
//
// The world (files, requests, checkpoints) fails with a Result; a bug stops the program with
// CHECK.  Any thread may use it.  A message is one line: what failed, where, found, expected.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

namespace hadal {

// Whose mistake it was; the program's exit code is the value (2: the caller's, 1: ours or the
// machine's).
enum class Blame { machine = 1, caller = 2 };

struct Error {
  std::string message;
  Blame blame = Blame::caller;
};

namespace detail {
template <typename... Parts>
std::string join_text(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}
}  // namespace detail

// An error that the caller of the program can mend: a bad file, option or request.
template <typename... Parts>
Error fail(const Parts&... parts) {
  return Error{detail::join_text(parts...), Blame::caller};
}

// An error of the machine: no memory, a full disk.
template <typename... Parts>
Error fail_machine(const Parts&... parts) {
  return Error{detail::join_text(parts...), Blame::machine};
}

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  const Error& error() const { return std::get<Error>(state_); }
  T& operator*() { return std::get<T>(state_); }
  const T& operator*() const { return std::get<T>(state_); }
  T* operator->() { return &std::get<T>(state_); }
  const T* operator->() const { return &std::get<T>(state_); }
  T take() { return std::move(std::get<T>(state_)); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value:  return Ok{};
struct Ok {};
using Status = Result<Ok>;

[[noreturn]] inline void stop_on_bug(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "hadal: bug at %s:%d: %s\n", file, line, what.c_str());
  std::abort();
}

}  // namespace hadal

#define HADAL_PASTE_(a, b) a##b
#define HADAL_PASTE(a, b) HADAL_PASTE_(a, b)

// TRY(declaration, expression): declares from the value, or returns the error.
#define TRY(declaration, ...)                                                         \
  auto HADAL_PASTE(result_, __LINE__) = (__VA_ARGS__);                                \
  if (!HADAL_PASTE(result_, __LINE__)) return HADAL_PASTE(result_, __LINE__).error(); \
  declaration = HADAL_PASTE(result_, __LINE__).take()

// TRY_STATUS(expression): returns the error, if there is one.
#define TRY_STATUS(...)                                                                     \
  if (auto HADAL_PASTE(status_, __LINE__) = (__VA_ARGS__); !HADAL_PASTE(status_, __LINE__)) \
  return HADAL_PASTE(status_, __LINE__).error()

// A bug, not bad input: prints where and what, and stops the program.
#define CHECK(condition, ...)                                                                      \
  do {                                                                                             \
    if (!(condition))                                                                              \
      ::hadal::stop_on_bug(__FILE__, __LINE__,                                                     \
                           ::hadal::detail::join_text(#condition " " __VA_OPT__(, ) __VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define DCHECK(...) \
  do {              \
  } while (false)
#else
#define DCHECK(...) CHECK(__VA_ARGS__)
#endif
