// SPDX-License-Identifier: MIT
// Encoding into memory, and from there to disk in one step.
#include "media/write.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "media/av.h"
#include "media/comment.h"
#include "media/palette.h"
#include "media/pixels.h"

namespace hadal {
namespace {

// How each kind is encoded.  One thread each: the number of threads would change the bytes.
struct Recipe {
  const char* encoder;
  AVPixelFormat format;
  int quality = 0;  // of encoders with a fixed quantiser: 1 (best) to 31
  std::vector<std::pair<const char*, std::string>> options = {};
};

// Of 2, which nobody tells from the picture, to 31, for qualities of 100 to 0.
int jpeg_quantiser(int64_t quality) {
  constexpr int64_t kFinest = 2, kCoarsest = 31;
  return static_cast<int>(kFinest +
                          ((kBestQuality - quality) * (kCoarsest - kFinest) + kBestQuality / 2) /
                              kBestQuality);
}

Recipe recipe_of(FileKind kind, int64_t quality = kBestQuality) {
  switch (kind) {
    case FileKind::png:
      return {"png", AV_PIX_FMT_RGB24, 0, {{"pred", "paeth"}}};
    case FileKind::jpeg:
      return {"mjpeg", AV_PIX_FMT_YUVJ444P, jpeg_quantiser(quality)};
    case FileKind::webp:  // given RGB, the library makes of it the YUV that its readers expect
      if (quality == kBestQuality) return {"libwebp", AV_PIX_FMT_RGB32, 0, {{"lossless", "1"}}};
      return {"libwebp", AV_PIX_FMT_RGB32, 0, {{"quality", std::to_string(quality)}}};
    case FileKind::gif:
      return {"gif", AV_PIX_FMT_PAL8};
    case FileKind::webm:
      return {"libvpx-vp9", AV_PIX_FMT_YUV420P, 0, {{"crf", "20"}, {"cpu-used", "4"}}};
    default:
      if (avcodec_find_encoder_by_name("libx264"))
        return {"libx264", AV_PIX_FMT_YUV420P, 0, {{"crf", "17"}, {"preset", "medium"}}};
      return {"mpeg4", AV_PIX_FMT_YUV420P, 2};
  }
}

const char* muxer_of(FileKind kind) {
  if (kind == FileKind::gif) return "gif";
  return kind == FileKind::mp4 ? "mp4" : "webm";
}

bool is_still_kind(FileKind kind) {
  return kind == FileKind::png || kind == FileKind::jpeg || kind == FileKind::webp;
}

struct Dictionary {
  AVDictionary* entries = nullptr;
  ~Dictionary() { av_dict_free(&entries); }
};

// ---- a file in memory, written through callbacks

class MemoryFile {
 public:
  AVIOContext* open() {
    constexpr int kBufferBytes = 1 << 15;
    auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
    if (!buffer) return nullptr;
    io_.reset(avio_alloc_context(buffer, kBufferBytes, 1, this, nullptr, write, seek));
    return io_.get();
  }
  std::string take() {
    avio_flush(io_.get());
    return std::move(bytes_);
  }

 private:
  static int write(void* opaque, uint8_t* from, int count) {
    auto& file = *static_cast<MemoryFile*>(opaque);
    const size_t end = file.at_ + static_cast<size_t>(count);
    if (end > file.bytes_.size()) file.bytes_.resize(end);
    std::memcpy(file.bytes_.data() + file.at_, from, static_cast<size_t>(count));
    file.at_ = end;
    return count;
  }
  static int64_t seek(void* opaque, int64_t offset, int whence) {
    auto& file = *static_cast<MemoryFile*>(opaque);
    if (whence == AVSEEK_SIZE) return static_cast<int64_t>(file.bytes_.size());
    if (whence == SEEK_CUR) offset += static_cast<int64_t>(file.at_);
    if (whence == SEEK_END) offset += static_cast<int64_t>(file.bytes_.size());
    if (offset < 0) return AVERROR(EINVAL);
    file.at_ = static_cast<size_t>(offset);
    return offset;
  }

  std::string bytes_;
  size_t at_ = 0;
  IoPtr io_;
};

// ---- frames

FramePtr frame_of_indices(const Picture& picture, const Palette& palette) {
  FramePtr frame =
      new_frame(static_cast<int>(picture.width), static_cast<int>(picture.height), AV_PIX_FMT_PAL8);
  if (!frame) return nullptr;
  const std::vector<uint8_t> indices = indices_of(picture, palette);
  for (int64_t y = 0; y < picture.height; ++y)
    std::memcpy(frame->data[0] + y * frame->linesize[0],
                &indices[static_cast<size_t>(y * picture.width)],
                static_cast<size_t>(picture.width));
  // 256 words of opaque ARGB in the machine's byte order.
  auto* words = reinterpret_cast<uint32_t*>(frame->data[1]);
  for (size_t i = 0; i < 256; ++i) {
    const Colour colour = palette[std::min(i, palette.size() - 1)];
    words[i] = 0xff000000u | static_cast<uint32_t>(colour[0] << 16 | colour[1] << 8 | colour[2]);
  }
  return frame;
}

AVRational rate_of(double fps) {
  constexpr int kFinest = 60000;  // 1001-based rates are exact, and MPEG-4's clock still fits
  return av_d2q(fps, kFinest);
}

CodecPtr open_encoder(const Recipe& recipe, const AVFrame& frame, AVRational rate,
                      bool global_header) {
  const AVCodec* codec = avcodec_find_encoder_by_name(recipe.encoder);
  CodecPtr context(codec ? avcodec_alloc_context3(codec) : nullptr);
  if (!context) return nullptr;
  context->width = frame.width;
  context->height = frame.height;
  context->pix_fmt = recipe.format;
  context->time_base = av_inv_q(rate);
  context->framerate = rate;
  context->colorspace = frame.colorspace;
  context->color_range = frame.color_range;
  const bool film = frame.colorspace == AVCOL_SPC_BT709;
  context->color_primaries = film ? AVCOL_PRI_BT709 : AVCOL_PRI_UNSPECIFIED;
  context->color_trc = film ? AVCOL_TRC_BT709 : AVCOL_TRC_UNSPECIFIED;
  context->thread_count = 1;
  context->max_b_frames = 0;  // frames in the order of time: no edit list, no delay
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  if (global_header) context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  if (recipe.quality > 0) {
    context->flags |= AV_CODEC_FLAG_QSCALE;
    context->global_quality = recipe.quality * FF_QP2LAMBDA;
  }
  Dictionary options;
  for (const auto& [key, value] : recipe.options)
    av_dict_set(&options.entries, key, value.c_str(), 0);
  return avcodec_open2(context.get(), codec, &options.entries) == 0 ? std::move(context) : nullptr;
}

// ---- stills: one packet is the file

Result<std::string> encode_still(const Clip& clip, FileKind kind, int64_t quality,
                                 const std::string& name) {
  const Recipe recipe = recipe_of(kind, quality);
  const FramePtr frame = frame_of_picture(clip.frames.front(), recipe.format);
  if (!frame) return fail_machine(name, ": memory is short");
  frame->quality = recipe.quality * FF_QP2LAMBDA;
  frame->pts = 0;
  const CodecPtr codec = open_encoder(recipe, *frame, {25, 1}, false);
  const PacketPtr packet(av_packet_alloc());
  const bool encoded = codec && packet && avcodec_send_frame(codec.get(), frame.get()) == 0 &&
                       avcodec_receive_packet(codec.get(), packet.get()) == 0;
  if (!encoded)
    return fail(name, ": a picture of ", clip.width(), " × ", clip.height(), " is not encoded as ",
                kind_name(kind));
  return std::string(reinterpret_cast<const char*>(packet->data),
                     static_cast<size_t>(packet->size));
}

// ---- films

class Muxer {
 public:
  Muxer() = default;
  ~Muxer() { avformat_free_context(format_); }
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;

  bool allocate(FileKind kind) {
    return avformat_alloc_output_context2(&format_, nullptr, muxer_of(kind), nullptr) >= 0;
  }
  bool wants_global_header() const { return format_->oformat->flags & AVFMT_GLOBALHEADER; }

  bool begin(const AVCodecContext& codec, const std::string& comment) {
    stream_ = avformat_new_stream(format_, nullptr);
    format_->pb = file_.open();
    if (!stream_ || !format_->pb) return false;
    format_->flags |= AVFMT_FLAG_BITEXACT;
    stream_->time_base = codec.time_base;
    stream_->avg_frame_rate = codec.framerate;
    if (avcodec_parameters_from_context(stream_->codecpar, &codec) < 0) return false;
    if (!comment.empty()) av_dict_set(&format_->metadata, "comment", comment.c_str(), 0);
    return avformat_write_header(format_, nullptr) >= 0;
  }

  // All packets that the encoder has ready.
  bool drain(AVCodecContext& codec, AVPacket& packet) {
    while (true) {
      const int code = avcodec_receive_packet(&codec, &packet);
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return true;
      if (code < 0) return false;
      if (packet.duration == 0) packet.duration = 1;
      av_packet_rescale_ts(&packet, codec.time_base, stream_->time_base);
      packet.stream_index = stream_->index;
      if (av_interleaved_write_frame(format_, &packet) < 0) return false;
    }
  }

  bool end() { return av_write_trailer(format_) >= 0; }
  std::string take() { return file_.take(); }

 private:
  MemoryFile file_;
  AVFormatContext* format_ = nullptr;
  AVStream* stream_ = nullptr;
};

Status check_film(int64_t width, int64_t height, double fps, FileKind kind,
                  const std::string& name) {
  constexpr int64_t kMostSide = 16384;  // what every encoder here takes
  if (width < 1 || height < 1 || width > kMostSide || height > kMostSide)
    return fail(name, ": a frame of ", width, " × ", height, ", expected 1 to ", kMostSide);
  if (kind == FileKind::unknown)
    return fail(name, ": unknown ending, expected .png, .jpg, .webp, .gif, .mp4 or .webm");
  if (is_still_kind(kind)) return Ok{};
  // Browsers show a GIF's frames of 1/100 s as if they were of 1/10 s.
  const double most = kind == FileKind::gif ? 50 : 240;
  if (!(fps >= 0.01 && fps <= most))
    return fail(name, ": ", fps, " frames a second, a ", kind_name(kind), " has 0.01 to ", most);
  return Ok{};
}

Status check_clip(const Clip& clip, FileKind kind, const std::string& name) {
  const int64_t width = clip.width(), height = clip.height();
  if (clip.frames.empty()) return fail(name, ": a clip without frames");
  TRY_STATUS(check_film(width, height, clip.fps, kind, name));
  for (const Picture& frame : clip.frames)
    if (frame.width != width || frame.height != height)
      return fail(name, ": frames of ", width, " × ", height, " and ", frame.width, " × ",
                  frame.height, ", expected one size");
  if (is_still_kind(kind) && clip.frames.size() > 1)
    return fail(name, ": ", clip.frames.size(), " frames, a ", kind_name(kind),
                " holds one; .gif, .mp4 and .webm hold more");
  return Ok{};
}

}  // namespace

struct FilmEncoder::Film {
  FileKind kind = FileKind::mp4;
  std::string name, comment;
  int64_t width = 0, height = 0;
  double fps = 0;
  Palette palette;  // of a GIF
  Muxer muxer;
  CodecPtr codec;  // opened by the first frame
  PacketPtr packet;
  int64_t frames = 0;

  Error refusal() const {
    return fail(name, ": a clip of ", width, " × ", height, " at ", fps,
                " frames a second is not encoded as ", kind_name(kind));
  }
  bool begin(const AVFrame& first) {
    packet.reset(av_packet_alloc());
    if (!packet || !muxer.allocate(kind)) return false;
    codec = open_encoder(recipe_of(kind), first, rate_of(fps), muxer.wants_global_header());
    // A GIF gets its comment afterwards: its muxer knows none.
    return codec && muxer.begin(*codec, kind == FileKind::gif ? "" : comment);
  }
  bool add(const Picture& picture) {
    const FramePtr frame = kind == FileKind::gif
                               ? frame_of_indices(picture, palette)
                               : frame_of_picture(picture, recipe_of(kind).format);
    if (!frame || (frames == 0 && !begin(*frame))) return false;
    frame->pts = frames++;
    frame->quality = codec->global_quality;
    return avcodec_send_frame(codec.get(), frame.get()) >= 0 && muxer.drain(*codec, *packet);
  }
  bool finish() {
    return avcodec_send_frame(codec.get(), nullptr) >= 0 && muxer.drain(*codec, *packet) &&
           muxer.end();
  }
};

FilmEncoder::FilmEncoder(std::unique_ptr<Film> film) : film_(std::move(film)) {}
FilmEncoder::FilmEncoder(FilmEncoder&&) noexcept = default;
FilmEncoder& FilmEncoder::operator=(FilmEncoder&&) noexcept = default;
FilmEncoder::~FilmEncoder() = default;

Result<FilmEncoder> FilmEncoder::open(const FilmForm& form, const Metadata& metadata,
                                      const std::string& name) {
  auto film = std::make_unique<Film>();
  film->name = printable(name);
  TRY_STATUS(check_film(form.width, form.height, form.fps, form.kind, film->name));
  if (form.kind != FileKind::mp4 && form.kind != FileKind::webm)
    return fail(film->name, ": frames come one by one into .mp4 and .webm");
  TRY(film->comment, metadata_comment(metadata));
  film->kind = form.kind;
  film->width = form.width;
  film->height = form.height;
  film->fps = form.fps;
  av_log_set_level(AV_LOG_QUIET);
  return FilmEncoder(std::move(film));
}

Status FilmEncoder::add(const Picture& picture) {
  if (picture.width != film_->width || picture.height != film_->height)
    return fail(film_->name, ": a frame of ", picture.width, " × ", picture.height, ", expected ",
                film_->width, " × ", film_->height);
  if (!film_->add(picture)) return film_->refusal();
  return Ok{};
}

int64_t FilmEncoder::frames() const {
  return film_->frames;
}

Result<std::string> FilmEncoder::finish() {
  if (film_->frames == 0) return fail(film_->name, ": a clip without frames");
  if (!film_->finish()) return film_->refusal();
  return film_->muxer.take();
}

Result<std::string> FilmEncoder::encode(const Clip& clip, FileKind kind, const std::string& comment,
                                        const std::string& name) {
  Film film;
  film.kind = kind;
  film.name = name;
  film.comment = comment;
  film.width = clip.width();
  film.height = clip.height();
  film.fps = clip.fps;
  if (kind == FileKind::gif) film.palette = palette_of(clip.frames);
  for (const Picture& picture : clip.frames)
    if (!film.add(picture)) return film.refusal();
  if (!film.finish()) return film.refusal();
  return film.muxer.take();
}

Result<std::string> encode_media(const Clip& clip, FileKind kind, const Metadata& metadata,
                                 const std::string& name, int64_t quality) {
  CHECK(quality >= 0 && quality <= kBestQuality, quality);
  const std::string shown = printable(name);
  TRY_STATUS(check_clip(clip, kind, shown));
  TRY(const std::string comment, metadata_comment(metadata));
  av_log_set_level(AV_LOG_QUIET);  // encoders chat on stderr
  if (!is_still_kind(kind) && kind != FileKind::gif)
    return FilmEncoder::encode(clip, kind, comment, shown);
  TRY(std::string file, is_still_kind(kind) ? encode_still(clip, kind, quality, shown)
                                            : FilmEncoder::encode(clip, kind, comment, shown));
  return with_comment(kind, std::move(file), comment);
}

Status write_media(const std::string& path, const Clip& clip, const Metadata& metadata) {
  TRY(const std::string bytes, encode_media(clip, kind_of_name(path), metadata, path));
  return write_file(path, bytes);
}

}  // namespace hadal
