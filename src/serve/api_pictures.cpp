// SPDX-License-Identifier: MIT
// The API: pictures and videos.
#include <ctime>

#include "base/file.h"
#include "serve/api.h"
#include "serve/image_codec.h"
#include "serve/json_reply.h"
#include "serve/kept_bytes.h"
#include "serve/picture_reply.h"
#include "serve/pictures.h"
#include "serve/random_id.h"
#include "serve/text_call.h"
#include "serve/video_codec.h"

namespace hadal {
namespace {

constexpr std::string_view kVideos = "/videos/";

ApiError no_such_video(const std::string& id) {
  return {.status = 404,
          .message = "no video has the id \"" + id.substr(0, 80) + "\"",
          .param = "id",
          .code = "video_not_found"};
}

// Jobs of one picture have paths of their own.
Result<std::optional<VideoJob>> find_clip(VideoJobs& videos, const std::string& id,
                                          const std::string& owner) {
  if (!id.starts_with(kVideoId)) return std::optional<VideoJob>();
  return videos.store().find(id, owner);
}

ApiResult<VideoPart> part_of(const std::string& name) {
  if (name.empty() || name == "video") return VideoPart::video;
  if (name == "thumbnail") return VideoPart::thumbnail;
  if (name == "spritesheet") return VideoPart::sheet;
  return bad_field("variant", "expected video, thumbnail or spritesheet");
}

}  // namespace

// Whether there is someone to ask at all.
ApiResult<Pictures*> Api::pictures_or_refusal() {
  if (pictures_) return pictures_.get();
  return ApiError{.status = 404,
                  .message = "model: " + model_.id +
                             " has no visual vocabulary: it makes neither pictures nor videos",
                  .param = "model",
                  .code = "model_not_found"};
}

ApiResult<VideoJobs*> Api::videos_or_refusal() {
  TRY(Pictures* const pictures, pictures_or_refusal());
  if (pictures->videos()) return pictures->videos();
  return ApiError{.status = 404, .message = "this server keeps no videos; /v1/videos/sync answers"};
}

ApiStatus Api::image_generations(const Asked& asked) {
  return answer_image(asked, ImageTask::generate);
}

ApiStatus Api::image_edits(const Asked& asked) {
  return answer_image(asked, ImageTask::edit);
}

ApiStatus Api::image_variations(const Asked& asked) {
  return answer_image(asked, ImageTask::vary);
}

ApiStatus Api::answer_image(const Asked& asked, ImageTask task) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  TRY(const Form form, read_form(asked.exchange->request()));
  if (task == ImageTask::vary && !pictures->artist().looks())
    return bad_field("model", model_.id, " draws, but cannot say what a picture shows");
  TRY(ImageCall call, read_image_call(form, pictures->artist().limits(), task, file_reader(asked)));
  TRY_STATUS(check_picture_model(call.model));
  TRY_STATUS(check_order(pictures->artist(), call.order));
  return answer_picture(asked, call.user,
                        {.exchange = asked.exchange,
                         .key = asked.key,
                         .writer = make_image_writer(call.facts),
                         .order = std::move(call.order),
                         .stream = call.stream,
                         .headers = ignored_headers(call.ignored)});
}

ApiStatus Api::check_picture_model(const std::string& name) const {
  TextCall call;
  call.model = name;
  return choose_model(model_, NamesOf::openai, call, nullptr);
}

ApiStatus Api::answer_picture(const Asked& asked, const std::string& user,
                              PictureReplyParts parts) {
  TRY_STATUS(admit(asked, 0));
  const auto reply = std::make_shared<PictureReply>(*this, std::move(parts));
  pictures_->add(reply);
  const Pushed pushed = reply->enqueue(pictures_->queue(), asked.key ? asked.key->id : user);
  if (pushed == Pushed::yes) return Ok{};
  pictures_->forget(*reply);
  leave(asked);
  metrics_.refused("queue");
  const bool owner = pushed == Pushed::owner_full;
  return ApiError{.status = 429,
                  .message = owner ? "too many of your pictures and videos wait"
                                   : "the queue of pictures and videos is full",
                  .code = "queue_full",
                  .wait_seconds = owner ? 5 : 10};
}

void Api::leave(const Asked& asked) {
  if (asked.key)
    limiter_.leave(asked.key->number, asked.key->limits, 0, std::chrono::steady_clock::now());
}

ApiStatus Api::videos(const Asked& asked) {
  TRY(VideoJobs* const videos, videos_or_refusal());
  if (asked.exchange->request().method == "GET") return list_videos(asked, *videos);
  TRY(const Form form, read_form(asked.exchange->request()));
  TRY(VideoCall call, read_video_call(form, pictures_->artist().limits(), file_reader(asked)));
  TRY_STATUS(check_picture_model(call.model));
  TRY_STATUS(check_order(pictures_->artist(), call.order));
  TRY(const VideoJob made, add_video(asked, std::move(call.order), call.user, {}));
  reply_json(*asked.exchange, video_json(made, model_.id, 0), ignored_headers(call.ignored));
  return Ok{};
}

ApiResult<VideoJob> Api::add_video(const Asked& asked, ArtOrder order, const std::string& user,
                                   VideoJob job) {
  TRY(VideoJobs* const videos, videos_or_refusal());
  TRY_STATUS(admit(asked, 0));
  leave(asked);  // the answer comes at once; what waits is bounded by the queue
  job.id = make_id(order.is_still() ? kStillId : kVideoId);
  job.owner = owner_of(asked);
  job.key = asked.key ? asked.key->number : 0;
  job.order = std::move(order);
  job.created = std::time(nullptr);
  ApiResult<VideoJob> made = videos->add(std::move(job), asked.key ? asked.key->id : user);
  if (!made && made.error().status == 429) metrics_.refused("queue");
  return made;
}

std::string Api::owner_of(const Asked& asked) {
  return asked.key ? asked.key->id : "";
}

ApiStatus Api::list_videos(const Asked& asked, VideoJobs& videos) {
  constexpr int64_t kUsualPage = 20, kLargestPage = 100;
  TRY(const PageQuery query,
      read_page_query(asked.exchange->request().query, kUsualPage, kLargestPage));
  const std::string owner = owner_of(asked);
  if (!query.after.empty()) {
    TRY(const std::optional<VideoJob> there, find_clip(videos, query.after, owner));
    if (!there) return bad_field("after", "names no video");
  }
  TRY_STATUS(videos.store().sweep(std::time(nullptr)));
  TRY(const VideoStore::Page page,
      videos.store().list(owner, query.limit, query.after, query.oldest_first));
  OrderedJson data = OrderedJson::array();
  for (const VideoJob& job : page.jobs)
    data.push_back(video_json(job, model_.id, videos.progress(job.id)));
  const auto id_of = [](const VideoJob& job) { return OrderedJson(job.id); };
  OrderedJson body = {{"object", "list"}, {"data", std::move(data)}};
  body["first_id"] = page.jobs.empty() ? OrderedJson() : id_of(page.jobs.front());
  body["last_id"] = page.jobs.empty() ? OrderedJson() : id_of(page.jobs.back());
  body["has_more"] = page.more;
  reply_json(*asked.exchange, body);
  return Ok{};
}

// What stands behind /videos/: "sync", an id, or an id and a word.
ApiStatus Api::one_video(const Asked& asked) {
  const HttpRequest& request = asked.exchange->request();
  const std::string rest = request.path.substr(request.path.find(kVideos) + kVideos.size());
  const bool posts = request.method == "POST", gets = request.method == "GET";
  if (rest == "sync" && posts) return video_sync(asked);
  TRY(VideoJobs* const videos, videos_or_refusal());
  if (rest == "extensions" && posts) return extend_video(asked, *videos);
  if (rest == "edits" && posts) return edit_video(asked, *videos);
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string id = rest.substr(0, slash),
                    word = rest.substr(std::min(slash + 1, rest.size()));
  if (slash < rest.size() && word != "content" && word != "cancel" && word != "remix")
    return ApiError{.status = 404, .message = "no such path: videos/{id}/" + word.substr(0, 80)};
  TRY_STATUS(videos->store().sweep(std::time(nullptr)));
  TRY(const std::optional<VideoJob> job, find_clip(*videos, id, owner_of(asked)));
  if (!job) return no_such_video(id);
  if (word == "content" && gets) return video_content(asked, *videos, *job);
  if (word == "cancel" && posts) return cancel_video(asked, *videos, *job);
  if (word == "remix" && posts) return remix_video(asked, *videos, *job);
  if (word.empty() && gets) {
    reply_json(*asked.exchange, video_json(*job, model_.id, videos->progress(id)));
    return Ok{};
  }
  if (word.empty() && request.method == "DELETE") return delete_video(asked, *videos, *job);
  return ApiError{.status = 405, .message = request.method + " is not what this path takes"};
}

ApiStatus Api::check_finished(const VideoJob& job) const {
  if (job.status != VideoStatus::completed) {
    const OrderedJson now = video_json(job, model_.id, 0);
    return ApiError{.status = 409,
                    .message = "the video is " + now["status"].get<std::string>() +
                               ", its content is there once it is completed",
                    .param = "id",
                    .code = "video_not_ready"};
  }
  if (job.has_files) return Ok{};
  return ApiError{
      .status = 410, .message = "the video has expired", .param = "id", .code = "video_expired"};
}

// Another prompt for the same first frame, size and length.
ApiStatus Api::remix_video(const Asked& asked, VideoJobs& videos, const VideoJob& job) {
  TRY_STATUS(check_finished(job));
  TRY(const Form form, read_form(asked.exchange->request()));
  TRY(VideoCall call, read_remix(form, pictures_->artist().limits(), job));
  VideoJob from;
  from.made_from = job.id;
  return make_from_video(asked, videos, std::move(call), std::move(from));
}

// The finished video that a request names.
ApiResult<VideoJob> Api::source_video(const Asked& asked, VideoJobs& videos, const Form& form) {
  TRY(const std::string id, read_source_id(form));
  TRY(std::optional<VideoJob> job, find_clip(videos, id, owner_of(asked)));
  if (!job) return no_such_video(id);
  TRY_STATUS(check_finished(*job));
  return std::move(*job);
}

// More frames behind the last one; the new video holds the whole.
ApiStatus Api::extend_video(const Asked& asked, VideoJobs& videos) {
  TRY(const Form form, read_form(asked.exchange->request()));
  TRY(const VideoJob job, source_video(asked, videos, form));
  TRY(VideoCall call, read_extension(form, pictures_->artist().limits(), job));
  VideoJob from;
  from.made_from = job.id;
  from.frames_before = all_frames(job);
  return make_from_video(asked, videos, std::move(call), std::move(from));
}

// All its frames, painted over.
ApiStatus Api::edit_video(const Asked& asked, VideoJobs& videos) {
  TRY(const Form form, read_form(asked.exchange->request()));
  TRY(std::optional<std::string> sent, read_sent_clip(form, file_reader(asked)));
  if (sent) return edit_sent_clip(asked, form, std::move(*sent));
  TRY(const VideoJob job, source_video(asked, videos, form));
  TRY(VideoCall call, read_video_edit(form, pictures_->artist().limits(), job));
  VideoJob from;
  from.made_from = job.id;
  return make_from_video(asked, videos, std::move(call), std::move(from));
}

// How long the clip is, is known once it was looked into.
ApiStatus Api::edit_sent_clip(const Asked& asked, const Form& form, std::string clip) {
  TRY_STATUS(check_balance(asked));
  JsonFields fields(form.fields, "");
  TRY(const std::string user, read_user(fields));
  const auto look = [this, asked, body = form.fields, clip = std::move(clip)]() -> ApiStatus {
    Result<MediaInfo> info = read_media_info_bytes(clip, "video");
    if (!info) return bad_field("video", info.error().message);
    TRY(VideoCall call, read_clip_edit({body, {}}, pictures_->artist().limits(), *info));
    TRY_STATUS(check_picture_model(call.model));
    TRY_STATUS(check_order(pictures_->artist(), call.order));
    call.order.first_frame = clip;
    TRY(const VideoJob made, add_video(asked, std::move(call.order), call.user, {}));
    reply_json(*asked.exchange, video_json(made, model_.id, 0), ignored_headers(call.ignored));
    return Ok{};
  };
  return in_turn(asked, user, ErrorFamily::openai, look);
}

ApiStatus Api::make_from_video(const Asked& asked, VideoJobs& videos, VideoCall call,
                               VideoJob from) {
  constexpr int64_t kMostBytes = 64 << 20;  // what is kept beside a job until it is made
  TRY_STATUS(check_picture_model(call.model));
  TRY_STATUS(check_order(pictures_->artist(), call.order));
  TRY(call.order.first_frame,
      read_file(videos.store().path_of(from.made_from, VideoPart::video), kMostBytes));
  TRY(const VideoJob made, add_video(asked, std::move(call.order), call.user, std::move(from)));
  reply_json(*asked.exchange, video_json(made, model_.id, 0), ignored_headers(call.ignored));
  return Ok{};
}

ApiStatus Api::video_content(const Asked& asked, VideoJobs& videos, const VideoJob& job) {
  const auto query = read_query(asked.exchange->request().query);
  const auto variant = query.find("variant");
  TRY(const VideoPart part, part_of(variant == query.end() ? "" : variant->second));
  TRY_STATUS(check_finished(job));
  TRY(const int64_t size, videos.store().size_of(job.id, part));
  return reply_kept(*asked.exchange,
                    {.path = videos.store().path_of(job.id, part),
                     .size = size,
                     .type = media_type(part == VideoPart::video ? job.order.kind : FileKind::jpeg),
                     .tag = job.id + "-" + std::to_string(static_cast<int>(part))});
}

ApiStatus Api::cancel_video(const Asked& asked, VideoJobs& videos, const VideoJob& job) {
  if (job.status == VideoStatus::completed || job.status == VideoStatus::failed)
    return ApiError{
        .status = 409, .message = "the video is over already", .param = "id", .code = "video_over"};
  videos.cancel(job.id);
  TRY(const std::optional<VideoJob> now, videos.store().find(job.id, job.owner));
  reply_json(*asked.exchange, video_json(now ? *now : job, model_.id, videos.progress(job.id)));
  return Ok{};
}

ApiStatus Api::delete_video(const Asked& asked, VideoJobs& videos, const VideoJob& job) {
  TRY_STATUS(videos.store().remove(job.id));
  videos.cancel(job.id);
  reply_json(*asked.exchange, {{"id", job.id}, {"object", "video.deleted"}, {"deleted", true}});
  return Ok{};
}

ApiStatus Api::video_sync(const Asked& asked) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  TRY(const Form form, read_form(asked.exchange->request()));
  TRY(VideoCall call, read_video_call(form, pictures->artist().limits(), file_reader(asked)));
  TRY_STATUS(check_picture_model(call.model));
  TRY_STATUS(check_order(pictures->artist(), call.order));
  call.order.gallery = false;
  const std::string type = media_type(call.order.kind);
  return answer_picture(asked, call.user,
                        {.exchange = asked.exchange,
                         .key = asked.key,
                         .writer = make_file_writer(type),
                         .order = std::move(call.order),
                         .json = false,
                         .headers = ignored_headers(call.ignored)});
}

}  // namespace hadal
