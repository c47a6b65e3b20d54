// SPDX-License-Identifier: MIT
// The API: which path means what, who may ask, and the answers that need no model.
//
//   Api api(model, accounts, {});
//   TRY(std::unique_ptr<HttpServer> server, HttpServer::start(options, api));
//   api.watch(server->counts());                     // for metrics
//   …
//   api.drain();                                     // new requests: 503; /health says so
//   api.cut();                                       // what still runs ends with an error
//
// Every path has several names (api_path.h).
// Without any key in the accounts everybody may ask, but only over loopback names: a page in
// somebody's browser that reaches this machine by another name, or from another origin, is refused.
// Any thread.  The model and the accounts must outlive it.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "serve/accounts.h"
#include "serve/api_error.h"
#include "serve/bookkeeper.h"
#include "serve/form.h"
#include "serve/http_server.h"
#include "serve/limiter.h"
#include "serve/metrics.h"
#include "serve/reply_plan.h"
#include "serve/reply_writer.h"
#include "serve/shown_pictures.h"

namespace hadal {

class Artist;
class FileStore;
class ViewCache;
class ViewQueue;
class EmbeddingReply;
class PictureReply;
class Pictures;
class TextReply;
class VideoJobs;
class VideoStore;
enum class ChatArt;
enum class ImageTask;
struct ArtLimits;
struct ImageCall;
struct PictureChatCall;
struct VideoCall;
struct PictureReplyParts;
struct SdcppCall;
struct Senses;
struct StoredFile;
struct VideoJob;

struct ApiOptions {
  // After which a request is given up: an answer of 32,768 tokens at ten a second.
  std::chrono::seconds request_time{3600};
  // For lines that an operator must see.
  std::function<void(const std::string& line)> log = [](const std::string&) {};
  // Who paints, and where videos are kept; both must outlive the API.  Null: the model does not
  // draw; videos are made only while one waits for them.
  Artist* artist = nullptr;
  VideoStore* videos = nullptr;
  // What clients send to be named later; must outlive the API.  Null: nothing is kept.
  FileStore* files = nullptr;
  MetricsNames metrics = MetricsNames::both;
  // Refuses chats that leave out what was thought before a tool was called, as DeepSeek's service.
  bool strict_reasoning = false;
};

class Api : public HttpHandler {
 public:
  Api(const ServedModel& model, Accounts& accounts, ApiOptions options);
  ~Api() override;

  std::optional<HttpReply> refuse(const HttpRequest& head) override;
  int64_t body_limit(const HttpRequest& head, const HttpLimits& limits) const override;
  void handle(std::shared_ptr<Exchange> exchange) override;
  std::string error_body(const HttpRequest& head, int status, const std::string& message) override;

  void watch(const HttpCounts& counts) { counts_ = &counts; }
  void drain();
  void cut();
  // Answers that the model is still at, or that are not written into the ledger yet.
  int64_t answering() const;

 private:
  friend class EmbeddingReply;
  friend class PictureReply;
  friend class TextReply;
  struct Route;
  static const Route* find_route(const std::string& path);

  // The key, or none where none is needed.
  ApiResult<std::optional<KeyRecord>> authorise(const HttpRequest& head);
  ApiStatus check_origin(const HttpRequest& head) const;
  ApiStatus serve(const std::shared_ptr<Exchange>& exchange, const Route& route);

  // The answers; each is named by its path.  api_text.cpp, api_pictures.cpp, api_files.cpp and
  // api_small.cpp.
  struct Asked {
    std::shared_ptr<Exchange> exchange;
    std::optional<KeyRecord> key;
  };
  ApiStatus chat_completions(const Asked& asked);
  ApiStatus control(const Asked& asked);
  ApiStatus completions(const Asked& asked);
  ApiStatus infill(const Asked& asked);
  ApiStatus messages(const Asked& asked);
  ApiStatus count_tokens(const Asked& asked);
  ApiStatus responses(const Asked& asked);
  ApiStatus response_tokens(const Asked& asked);
  ApiStatus image_generations(const Asked& asked);
  ApiStatus image_edits(const Asked& asked);
  ApiStatus image_variations(const Asked& asked);
  ApiStatus sd_txt2img(const Asked& asked);
  ApiStatus sd_img2img(const Asked& asked);
  ApiStatus sd_models(const Asked& asked);
  ApiStatus sd_samplers(const Asked& asked);
  ApiStatus sd_options(const Asked& asked);
  ApiStatus sd_progress(const Asked& asked);
  ApiStatus sdcpp_img_gen(const Asked& asked);
  ApiStatus sdcpp_vid_gen(const Asked& asked);
  ApiStatus sdcpp_job(const Asked& asked);
  ApiStatus sdcpp_capabilities(const Asked& asked);
  ApiStatus videos(const Asked& asked);
  ApiStatus one_video(const Asked& asked);
  ApiStatus files(const Asked& asked);
  ApiStatus one_file(const Asked& asked);
  ApiStatus embeddings(const Asked& asked);
  ApiStatus tokenize(const Asked& asked);
  ApiStatus detokenize(const Asked& asked);
  ApiStatus apply_template(const Asked& asked);
  ApiStatus models(const Asked& asked);
  ApiStatus one_model(const Asked& asked);
  ApiStatus balance(const Asked& asked);
  Senses senses() const;
  ApiResult<OrderedJson> card() const;
  ApiStatus props(const Asked& asked);
  ApiStatus slots(const Asked& asked);
  ApiStatus live(const Asked& asked);
  ApiStatus health(const Asked& asked);
  ApiStatus metrics_page(const Asked& asked);
  ApiStatus page(const Asked& asked);

  using MakeWriter = std::function<std::unique_ptr<ReplyWriter>(ReplyFacts facts)>;
  struct TextJob {
    std::vector<ReplyPlan> plans;  // one a prompt
    int64_t answers = 1;           // to each
    std::string user, cache_salt;
    bool stream = false;
    std::string call_prefix;
    ErrorFamily family = ErrorFamily::openai;
    MakeWriter writer;
    ReplyFacts facts;
  };
  ReplyFacts facts_for(const TextCall& call, const std::vector<ReplyPlan>& plans,
                       const std::string& id) const;
  // A conversation on its way to an answer, in the words of one of the APIs.
  struct ChatJob {
    std::shared_ptr<const ChatCall> call = {};
    std::string id_prefix, call_prefix;
    ErrorFamily family = ErrorFamily::openai;
    MakeWriter writer;
  };
  Sees sees() const { return views_ ? Sees::pictures : Sees::text; }
  // `job` is still without its call.
  ApiStatus answer_conversation(const Asked& asked, const OrderedJson& body, ChatCall call,
                                ChatJob job);
  ApiStatus answer_chat(const Asked& asked, const ChatJob& job);
  ApiStatus answer_seen_chat(const Asked& asked, const ChatJob& job, const SeenPictures& seen);
  // With what is seen in the pictures of a call: at once if it shows none, else in its turn.
  using Seen = std::function<ApiStatus(const SeenPictures& seen)>;
  ApiStatus look_first(const Asked& asked, const std::shared_ptr<const ChatCall>& call,
                       ErrorFamily family, Seen seen);
  // What reads foreign pictures and clips, which takes its time, on the thread for it.
  ApiStatus in_turn(const Asked& asked, const std::string& user, ErrorFamily family,
                    std::function<ApiStatus()> look);
  using PromptTeller = std::function<OrderedJson(const Prompt& prompt, const SeenIds& read)>;
  ApiStatus tell_prompt(const Asked& asked, ChatCall call, ErrorFamily family, PromptTeller tell);
  ApiStatus tell_cells(const Asked& asked, const ChatCall& call, ErrorFamily family,
                       PromptTeller tell);
  ApiStatus check_balance(const Asked& asked);
  ApiStatus complete(const Asked& asked, CompletionCall call, MakeWriter writer);
  // In the words that `job` says.
  ApiStatus answer_plans(const Asked& asked, const TextCall& call, std::vector<ReplyPlan> plans,
                         const ChatJob& job);
  ApiStatus answer_text(const Asked& asked, TextJob job);
  // Why the worker did not take a request.
  static ApiError queue_error(Submitted state);
  // Chats that are answered by a picture or clip, and those that show one.
  ApiStatus draw_in_chat(const Asked& asked, const OrderedJson& body, ChatArt art);
  ApiStatus film_in_chat(const Asked& asked, PictureChatCall call, const ReplyFacts& facts);
  ApiStatus look_in_chat(const Asked& asked, const OrderedJson& body, const ChatCall& call,
                         const ChatJob& job);
  ApiStatus describe_in_chat(const Asked& asked, const ChatJob& job, CompletionCall completion,
                             std::vector<int64_t> prompt);
  ApiStatus draw_in_response(const Asked& asked, const OrderedJson& body);
  // `job`: what it is made from, if from anything.
  ApiResult<VideoJob> add_video(const Asked& asked, ArtOrder order, const std::string& user,
                                VideoJob job);
  // The body of a conversation, with the files that it names.
  ApiResult<OrderedJson> read_conversation(const Asked& asked);
  // … and what it says to the model that is served, in the words of chat completions.
  ApiResult<ChatCall> read_chat(const OrderedJson& body);
  // Whether the model says what pictures show, and reads nothing but text otherwise.
  bool describes() const;
  ChatReading reading() const {
    return {.sees = describes() ? Sees::pictures : sees(), .secret = accounts_.secret()};
  }
  ApiStatus admit(const Asked& asked, int64_t tokens);
  void leave(const Asked& asked);

  ApiResult<Pictures*> pictures_or_refusal();
  ApiResult<VideoJobs*> videos_or_refusal();
  ApiStatus check_picture_model(const std::string& name) const;
  ApiStatus answer_image(const Asked& asked, ImageTask task);
  using SdReader = ApiResult<ImageCall> (*)(const OrderedJson& body, const ArtLimits& limits,
                                            const std::string& model);
  ApiStatus answer_sd(const Asked& asked, SdReader read);
  using SdcppReader = ApiResult<SdcppCall> (*)(const OrderedJson& body, const ArtLimits& limits);
  ApiStatus add_sdcpp_job(const Asked& asked, SdcppReader read);
  ApiStatus tell_sdcpp_job(const Asked& asked, VideoJobs& videos, const VideoJob& job);
  ApiStatus answer_picture(const Asked& asked, const std::string& user, PictureReplyParts parts);
  static std::string owner_of(const Asked& asked);
  // Within which what was read and seen is found again.
  static std::string partition_of(const Asked& asked, const std::string& user,
                                  const std::string& salt) {
    constexpr char kNoText = '\xff';  // which no text holds
    return owner_of(asked) + "/" + user + (salt.empty() ? "" : kNoText + salt);
  }
  ApiStatus list_videos(const Asked& asked, VideoJobs& videos);
  ApiStatus video_content(const Asked& asked, VideoJobs& videos, const VideoJob& job);
  ApiStatus cancel_video(const Asked& asked, VideoJobs& videos, const VideoJob& job);
  ApiStatus delete_video(const Asked& asked, VideoJobs& videos, const VideoJob& job);
  ApiStatus video_sync(const Asked& asked);
  ApiStatus remix_video(const Asked& asked, VideoJobs& videos, const VideoJob& job);
  ApiResult<VideoJob> source_video(const Asked& asked, VideoJobs& videos, const Form& form);
  ApiStatus extend_video(const Asked& asked, VideoJobs& videos);
  ApiStatus edit_video(const Asked& asked, VideoJobs& videos);
  ApiStatus edit_sent_clip(const Asked& asked, const Form& form, std::string clip);
  ApiStatus make_from_video(const Asked& asked, VideoJobs& videos, VideoCall call, VideoJob from);
  ApiStatus check_finished(const VideoJob& job) const;
  ApiResult<FileStore*> files_or_refusal();
  ApiStatus add_file(const Asked& asked, FileStore& files);
  ApiStatus list_files(const Asked& asked, FileStore& files);
  ApiStatus file_content(const Asked& asked, FileStore& files, const StoredFile& file);
  // A file of the asker's own, for a request that names it at `where`.
  ApiResult<NamedFile> named_file(const Asked& asked, const std::string& id,
                                  const std::string& where);
  FileReader file_reader(const Asked& asked);
  void forget(const TextReply& reply);
  void forget(const EmbeddingReply& reply);

  const ServedModel& model_;
  Accounts& accounts_;
  ApiOptions options_;
  const HttpCounts* counts_ = nullptr;
  std::atomic<bool> draining_{false};
  Limiter limiter_;
  Metrics metrics_;
  mutable std::mutex mutex_;
  std::set<TextReply*> replies_;  // each is held by its generation until it forgets itself
  std::set<EmbeddingReply*> embeddings_;
  Bookkeeper bookkeeper_;
  std::unique_ptr<Pictures> pictures_;  // null: the model does not draw
  std::unique_ptr<ViewCache> views_;    // null: the model reads text only
  std::unique_ptr<ViewQueue> viewing_;  // null as both; last: its thread uses all of the above
};

}  // namespace hadal
