// SPDX-License-Identifier: MIT
// Pictures in the words of AUTOMATIC1111's web API (/sdapi/v1), which many programs speak.
//
//   TRY(ImageCall call, read_txt2img(body, artist.limits(), "nano"));
//   std::unique_ptr<PictureWriter> writer = make_sd_writer(call, "nano");
//
// steps are num_inference_steps, cfg_scale is guidance_scale, batch_size · n_iter is n.  There is
// one way of sampling, named kSampler.  What changes a picture and cannot be done is refused by
// name; what only concerns where that program would keep it is listed in x-hadal-ignored-fields.
#pragma once

#include <memory>
#include <string>

#include "serve/image_codec.h"

namespace hadal {

inline constexpr std::string_view kSampler = "hadal";
inline constexpr int64_t kMostSeed = (int64_t{1} << 53) - 1;  // that every JSON reader keeps whole

// Programs send what stands in a data URL with and without its head.
std::string as_data_url(const std::string& sent);

ApiResult<ImageCall> read_txt2img(const OrderedJson& body, const ArtLimits& limits,
                                  const std::string& model);
// A given picture is painted over: denoising_strength of its cells, of those alone that the mask
// shows white.
ApiResult<ImageCall> read_img2img(const OrderedJson& body, const ArtLimits& limits,
                                  const std::string& model);
std::unique_ptr<PictureWriter> make_sd_writer(const ImageCall& call, const std::string& model);

}  // namespace hadal
