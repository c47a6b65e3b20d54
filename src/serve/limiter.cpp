// SPDX-License-Identifier: MIT
// The limiter.
#include "serve/limiter.h"

#include <algorithm>
#include <cmath>

#include "base/result.h"

namespace hadal {
namespace {

int64_t seconds_until(double level, double needed, int64_t a_minute) {
  const double seconds = (needed - level) * 60 / static_cast<double>(a_minute);
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(seconds)));
}

}  // namespace

void Limiter::Bucket::fill(int64_t a_minute, SteadyTime now) {
  const double most = static_cast<double>(a_minute);
  if (!used) {
    level = most;
  } else {
    const std::chrono::duration<double> passed = now - filled;
    level = std::min(most, level + passed.count() * most / 60);
  }
  used = true;
  filled = now;
}

std::optional<LimitRefusal> Limiter::admit(int64_t key, const KeyLimits& limits, int64_t tokens,
                                           SteadyTime now) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[key];
  if (limits.concurrent > 0 && account.concurrent >= limits.concurrent)
    return LimitRefusal{
        std::to_string(limits.concurrent) + " requests at once are this key's limit", 1};
  if (limits.requests_per_minute > 0) {
    account.requests.fill(limits.requests_per_minute, now);
    if (account.requests.level < 1)
      return LimitRefusal{
          std::to_string(limits.requests_per_minute) + " requests a minute are this key's limit",
          seconds_until(account.requests.level, 1, limits.requests_per_minute)};
  }
  if (limits.tokens_per_minute > 0) {
    account.tokens.fill(limits.tokens_per_minute, now);
    const double needed =
        static_cast<double>(std::clamp<int64_t>(tokens, 1, limits.tokens_per_minute));
    if (account.tokens.level < needed)
      return LimitRefusal{
          std::to_string(limits.tokens_per_minute) + " tokens a minute are this key's limit",
          seconds_until(account.tokens.level, needed, limits.tokens_per_minute)};
  }
  account.requests.level -= 1;
  account.tokens.level -= static_cast<double>(tokens);
  ++account.concurrent;
  return std::nullopt;
}

void Limiter::leave(int64_t key, const KeyLimits& limits, int64_t tokens, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_[key];
  CHECK(account.concurrent > 0, "a request left that was not admitted, key ", key);
  --account.concurrent;
  if (limits.tokens_per_minute == 0) return;
  account.tokens.fill(limits.tokens_per_minute, now);
  account.tokens.level -= static_cast<double>(tokens);
}

int64_t Limiter::inside() const {
  const std::lock_guard lock(mutex_);
  int64_t sum = 0;
  for (const auto& [key, account] : accounts_) sum += account.concurrent;
  return sum;
}

}  // namespace hadal
