// SPDX-License-Identifier: MIT
// Pictures in the words of OpenAI's images API: requests in, whole replies and events out.
//
//   TRY(ImageCall call, read_image_call(form, artist.limits(), ImageTask::generate, files));
//   std::unique_ptr<PictureWriter> writer = make_image_writer(call.facts);
//
// What changes a picture and cannot be honoured is refused by name.  What only asks for a manner of
// painting that this model does not know (quality, style, moderation) is let through and listed in
// x-hadal-ignored-fields, as are unknown fields.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/artist.h"
#include "serve/form.h"
#include "serve/http_message.h"
#include "serve/money.h"

namespace hadal {

struct Bill;

enum class ImageTask { generate, edit, vary };

// What stands in every part of a reply.
struct ImageFacts {
  ImageTask task = ImageTask::generate;
  int64_t created = 0;
  std::string size;  // "64x64"
  std::string format = "png";
  std::string quality = "auto";
  bool by_url = false;  // of a whole reply: pictures as data URLs
};

struct ImageCall {
  ArtOrder order;
  std::string model, user;
  bool stream = false;
  ImageFacts facts;
  std::vector<std::string> ignored;
};

// Of a variation: the given picture is described, and what it shows drawn anew.
// Of an edit: the given picture is painted over, where the mask is transparent or with a strength;
// without both it is the first frame of a clip, and the answer is its last.
ApiResult<ImageCall> read_image_call(const Form& form, const ArtLimits& limits, ImageTask task,
                                     const FileReader& files);

// prompt, size, seed, guidance_scale, num_inference_steps, temperature, top_k: alike for pictures
// and clips; and what cannot be done for either.
ApiStatus read_order(JsonFields& fields, const ArtLimits& limits, ArtOrder& order);
// The same without a prompt.
ApiStatus read_painting(JsonFields& fields, const ArtLimits& limits, ArtOrder& order);
// What is given is painted over, so great a part of it, more than 0 and up to 1.
ApiStatus paint_over(double strength, const ArtLimits& limits, ArtOrder& order);
// A 400 that names the field, if the artist finds one wrong.
ApiStatus check_order(const Artist& artist, const ArtOrder& order);

// How a work is told.  Serves one answer and one thread at a time.
class PictureWriter {
 public:
  virtual ~PictureWriter() = default;
  // What a stream begins with.
  virtual std::string begin() { return {}; }
  virtual std::string preview(int64_t picture, int64_t number, std::string_view png) = 0;
  virtual std::string end(const Artwork& work, const std::optional<Bill>& bill) = 0;
  virtual std::string failed(const ApiError& error) = 0;
  virtual HttpReply whole(const Artwork& work, const std::optional<Bill>& bill) = 0;
};

std::unique_ptr<PictureWriter> make_image_writer(ImageFacts facts);
// The bare file.
std::unique_ptr<PictureWriter> make_file_writer(std::string type);

}  // namespace hadal
