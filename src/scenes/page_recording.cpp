// SPDX-License-Identifier: MIT
#include "scenes/page_recording.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "scenes/markup.h"

namespace hadal {

namespace {

constexpr int64_t kFramesLimit = 64 << 20;  // bytes; nine frames of 128 × 128 have 0.4 MB
constexpr int64_t kStatesLimit = 1 << 20;   // bytes
constexpr int64_t kSideLimit = 4096;        // pixels
constexpr double kSamePicture = 35;         // dB; another word on the page gives 20

// "P6 WIDTH HEIGHT 255\n" with any white space between; nothing when it is none.
class PpmHeader {
 public:
  explicit PpmHeader(std::string_view bytes) : bytes_(bytes) {}

  bool read(int64_t& width, int64_t& height) {
    if (!bytes_.starts_with("P6")) return false;
    at_ = 2;
    int64_t most = 0;
    return number(width) && number(height) && number(most) && most == 255 && blank() &&
           width >= 1 && height >= 1 && width <= kSideLimit && height <= kSideLimit;
  }
  size_t end() const { return at_; }

 private:
  bool blank() {
    const bool is = at_ < bytes_.size() && (bytes_[at_] == ' ' || bytes_[at_] == '\n');
    at_ += is ? 1 : 0;
    return is;
  }
  bool number(int64_t& value) {
    if (!blank()) return false;
    const char* begin = bytes_.data() + at_;
    const auto [end, error] = std::from_chars(begin, bytes_.data() + bytes_.size(), value);
    at_ += static_cast<size_t>(end - begin);
    return error == std::errc();
  }

  std::string_view bytes_;
  size_t at_ = 0;
};

double psnr(const Picture& a, const Picture& b) {
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    const double difference = static_cast<double>(a.rgb[i]) - static_cast<double>(b.rgb[i]);
    sum += difference * difference;
  }
  if (sum == 0) return INFINITY;
  return 10 * std::log10(255.0 * 255.0 * static_cast<double>(a.rgb.size()) / sum);
}

bool look_the_same(const Clip& a, const Clip& b) {
  if (a.frames.empty() || a.frames.size() != b.frames.size()) return false;
  for (size_t i = 0; i < a.frames.size(); ++i) {
    const Picture &one = a.frames[i], &other = b.frames[i];
    if (one.width != other.width || one.height != other.height || psnr(one, other) < kSamePicture)
      return false;
  }
  return true;
}

bool say_the_same(const std::string& a, const std::string& b) {
  const Result<std::string> one = normalised_markup(a), other = normalised_markup(b);
  return one && other && *one == *other;
}

}  // namespace

Result<Clip> parse_ppm_frames(std::string_view bytes, std::string_view name) {
  Clip clip;
  while (!bytes.empty()) {
    int64_t width = 0, height = 0;
    PpmHeader header(bytes);
    if (!header.read(width, height))
      return fail(name, ": frame ", clip.frames.size(), " does not begin as P6 WIDTH HEIGHT 255");
    bytes.remove_prefix(header.end());
    if (!clip.frames.empty() && (width != clip.width() || height != clip.height()))
      return fail(name, ": frame ", clip.frames.size(), " is ", height, "×", width,
                  ", the first is ", clip.height(), "×", clip.width());
    const size_t count = static_cast<size_t>(3 * width * height);
    if (bytes.size() < count)
      return fail(name, ": frame ", clip.frames.size(), " has ", bytes.size(), " of ", count,
                  " bytes");
    Picture& frame = clip.frames.emplace_back(width, height);
    std::memcpy(frame.rgb.data(), bytes.data(), count);
    bytes.remove_prefix(count);
  }
  if (clip.frames.empty()) return fail(name, ": no frames");
  return clip;
}

Result<PageRecording> PageRecording::open(const std::string& name) {
  PageRecording recording;
  TRY(std::string frames, read_file(name + ".ppm", kFramesLimit));
  TRY(recording.clip, parse_ppm_frames(frames, name + ".ppm"));
  TRY(std::string text, read_file(name + ".states", kStatesLimit));
  TRY(nlohmann::json states, parse_json(text, name + ".states", {}));
  if (!states.is_array() || states.empty()) return fail(name, ".states: expected a list of texts");
  for (const nlohmann::json& state : states) {
    if (!state.is_string()) return fail(name, ".states: expected a list of texts");
    recording.states.push_back(state.get<std::string>());
  }
  return recording;
}

PageVerdict judge_page(const PageRecording& asked, const PageRecording& answer) {
  PageVerdict verdict;
  if (asked.states.empty() || answer.states.empty()) {
    verdict.problem = "a recording without states";
    return verdict;
  }
  verdict.dom = say_the_same(asked.states[0], answer.states[0]);
  verdict.pixels = look_the_same(asked.clip, answer.clip);
  verdict.interaction = asked.states.size() == answer.states.size();
  for (size_t i = 1; verdict.interaction && i < asked.states.size(); ++i)
    verdict.interaction = say_the_same(asked.states[i], answer.states[i]);
  // Without a click there is nothing but the page itself that could work.
  if (asked.states.size() == 1) verdict.interaction = verdict.interaction && verdict.dom;
  if (!verdict.dom) {
    verdict.problem = "another page: " + printable(answer.states[0]);
  } else if (!verdict.interaction) {
    verdict.problem = "does something else when clicked: " + printable(answer.states.back());
  } else if (!verdict.pixels) {
    verdict.problem = "looks different";
  }
  return verdict;
}

}  // namespace hadal
