// SPDX-License-Identifier: MIT
// libavformat, held short: one named demuxer, our bytes, no other file.
#include "media/film.h"

#include <algorithm>
#include <cstring>

#include "media/metadata.h"

namespace hadal {
namespace {

// Containers name other files (a movie's data reference, for example); none is ever opened.
int open_nothing(AVFormatContext*, AVIOContext**, const char*, int, AVDictionary**) {
  return AVERROR(EPERM);
}

const char* demuxer_of(FileKind kind) {
  switch (kind) {
    case FileKind::gif:
      return "gif";
    case FileKind::mp4:
      return "mov";
    case FileKind::webm:
      return "matroska";
    default:
      return nullptr;
  }
}

// The decoders, by name: the library has hundreds, and several of one codec.
const char* decoder_of(FileKind kind, AVCodecID codec) {
  if (kind == FileKind::gif && codec == AV_CODEC_ID_GIF) return "gif";
  if (kind == FileKind::webm && codec == AV_CODEC_ID_VP8) return "vp8";
  if (kind == FileKind::webm && codec == AV_CODEC_ID_VP9) return "vp9";
  if (kind == FileKind::mp4 && codec == AV_CODEC_ID_H264) return "h264";
  // Where write_media() has to fall back to MPEG-4 part 2, its own files can be read.
  const bool fallback = !avcodec_find_encoder_by_name("libx264");
  if (kind == FileKind::mp4 && codec == AV_CODEC_ID_MPEG4 && fallback) return "mpeg4";
  return nullptr;
}

}  // namespace

int Film::read(void* opaque, uint8_t* buffer, int count) {
  Source& source = *static_cast<Source*>(opaque);
  const int64_t left = static_cast<int64_t>(source.bytes.size()) - source.at;
  const int64_t given = std::min<int64_t>(count, left);
  if (given <= 0) return AVERROR_EOF;
  std::memcpy(buffer, source.bytes.data() + source.at, static_cast<size_t>(given));
  source.at += given;
  return static_cast<int>(given);
}

int64_t Film::seek(void* opaque, int64_t offset, int whence) {
  Source& source = *static_cast<Source*>(opaque);
  const auto size = static_cast<int64_t>(source.bytes.size());
  if (whence == AVSEEK_SIZE) return size;
  int64_t base = 0;
  if (whence == SEEK_CUR) base = source.at;
  if (whence == SEEK_END) base = size;
  int64_t target = 0;
  if (__builtin_add_overflow(base, offset, &target) || target < 0 || target > size)
    return AVERROR(EINVAL);
  return source.at = target;
}

std::unique_ptr<Film> Film::open(std::span<const uint8_t> bytes, FileKind kind) {
  constexpr int kBufferBytes = 1 << 15;
  constexpr int kMostStreams = 32;  // a film of many languages
  const char* demuxer = demuxer_of(kind);
  if (!demuxer) return nullptr;
  std::unique_ptr<Film> film(new Film);
  film->source_.bytes = bytes;
  auto* buffer = static_cast<unsigned char*>(av_malloc(kBufferBytes));
  if (!buffer) return nullptr;
  film->io_.reset(avio_alloc_context(buffer, kBufferBytes, 0, &film->source_, read, nullptr, seek));
  film->format_ = avformat_alloc_context();
  if (!film->io_ || !film->format_) return nullptr;
  film->format_->pb = film->io_.get();
  film->format_->io_open = open_nothing;
  film->format_->format_whitelist = av_strdup(demuxer);
  film->format_->protocol_whitelist = av_strdup("none");
  film->format_->max_streams = kMostStreams;
  // On failure the context is freed and the pointer is null.
  if (avformat_open_input(&film->format_, "", av_find_input_format(demuxer), nullptr) < 0)
    return nullptr;
  return film->choose_stream(kind) ? std::move(film) : nullptr;
}

Film::~Film() {
  avformat_close_input(&format_);
}

bool Film::choose_stream(FileKind kind) {
  for (unsigned i = 0; i < format_->nb_streams; ++i) {
    AVStream& stream = *format_->streams[i];
    const char* decoder = decoder_of(kind, stream.codecpar->codec_id);
    const bool wanted = !decoder_ && decoder && !(stream.disposition & AV_DISPOSITION_ATTACHED_PIC);
    stream.discard = wanted ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    if (!wanted) continue;
    stream_ = static_cast<int>(i);
    decoder_ = decoder;
  }
  return decoder_ != nullptr;
}

Turn Film::turn() const {
  size_t size = 0;
  const uint8_t* matrix = av_stream_get_side_data(&stream(), AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (!matrix || size < 9 * sizeof(int32_t)) return {};
  return turn_of_matrix(reinterpret_cast<const int32_t*>(matrix));
}

std::string Film::comment() const {
  const AVDictionaryEntry* entry = av_dict_get(format_->metadata, "comment", nullptr, 0);
  const std::string_view text = entry ? entry->value : "";
  return is_metadata_comment(text) && static_cast<int64_t>(text.size()) <= kMostCommentBytes
             ? std::string(text)
             : "";
}

bool Film::next(AVPacket& packet) {
  av_packet_unref(&packet);
  while (av_read_frame(format_, &packet) >= 0) {
    if (packet.stream_index == stream_) return true;
    av_packet_unref(&packet);
  }
  return false;
}

}  // namespace hadal
