// SPDX-License-Identifier: MIT
// The API: paths, keys, origins.
#include "serve/api.h"

#include <algorithm>
#include <array>

#include "serve/api_path.h"
#include "serve/base64.h"
#include "serve/embedding_reply.h"
#include "serve/pictures.h"
#include "serve/text_reply.h"
#include "serve/view_cache.h"
#include "serve/view_queue.h"
#include "serve/web_page.h"

namespace hadal {
namespace {

constexpr std::string_view kBearer = "Bearer ", kBasic = "Basic ";
// Sixteen pictures of a thousand positions at a width of 4096; beside the prefix cache it is small.
constexpr int64_t kViewBytes = 256 << 20;
// A large model looks at a picture for seconds: who would wait longer is better told.
constexpr QueueLimits kViewQueue = {.most = 64, .most_of_one = 16};

// "localhost:8080", "[::1]:8080", "127.0.0.1" to its name.
std::string_view host_name(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

bool is_local_name(std::string_view name) {
  return name == "localhost" || name.ends_with(".localhost") || is_loopback(std::string(name));
}

// Bearer wins over x-api-key, as DeepSeek has it.  A1111's clients know a user and a password,
// which is the key.
std::string key_text(const HttpRequest& head) {
  const std::string_view given = head.header("authorization");
  if (given.starts_with(kBearer)) return std::string(given.substr(kBearer.size()));
  if (given.starts_with(kBasic)) {
    const std::string pair = from_base64(given.substr(kBasic.size())).value_or("");
    return pair.substr(std::min(pair.find(':'), pair.size() - 1) + 1);
  }
  return std::string(head.header("x-api-key"));
}

}  // namespace

struct Api::Route {
  std::string_view method;  // or several, "GET, POST"
  std::string_view path;    // one that ends with a slash also means what stands behind it
  ApiStatus (Api::*answer)(const Asked& asked);
  // Who is let in: a key while work is taken, the same key until the server ends, or anybody.
  enum class Door { working, until_end, open } door = Door::working;

  bool takes(std::string_view asked) const {
    for (std::string_view rest = method; !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find(", "));
      if (one == asked) return true;
      rest.remove_prefix(std::min(one.size() + 2, rest.size()));
    }
    return false;
  }
};

const Api::Route* Api::find_route(const std::string& full_path) {
  static constexpr std::array kRoutes = {
      Route{"POST", "/chat/completions", &Api::chat_completions},
      Route{"POST", "/chat/completions/control", &Api::control},
      Route{"POST", "/completions", &Api::completions},
      Route{"POST", "/infill", &Api::infill},
      Route{"POST", "/messages", &Api::messages},
      Route{"POST", "/messages/count_tokens", &Api::count_tokens},
      Route{"POST", "/responses", &Api::responses},
      Route{"POST", "/responses/input_tokens", &Api::response_tokens},
      Route{"POST", "/images/generations", &Api::image_generations},
      Route{"POST", "/images/edits", &Api::image_edits},
      Route{"POST", "/images/variations", &Api::image_variations},
      Route{"POST", "/sdapi/v1/txt2img", &Api::sd_txt2img},
      Route{"POST", "/sdapi/v1/img2img", &Api::sd_img2img},
      Route{"GET", "/sdapi/v1/sd-models", &Api::sd_models},
      Route{"GET", "/sdapi/v1/samplers", &Api::sd_samplers},
      Route{"GET, POST", "/sdapi/v1/options", &Api::sd_options},
      Route{"GET", "/sdapi/v1/progress", &Api::sd_progress},
      Route{"GET", "/sdcpp/v1/capabilities", &Api::sdcpp_capabilities},
      Route{"POST", "/sdcpp/v1/img_gen", &Api::sdcpp_img_gen},
      Route{"POST", "/sdcpp/v1/vid_gen", &Api::sdcpp_vid_gen},
      Route{"GET, POST", "/sdcpp/v1/jobs/", &Api::sdcpp_job},
      Route{"GET, POST", "/videos", &Api::videos},
      Route{"GET, POST, DELETE", "/videos/", &Api::one_video},
      Route{"GET, POST", "/files", &Api::files},
      Route{"GET, DELETE", "/files/", &Api::one_file},
      Route{"POST", "/embeddings", &Api::embeddings},
      Route{"POST", "/tokenize", &Api::tokenize},
      Route{"POST", "/detokenize", &Api::detokenize},
      Route{"POST", "/apply-template", &Api::apply_template},
      Route{"GET", "/models", &Api::models},
      Route{"GET", "/models/", &Api::one_model},
      Route{"GET", "/user/balance", &Api::balance},
      Route{"GET", "/metrics", &Api::metrics_page, Route::Door::until_end},
      Route{"GET", "/props", &Api::props},
      Route{"GET", "/slots", &Api::slots},
      Route{"GET", "/live", &Api::live, Route::Door::open},
      Route{"GET", "/health", &Api::health, Route::Door::open},
      Route{"GET", "/healthz", &Api::health, Route::Door::open},
  };
  const std::string_view path = plain_path(full_path);
  for (const Route& route : kRoutes) {
    const bool means_below = route.path.ends_with('/');
    const bool below = path.starts_with(route.path) && path.size() > route.path.size();
    if (means_below ? below : path == route.path) return &route;
  }
  static constexpr Route kPage{"GET", {}, &Api::page, Route::Door::open};
  return find_web_asset(full_path) ? &kPage : nullptr;
}

Api::Api(const ServedModel& model, Accounts& accounts, ApiOptions options)
    : model_(model),
      accounts_(accounts),
      options_(std::move(options)),
      metrics_(model.id, options_.metrics),
      bookkeeper_(
          accounts,
          [this](const Error& error) {
            metrics_.ledger_failed();
            options_.log("ledger: " + error.message + "; the entry is kept and tried again");
          },
          [this](const Bill& bill) { metrics_.charged(bill); }) {
  if (model_.viewer) views_ = std::make_unique<ViewCache>(*model_.viewer, kViewBytes);
  if (model_.viewer || options_.artist) viewing_ = std::make_unique<ViewQueue>(kViewQueue);
  if (!options_.artist) return;
  pictures_ = std::make_unique<Pictures>(*options_.artist, options_.videos,
                                         VideoJobsHost{.accounts = accounts_,
                                                       .bookkeeper = bookkeeper_,
                                                       .model = model_.id,
                                                       .most_time = options_.request_time,
                                                       .log = options_.log});
}

// First what reports to the books, then the books, then what both of them tell.
Api::~Api() {
  if (viewing_) viewing_->close();
  if (pictures_) pictures_->close();
  bookkeeper_.close();
}

void Api::drain() {
  draining_ = true;
  if (pictures_) pictures_->drain();
}

std::string Api::error_body(const HttpRequest& head, int status, const std::string& message) {
  return hadal::error_body({.status = status, .message = message}, family_of(head.path), head.id);
}

ApiStatus Api::check_origin(const HttpRequest& head) const {
  const std::string_view host = head.header("host"), origin = head.header("origin");
  if (!host.empty() && !is_local_name(host_name(host)))
    return ApiError{.status = 403,
                    .message =
                        "without keys only requests to localhost are answered, not to the "
                        "host that was named; make a key with hadal keys add"};
  const size_t name = origin.find("://");
  if (!origin.empty() &&
      (name == std::string_view::npos || !is_local_name(host_name(origin.substr(name + 3)))))
    return ApiError{.status = 403, .message = "pages of other origins are not answered"};
  return Ok{};
}

ApiResult<std::optional<KeyRecord>> Api::authorise(const HttpRequest& head) {
  TRY(const bool any, accounts_.any_keys());
  if (!any) {
    TRY_STATUS(check_origin(head));
    return std::optional<KeyRecord>();
  }
  TRY(std::optional<KeyRecord> key, accounts_.find(key_text(head)));
  if (!key)
    return ApiError{.status = 401,
                    .message = key_text(head).empty()
                                   ? "no key: expected Authorization: Bearer or x-api-key"
                                   : "the key is wrong or revoked",
                    .code = "invalid_api_key"};
  return key;
}

std::optional<HttpReply> Api::refuse(const HttpRequest& head) {
  const ErrorFamily family = family_of(head.path);
  const Route* route = find_route(head.path);
  if (!route)
    return error_reply({.status = 404, .message = "no such path: " + head.path.substr(0, 200)},
                       family, head.id);
  if (!route->takes(head.method)) {
    HttpReply reply = error_reply(
        {.status = 405, .message = "expected " + std::string(route->method)}, family, head.id);
    reply.headers.emplace_back("Allow", route->method);
    return reply;
  }
  if (route->door == Route::Door::open) return std::nullopt;
  if (draining_ && route->door == Route::Door::working) {
    metrics_.refused("draining");
    return error_reply(shutting_down(), family, head.id);
  }
  if (const auto key = authorise(head); !key) {
    metrics_.refused("key");
    return error_reply(key.error(), family, head.id);
  }
  return std::nullopt;
}

int64_t Api::body_limit(const HttpRequest& head, const HttpLimits& limits) const {
  const bool uploads = options_.files && plain_path(head.path) == "/files";
  return uploads ? std::max(limits.body_bytes, limits.upload_bytes) : limits.body_bytes;
}

void Api::handle(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  const Route* route = find_route(request.path);
  CHECK(route, request.path);
  const ApiStatus status = serve(exchange, *route);
  if (!status) exchange->reply(error_reply(status.error(), family_of(request.path), request.id));
}

ApiStatus Api::serve(const std::shared_ptr<Exchange>& exchange, const Route& route) {
  Asked asked{exchange, {}};
  if (route.door != Route::Door::open) {
    TRY(asked.key, authorise(exchange->request()));
  }
  if (asked.key) exchange->note("key=" + asked.key->id);
  return (this->*route.answer)(asked);
}

void Api::cut() {
  if (viewing_) viewing_->close();  // what it looks at would still go to the worker
  if (pictures_) pictures_->cut();
  // Under the lock no reply can forget itself and die.
  const std::lock_guard lock(mutex_);
  for (TextReply* reply : replies_) reply->cut();
  for (EmbeddingReply* reply : embeddings_) reply->cut();
}

int64_t Api::answering() const {
  const int64_t looking = viewing_ ? viewing_->size() : 0;
  const std::lock_guard lock(mutex_);
  return looking + static_cast<int64_t>(replies_.size() + embeddings_.size()) +
         (pictures_ ? pictures_->answering() : 0);
}

void Api::forget(const TextReply& reply) {
  const std::lock_guard lock(mutex_);
  std::erase_if(replies_, [&](const TextReply* one) { return one == &reply; });
}

void Api::forget(const EmbeddingReply& reply) {
  const std::lock_guard lock(mutex_);
  std::erase_if(embeddings_, [&](const EmbeddingReply* one) { return one == &reply; });
}

}  // namespace hadal
