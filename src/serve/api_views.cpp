// SPDX-License-Identifier: MIT
// The API: pictures and clips that are looked at, one request after another.
#include "serve/api.h"
#include "serve/view_cache.h"
#include "serve/view_queue.h"

namespace hadal {

ApiStatus Api::look_first(const Asked& asked, const std::shared_ptr<const ChatCall>& call,
                          ErrorFamily family, Seen seen) {
  if (call->pictures.empty()) return seen({});
  TRY_STATUS(check_balance(asked));
  const auto look = [this, asked, call, seen = std::move(seen)]() -> ApiStatus {
    TRY(const SeenPictures pictures,
        look_at(*call, *views_, partition_of(asked, call->user, call->cache_salt),
                model_.worker.context() - 1));
    return seen(pictures);
  };
  return in_turn(asked, call->user, family, look);
}

ApiStatus Api::in_turn(const Asked& asked, const std::string& user, ErrorFamily family,
                       std::function<ApiStatus()> look) {
  // A client that goes while its request waits is not looked for.
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  asked.exchange->watch([gone] { *gone = true; }, nullptr);
  const auto work = [asked, family, gone, look = std::move(look)](View what) {
    if (*gone) return;
    const ApiStatus status = what == View::look ? look() : shutting_down();
    if (!status)
      asked.exchange->reply(error_reply(status.error(), family, asked.exchange->request().id));
  };
  const Pushed pushed = viewing_->push(asked.key ? asked.key->id : user, work);
  if (pushed == Pushed::yes) return Ok{};
  metrics_.refused("queue");
  return ApiError{.status = pushed == Pushed::full ? 503 : 429,
                  .message = pushed == Pushed::full
                                 ? "the queue of pictures that are shown is full"
                                 : "too many of your requests with pictures wait",
                  .wait_seconds = 10};
}

}  // namespace hadal
