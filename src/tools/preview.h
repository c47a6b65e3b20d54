// SPDX-License-Identifier: MIT
// How a picture looks while it is drawn, on stderr: in terminals that show pictures the picture
// itself, again and again as more of it is decided; in others a line that counts.
//
//   Preview preview(quiet, pictures, latent_frames);
//   request.glimpse = [&](const Glimpse& glimpse) { preview.glimpse(glimpse); };
//   preview.show(order, latent_frame, clip);        // a latent frame is finished
//
// Where stderr is no terminal, or with `quiet`, nothing is shown and nothing decoded.
#pragma once

#include <chrono>
#include <cstdint>

#include "media/picture.h"
#include "media/terminal.h"
#include "tools/studio.h"

namespace hadal {

class Preview {
 public:
  Preview(bool quiet, int64_t pictures, int64_t latent_frames);
  ~Preview();
  Preview(const Preview&) = delete;
  Preview& operator=(const Preview&) = delete;

  void glimpse(const Glimpse& glimpse);
  void show(size_t order, int64_t latent_frame, const Clip& clip);

 private:
  void show_picture(const Picture& picture);
  bool is_due();

  bool enabled_, line_ = false;
  TerminalGraphics graphics_;
  int64_t pictures_, latent_frames_;
  std::chrono::steady_clock::time_point next_{};  // no glimpse before
};

}  // namespace hadal
