// SPDX-License-Identifier: MIT
// The API: stable-diffusion.cpp's jobs, which are those of /v1/videos, of one picture as well.
#include <algorithm>
#include <ctime>

#include "serve/api.h"
#include "serve/image_codec.h"
#include "serve/json_reply.h"
#include "serve/kept_bytes.h"
#include "serve/pictures.h"
#include "serve/sdcpp_codec.h"

namespace hadal {
namespace {

constexpr std::string_view kSdcppJobs = "/sdcpp/v1/jobs/", kCancel = "/cancel";

}  // namespace

ApiStatus Api::sdcpp_img_gen(const Asked& asked) {
  return add_sdcpp_job(asked, read_img_gen);
}

ApiStatus Api::sdcpp_vid_gen(const Asked& asked) {
  return add_sdcpp_job(asked, read_vid_gen);
}

ApiStatus Api::add_sdcpp_job(const Asked& asked, SdcppReader read) {
  TRY_STATUS(videos_or_refusal());
  TRY(const OrderedJson body, parse_body(asked.exchange->request().body));
  TRY(SdcppCall call, read(body, pictures_->artist().limits()));
  TRY_STATUS(check_order(pictures_->artist(), call.order));
  TRY(const VideoJob made, add_video(asked, std::move(call.order), "", {}));
  reply_json(*asked.exchange, sdcpp_accepted_json(made), ignored_headers(call.ignored), 202);
  return Ok{};
}

// What stands behind /jobs/: an id, or an id and "cancel".
ApiStatus Api::sdcpp_job(const Asked& asked) {
  TRY(VideoJobs* const videos, videos_or_refusal());
  const HttpRequest& request = asked.exchange->request();
  std::string id = request.path.substr(request.path.find(kSdcppJobs) + kSdcppJobs.size());
  const bool cancels = id.ends_with(kCancel);
  if (cancels) id.resize(id.size() - kCancel.size());
  if ((request.method == "POST") != cancels)
    return ApiError{.status = 405, .message = request.method + " is not what this path takes"};
  TRY_STATUS(videos->store().sweep(std::time(nullptr)));
  TRY(std::optional<VideoJob> job, videos->store().find(id, owner_of(asked)));
  if (!job)
    return ApiError{.status = 404,
                    .message = "no job has the id \"" + id.substr(0, 80) + "\"",
                    .param = "id",
                    .code = "job_not_found"};
  const bool over = job->status == VideoStatus::completed || job->status == VideoStatus::failed;
  if (job->status == VideoStatus::completed && !job->has_files)
    return ApiError{
        .status = 410, .message = "the job has expired", .param = "id", .code = "job_expired"};
  if (cancels && over)
    return ApiError{
        .status = 409, .message = "the job is over already", .param = "id", .code = "job_over"};
  if (cancels) {
    videos->cancel(id);
    TRY(std::optional<VideoJob> now, videos->store().find(id, job->owner));
    if (now) job = std::move(now);
  }
  return tell_sdcpp_job(asked, *videos, *job);
}

ApiStatus Api::tell_sdcpp_job(const Asked& asked, VideoJobs& videos, const VideoJob& job) {
  std::string bytes;
  if (job.status == VideoStatus::completed && job.has_files) {
    TRY(const int64_t size, videos.store().size_of(job.id, VideoPart::video));
    TRY(bytes, read_kept(videos.store().path_of(job.id, VideoPart::video), 0, size));
  }
  // Keys take turns, so that its turn comes no later than this.
  const int64_t place = std::max<int64_t>(1, pictures_->queue().gauges().waiting);
  reply_json(*asked.exchange, sdcpp_job_json(job, bytes, place));
  return Ok{};
}

ApiStatus Api::sdcpp_capabilities(const Asked& asked) {
  TRY(Pictures* const pictures, pictures_or_refusal());
  reply_json(*asked.exchange,
             hadal::sdcpp_capabilities(model_.id, pictures->artist().limits(), kMostPictures));
  return Ok{};
}

}  // namespace hadal
