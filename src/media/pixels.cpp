// SPDX-License-Identifier: MIT
// Conversions by swscale, bit-exact ones, so that every machine sees the same pixels.
#include "media/pixels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hadal {
namespace {

constexpr int kScaling =
    SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;

bool has_alpha(AVPixelFormat format) {
  const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
  return about && (about->flags & (AV_PIX_FMT_FLAG_ALPHA | AV_PIX_FMT_FLAG_PAL));
}

bool is_jpeg_yuv(AVPixelFormat format) {
  return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P ||
         format == AV_PIX_FMT_YUVJ444P || format == AV_PIX_FMT_YUVJ440P ||
         format == AV_PIX_FMT_YUVJ411P;
}

bool is_full_range(const AVFrame& frame) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  if (frame.color_range != AVCOL_RANGE_UNSPECIFIED) return frame.color_range == AVCOL_RANGE_JPEG;
  const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
  return is_jpeg_yuv(format) || (about && about->nb_components <= 2);  // grey is grey in stills
}

// Films that do not say follow the habit: BT.709 from 720 lines on, else BT.601.
int matrix_of(const AVFrame& frame) {
  if (frame.colorspace == AVCOL_SPC_BT709) return SWS_CS_ITU709;
  if (frame.colorspace == AVCOL_SPC_BT2020_NCL) return SWS_CS_BT2020;
  const bool unsaid = frame.colorspace == AVCOL_SPC_UNSPECIFIED;
  const bool full = is_jpeg_yuv(static_cast<AVPixelFormat>(frame.format));
  return unsaid && !full && frame.height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601;
}

void set_colours(SwsContext& scaler, int from_matrix, bool from_full, int to_matrix) {
  constexpr int kUnchanged = 1 << 16;
  sws_setColorspaceDetails(&scaler, sws_getCoefficients(from_matrix), from_full,
                           sws_getCoefficients(to_matrix), /*dstRange=*/0, 0, kUnchanged,
                           kUnchanged);
}

bool convert(SwsContext* scaler, const AVFrame& from, AVFrame& to) {
  return scaler && sws_scale(scaler, from.data, from.linesize, 0, from.height, to.data,
                             to.linesize) == to.height;
}

// Colour c of weight alpha over white, rounded to the nearest.
uint8_t over_white(uint8_t c, uint8_t alpha) {
  return static_cast<uint8_t>((c * alpha + 255 * (255 - alpha) + 127) / 255);
}

// Where a picture's pixel comes from, row by row of the frame.
struct Walk {
  int64_t start = 0, step_x = 0, step_y = 0;  // in pixels of the picture
};

Walk walk_of(const Turn& turn, int64_t width, int64_t shown_width, int64_t height) {
  const int64_t left =
      std::max<int64_t>(0, -turn.a * (width - 1)) + std::max<int64_t>(0, -turn.c * (height - 1));
  const int64_t top =
      std::max<int64_t>(0, -turn.b * (width - 1)) + std::max<int64_t>(0, -turn.d * (height - 1));
  return {top * shown_width + left, turn.b * shown_width + turn.a, turn.d * shown_width + turn.c};
}

// The frame is RGB or RGBA; the picture is what is shown.
Picture upright(const AVFrame& frame, const Turn& turn, Shows shows) {
  const int64_t width = frame.width, height = frame.height;
  Picture picture(turn.a ? width : height, turn.a ? height : width);
  const Walk walk = walk_of(turn, width, picture.width, height);
  const bool alpha = frame.format == AV_PIX_FMT_RGBA;
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* from = frame.data[0] + y * frame.linesize[0];
    uint8_t* to = picture.rgb.data() + 3 * (walk.start + y * walk.step_y);
    for (int64_t x = 0; x < width; ++x, from += alpha ? 4 : 3, to += 3 * walk.step_x)
      for (int c = 0; c < 3; ++c) {
        if (shows == Shows::transparency)
          to[c] = alpha ? static_cast<uint8_t>(255 - from[3]) : 0;
        else
          to[c] = alpha ? over_white(from[c], from[3]) : from[c];
      }
  }
  return picture;
}

bool is_quarter_turn(const Turn& turn) {
  const auto unit = [](int value) { return value >= -1 && value <= 1; };
  return unit(turn.a) && unit(turn.b) && unit(turn.c) && unit(turn.d) &&
         std::abs(turn.a * turn.d - turn.b * turn.c) == 1 && std::abs(turn.a) != std::abs(turn.b) &&
         std::abs(turn.a) == std::abs(turn.d);
}

Turn after(const Turn& first, const Turn& second) {
  return {first.a * second.a + first.b * second.c, first.a * second.b + first.b * second.d,
          first.c * second.a + first.d * second.c, first.c * second.b + first.d * second.d};
}

Turn turn_of_frame(const AVFrame& frame) {
  const AVFrameSideData* matrix = av_frame_get_side_data(&frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (!matrix || matrix->size < 9 * sizeof(int32_t)) return {};
  return turn_of_matrix(reinterpret_cast<const int32_t*>(matrix->data));
}

// The part of a picture that is kept, with the proportions of what is asked for.
struct Cut {
  int64_t x = 0, y = 0, width = 0, height = 0;
};

Cut cut_of(const Picture& picture, int64_t width, int64_t height, Fit fit) {
  Cut cut = {0, 0, picture.width, picture.height};
  if (fit == Fit::stretch) return cut;
  const auto rounded = [](double value) {
    return std::max<int64_t>(1, static_cast<int64_t>(std::llround(value)));
  };
  const double proportion = static_cast<double>(width) / static_cast<double>(height);
  cut.width = std::min(picture.width, rounded(static_cast<double>(picture.height) * proportion));
  cut.height = std::min(picture.height, rounded(static_cast<double>(picture.width) / proportion));
  cut.x = (picture.width - cut.width) / 2;
  cut.y = (picture.height - cut.height) / 2;
  return cut;
}

FramePtr rgb_frame(const Picture& picture, const Cut& cut) {
  FramePtr frame =
      new_frame(static_cast<int>(cut.width), static_cast<int>(cut.height), AV_PIX_FMT_RGB24);
  if (!frame) return nullptr;
  for (int64_t y = 0; y < cut.height; ++y)
    std::memcpy(frame->data[0] + y * frame->linesize[0], picture.pixel(cut.x, cut.y + y),
                static_cast<size_t>(cut.width * 3));
  return frame;
}

}  // namespace

Turn turn_of_matrix(const int32_t* matrix) {
  constexpr int32_t kOne = 1 << 16;
  for (const int i : {0, 1, 3, 4})
    if (matrix[i] % kOne != 0) return {};
  const Turn turn = {matrix[0] / kOne, matrix[1] / kOne, matrix[3] / kOne, matrix[4] / kOne};
  return is_quarter_turn(turn) ? turn : Turn{};
}

FrameSize shown_size(const ReadRequest& request, FrameSize stored, Turn turn) {
  if (request.width > 0) return {request.width, request.height};
  return turn.a ? stored : FrameSize{stored.height, stored.width};
}

FramePtr FrameReader::to_rgb(const AVFrame& frame) {
  const auto format = static_cast<AVPixelFormat>(frame.format);
  const AVPixelFormat wanted = has_alpha(format) ? AV_PIX_FMT_RGBA : AV_PIX_FMT_RGB24;
  if (format == wanted) return FramePtr(av_frame_clone(&frame));
  FramePtr rgb = new_frame(frame.width, frame.height, wanted);
  if (!rgb) return nullptr;
  to_rgb_.reset(sws_getCachedContext(to_rgb_.release(), frame.width, frame.height, format,
                                     frame.width, frame.height, wanted, kScaling, nullptr, nullptr,
                                     nullptr));
  if (!to_rgb_) return nullptr;
  set_colours(*to_rgb_, matrix_of(frame), is_full_range(frame), SWS_CS_ITU601);
  return convert(to_rgb_.get(), frame, *rgb) ? std::move(rgb) : nullptr;
}

bool FrameReader::scale(const Picture& from, Picture& to) {
  const Cut cut = cut_of(from, width_, height_, request_.fit);
  const FramePtr source = rgb_frame(from, cut);
  const FramePtr scaled =
      new_frame(static_cast<int>(width_), static_cast<int>(height_), AV_PIX_FMT_RGB24);
  if (!source || !scaled) return false;
  scaler_.reset(sws_getCachedContext(scaler_.release(), source->width, source->height,
                                     AV_PIX_FMT_RGB24, scaled->width, scaled->height,
                                     AV_PIX_FMT_RGB24, kScaling, nullptr, nullptr, nullptr));
  if (!convert(scaler_.get(), *source, *scaled)) return false;
  to = Picture(width_, height_);
  for (int64_t y = 0; y < height_; ++y)
    std::memcpy(to.pixel(0, y), scaled->data[0] + y * scaled->linesize[0],
                static_cast<size_t>(width_ * 3));
  return true;
}

bool FrameReader::read(const AVFrame& frame, Picture& picture) {
  const FramePtr rgb = to_rgb(frame);
  if (!rgb) return false;
  Picture shown = upright(*rgb, after(turn_of_frame(frame), turn_), request_.shows);
  if (width_ == 0) {
    width_ = request_.width > 0 ? request_.width : shown.width;
    height_ = request_.height > 0 ? request_.height : shown.height;
  }
  if (shown.width == width_ && shown.height == height_) {
    picture = std::move(shown);
    return true;
  }
  return scale(shown, picture);
}

namespace {

// Every pixel a word, opaque, in the machine's byte order; swscale would go through YUV.
FramePtr words_of_picture(const Picture& picture) {
  FramePtr frame = new_frame(static_cast<int>(picture.width), static_cast<int>(picture.height),
                             AV_PIX_FMT_RGB32);
  if (!frame) return nullptr;
  for (int64_t y = 0; y < picture.height; ++y) {
    auto* word = reinterpret_cast<uint32_t*>(frame->data[0] + y * frame->linesize[0]);
    for (int64_t x = 0; x < picture.width; ++x) {
      const uint8_t* rgb = picture.pixel(x, y);
      *word++ = 0xff000000u | static_cast<uint32_t>(rgb[0] << 16 | rgb[1] << 8 | rgb[2]);
    }
  }
  return frame;
}

}  // namespace

FramePtr frame_of_picture(const Picture& picture, AVPixelFormat format) {
  if (format == AV_PIX_FMT_RGB32) return words_of_picture(picture);
  const AVPixFmtDescriptor* about = av_pix_fmt_desc_get(format);
  CHECK(about, static_cast<int>(format));
  const int64_t wide = 1 << about->log2_chroma_w, high = 1 << about->log2_chroma_h;
  const auto padded = [](int64_t size, int64_t step) { return (size + step - 1) / step * step; };
  const int width = static_cast<int>(padded(picture.width, wide));
  const int height = static_cast<int>(padded(picture.height, high));
  FramePtr rgb = new_frame(width, height, AV_PIX_FMT_RGB24);
  if (!rgb) return nullptr;
  for (int y = 0; y < height; ++y) {
    uint8_t* row = rgb->data[0] + static_cast<int64_t>(y) * rgb->linesize[0];
    std::memcpy(row, picture.pixel(0, std::min<int64_t>(y, picture.height - 1)),
                static_cast<size_t>(picture.width * 3));
    for (int64_t x = picture.width; x < width; ++x) std::memcpy(row + x * 3, row + x * 3 - 3, 3);
  }
  if (format == AV_PIX_FMT_RGB24) return rgb;

  FramePtr frame = new_frame(width, height, format);
  const ScalerPtr scaler(sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, format,
                                        kScaling, nullptr, nullptr, nullptr));
  if (!frame || !scaler) return nullptr;
  const bool jpeg = is_jpeg_yuv(format);
  if (!jpeg) set_colours(*scaler, SWS_CS_ITU601, false, SWS_CS_ITU709);
  frame->colorspace = jpeg ? AVCOL_SPC_BT470BG : AVCOL_SPC_BT709;
  frame->color_range = jpeg ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  return convert(scaler.get(), *rgb, *frame) ? std::move(frame) : nullptr;
}

}  // namespace hadal
