// SPDX-License-Identifier: MIT
// Pictures and lines on stderr.
#include "tools/preview.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace hadal {
namespace {

// A glimpse costs a decoding: often enough to watch, seldom enough to cost next to nothing.
constexpr std::chrono::milliseconds kBetweenGlimpses{400};

}  // namespace

Preview::Preview(bool quiet, int64_t pictures, int64_t latent_frames)
    : enabled_(!quiet && isatty(STDERR_FILENO) == 1),
      graphics_(graphics_of_terminal(enabled_,
                                     [](const char* name) {
                                       const char* value = std::getenv(name);
                                       return std::string(value ? value : "");
                                     })),
      pictures_(pictures),
      latent_frames_(latent_frames),
      next_(std::chrono::steady_clock::now() + kBetweenGlimpses) {}

Preview::~Preview() {
  if (line_) std::fputs("\r\033[K", stderr);
}

bool Preview::is_due() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + kBetweenGlimpses;
  return true;
}

void Preview::show_picture(const Picture& picture) {
  const Result<std::string> shown = terminal_picture(picture, graphics_);
  if (shown) std::fprintf(stderr, "%s\n", shown->c_str());
}

void Preview::glimpse(const Glimpse& glimpse) {
  if (!enabled_ || glimpse.order != 0 || !is_due()) return;
  if (graphics_ != TerminalGraphics::none) return show_picture(glimpse.look());
  line_ = true;
  std::fprintf(stderr, "\r\033[Kpicture 1 of %lld, latent frame %lld of %lld, %lld cells",
               static_cast<long long>(pictures_), static_cast<long long>(glimpse.latent_frame + 1),
               static_cast<long long>(latent_frames_), static_cast<long long>(glimpse.cells));
}

void Preview::show(size_t order, int64_t latent_frame, const Clip& clip) {
  if (!enabled_) return;
  if (graphics_ != TerminalGraphics::none && order == 0) return show_picture(clip.frames.back());
  line_ = true;
  std::fprintf(stderr, "\r\033[Kpicture %zu of %lld, latent frame %lld of %lld", order + 1,
               static_cast<long long>(pictures_), static_cast<long long>(latent_frame + 1),
               static_cast<long long>(latent_frames_));
}

}  // namespace hadal
