// SPDX-License-Identifier: MIT
// Orders of pictures and clips as hostile input.  The first byte chooses the API.
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "serve/image_codec.h"
#include "serve/sd_codec.h"
#include "serve/sdcpp_codec.h"
#include "serve/video_codec.h"

namespace {

using hadal::ImageTask;

void check(const hadal::ArtOrder& order, const hadal::ArtLimits& limits) {
  CHECK(order.width > 0 && order.height > 0, order.width, "x", order.height);
  CHECK(order.count >= 1 && order.count <= limits.most_count, order.count);
  CHECK(order.frames >= 1 && order.fps > 0, order.frames);
  CHECK(order.paint_over >= 0 && order.paint_over <= 1, order.paint_over);
  CHECK(order.quality >= 0 && order.quality <= 100, order.quality);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  const auto body = hadal::parse_body(text);
  if (!body) return 0;
  const hadal::ArtLimits limits{.longest_side = 128, .most_frames = 100};
  const hadal::FileReader files = hadal::no_files("none is kept");
  const hadal::Form form{.fields = *body, .files = {}};
  const auto check_call = [&](const auto& call) {
    if (call) check(call->order, limits);
  };
  switch (bytes[0] % 8) {
    case 0:
      check_call(hadal::read_image_call(form, limits, ImageTask::generate, files));
      break;
    case 1:
      check_call(hadal::read_image_call(form, limits, ImageTask::edit, files));
      break;
    case 2:
      check_call(hadal::read_image_call(form, limits, ImageTask::vary, files));
      break;
    case 3:
      check_call(hadal::read_video_call(form, limits, files));
      break;
    case 4:
      check_call(hadal::read_txt2img(*body, limits, "nano"));
      break;
    case 5:
      check_call(hadal::read_img2img(*body, limits, "nano"));
      break;
    case 6:
      check_call(hadal::read_img_gen(*body, limits));
      break;
    default:
      check_call(hadal::read_vid_gen(*body, limits));
  }
  return 0;
}
