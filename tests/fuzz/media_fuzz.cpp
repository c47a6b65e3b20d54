// SPDX-License-Identifier: MIT
// Pictures and clips as hostile input, by the path that the decoding child takes, without the
// child.  The bytes are the file.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "media/decode.h"

namespace {

// Whatever the file says, pictures keep to the limits and to one size.
class Judge : public hadal::DecodeSink {
 public:
  explicit Judge(const hadal::DecodeTask& task) : task_(task) {}

  void facts(const hadal::MediaFacts& facts) override {
    CHECK(!has_facts_, "facts come once");
    has_facts_ = true;
    CHECK(facts.width > 0 && facts.height > 0, facts.width);
    CHECK(facts.width * facts.height <= task_.limits.frame_pixels, facts.width);
    CHECK(facts.frames > 0 && facts.frames <= task_.limits.frames, facts.frames);
    CHECK(facts.clip_fps > 0 && facts.clip_fps <= 1000, facts.clip_fps);
    CHECK(static_cast<int64_t>(facts.comment.size()) <= hadal::kMostCommentBytes, "comment");
  }

  void picture(const hadal::Picture& picture) override {
    CHECK(has_facts_ && !task_.facts_only, "a picture nobody asked for");
    if (pictures_++ == 0) {
      width_ = picture.width;
      height_ = picture.height;
    }
    CHECK(picture.width == width_ && picture.height == height_, "sizes differ");
    CHECK(task_.request.width == 0 || width_ == task_.request.width, width_);
    CHECK(pictures_ * width_ * height_ <= task_.limits.total_pixels, pictures_);
    CHECK(static_cast<int64_t>(picture.rgb.size()) == 3 * width_ * height_, "bytes");
  }

  void end(const hadal::Verdict& verdict) const {
    const bool given = task_.facts_only ? has_facts_ : pictures_ > 0;
    CHECK(verdict.refusal != hadal::Refusal::none || given, "nothing came");
  }

 private:
  const hadal::DecodeTask& task_;
  bool has_facts_ = false;
  int64_t pictures_ = 0, width_ = 0, height_ = 0;
};

void decode(std::span<const uint8_t> bytes, hadal::DecodeTask task) {
  task.limits.frame_pixels = 1 << 14;
  task.limits.total_pixels = 1 << 18;
  task.limits.frames = 48;
  Judge judge(task);
  judge.end(hadal::decode_media(bytes, task, judge));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  hadal::DecodeTask whole, listed, picked;
  listed.facts_only = true;
  picked.request = {.width = 9, .height = 7, .fps = 5, .frames = 12};
  for (const hadal::DecodeTask& task : {whole, listed, picked}) decode({bytes, size}, task);
  return 0;
}
