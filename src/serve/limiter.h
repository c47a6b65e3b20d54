// SPDX-License-Identifier: MIT
// The limiter: how much a key may ask at once and in a minute.
//
//   std::optional<LimitRefusal> refusal = limiter.admit(key, limits, prompt_tokens, now);
//   …
//   limiter.leave(key, limits, answer_tokens, now);      // for every request that was admitted
//
// Buckets that fill evenly and hold a minute's worth.  Tokens are taken when they are known: the
// prompt's at the door, the answer's at the end, so a bucket may go below nothing and is waited
// for; a prompt longer than the bucket is admitted when the bucket is full.  Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "serve/accounts.h"

namespace hadal {

using SteadyTime = std::chrono::steady_clock::time_point;

struct LimitRefusal {
  std::string what;          // "12 requests a minute are this key's limit"
  int64_t wait_seconds = 1;  // after which it is worth trying again
};

class Limiter {
 public:
  std::optional<LimitRefusal> admit(int64_t key, const KeyLimits& limits, int64_t tokens,
                                    SteadyTime now);
  void leave(int64_t key, const KeyLimits& limits, int64_t tokens, SteadyTime now);
  // Requests that were admitted and have not left: of all keys.
  int64_t inside() const;

 private:
  struct Bucket {
    double level = 0;
    SteadyTime filled{};
    bool used = false;  // a bucket that nobody used yet is full

    void fill(int64_t a_minute, SteadyTime now);
  };
  struct Account {
    int64_t concurrent = 0;
    Bucket requests, tokens;
  };

  mutable std::mutex mutex_;
  std::map<int64_t, Account> accounts_;  // as many as there are keys
};

}  // namespace hadal
