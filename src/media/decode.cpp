// SPDX-License-Identifier: MIT
// Headers, then the table of frames, then the plan of which frames are wanted, then the decoder.
#include "media/decode.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "base/checked.h"
#include "media/comment.h"
#include "media/film.h"
#include "media/pixels.h"

namespace hadal {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr Verdict kFine = {};
constexpr Verdict kUnreadable = {Refusal::unreadable};

bool is_fine(const Verdict& verdict) {
  return verdict.refusal == Refusal::none;
}

Verdict at_most(Refusal refusal, int64_t found, int64_t limit) {
  return found <= limit ? kFine : Verdict{refusal, found, limit};
}

Verdict check_size(FrameSize size, const ReadLimits& limits) {
  if (size.width < 1 || size.height < 1) return kUnreadable;
  const int64_t pixels =
      checked_mul(size.width, size.height).value_or(std::numeric_limits<int64_t>::max());
  return at_most(Refusal::frame_pixels, pixels, limits.frame_pixels);
}

// ---- which frames

// The frames as the container lists them.
struct FrameTable {
  int64_t frames = 0;
  double start = 0, seconds = 0, fps = 0;
};

double seconds_of(int64_t ticks, AVRational unit) {
  return unit.den != 0 ? static_cast<double>(ticks) * av_q2d(unit) : 0;
}

// The rate that the file names is exact where the times are rounded (WebM: to 1/1000 s, GIF: to
// 1/100 s); it counts when it is close to what the times say.
double rate_of(const FrameTable& table, AVRational named) {
  constexpr double kLeast = 1e-3, kMost = 1e3, kClose = 0.1;
  const double counted = static_cast<double>(table.frames) / table.seconds;
  const double said = named.num > 0 && named.den > 0 ? av_q2d(named) : 0;
  const double rate = std::abs(said - counted) < kClose * counted ? said : counted;
  return std::clamp(rate, kLeast, kMost);
}

// Reads all packets and decodes none.
Verdict read_table(Film& film, const ReadLimits& limits, FrameTable& table) {
  const AVRational unit = film.stream().time_base;
  const PacketPtr packet(av_packet_alloc());
  if (!packet) return kUnreadable;
  double first = std::numeric_limits<double>::max(), last = -first, end = -first;
  while (film.next(*packet)) {
    if (packet->flags & AV_PKT_FLAG_DISCARD) continue;
    if (++table.frames > limits.frames)
      return at_most(Refusal::frames, table.frames, limits.frames);
    const int64_t ticks = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (ticks == AV_NOPTS_VALUE) continue;
    const double shown = seconds_of(ticks, unit);
    first = std::min(first, shown);
    last = std::max(last, shown);
    end = std::max(end, shown + seconds_of(std::max<int64_t>(0, packet->duration), unit));
  }
  if (table.frames == 0) return kUnreadable;
  constexpr double kUnsaidRate = 8;  // a file without times
  const double gaps = static_cast<double>(std::max<int64_t>(1, table.frames - 1));
  if (end <= last) end = last + (last - first) / gaps;  // the last frame does not say how long
  table.start = first <= last ? first : 0;
  table.seconds = end - first > 0 ? end - first : static_cast<double>(table.frames) / kUnsaidRate;
  if (!(table.seconds <= limits.seconds)) {
    const double found = std::min(table.seconds, 1e15);
    return {Refusal::seconds, static_cast<int64_t>(std::ceil(found)),
            static_cast<int64_t>(limits.seconds)};
  }
  table.fps = rate_of(table, film.stream().avg_frame_rate);
  return kFine;
}

struct FramePlan {
  int64_t pictures = 0;
  double fps = 0;
  std::vector<double> times = {};  // what is shown at these seconds; empty: every frame
};

Verdict plan_frames(const ReadRequest& request, const FrameTable& table, const ReadLimits& limits,
                    FramePlan& plan) {
  if (request.fps <= 0 && (request.frames <= 0 || request.frames >= table.frames)) {
    plan = {table.frames, table.fps, {}};
    return kFine;
  }
  const double rate =
      request.fps > 0 ? request.fps : static_cast<double>(request.frames) / table.seconds;
  double wanted = std::max(1.0, std::round((table.seconds - request.start) * rate));
  if (request.frames > 0) wanted = std::min(wanted, static_cast<double>(request.frames));
  if (!(wanted <= static_cast<double>(limits.frames)))
    return {Refusal::frames, static_cast<int64_t>(std::min(wanted, 1e15)), limits.frames};
  plan = {static_cast<int64_t>(wanted), rate, {}};
  // A number without a rate: the middles of as many equal parts.
  const double shift = request.fps > 0 ? 0 : 0.5;
  for (int64_t i = 0; i < plan.pictures; ++i)
    plan.times.push_back(request.start + (static_cast<double>(i) + shift) / rate);
  return kFine;
}

Verdict check_total(const DecodeTask& task, FrameSize size, int64_t pictures) {
  const int64_t numbers[] = {size.width, size.height, pictures};
  const int64_t pixels = checked_count(numbers).value_or(std::numeric_limits<int64_t>::max());
  return at_most(Refusal::total_pixels, pixels, task.limits.total_pixels);
}

// ---- frames out of the decoder, pictures into the sink

class Emitter {
 public:
  Emitter(const DecodeTask& task, FramePlan plan, Turn turn, DecodeSink& sink)
      : task_(task), plan_(std::move(plan)), reader_(task.request, turn), sink_(sink) {}

  bool is_done() const { return !is_fine(verdict_) || given_ >= plan_.pictures; }
  int64_t given() const { return given_; }
  Verdict verdict() const { return given_ > 0 || !is_fine(verdict_) ? verdict_ : kUnreadable; }

  // `seconds`: when the frame is shown.
  void add(FramePtr frame, double seconds) {
    if (plan_.times.empty()) {
      show(*frame);
      return;
    }
    constexpr double kRounding = 1e-6;
    seconds = std::max(seconds, shown_at_);  // times never run backwards
    while (held_ && !is_done() && plan_.times[static_cast<size_t>(given_)] < seconds - kRounding)
      if (!show_held()) break;
    held_ = std::move(frame);
    fresh_ = true;
    shown_at_ = seconds;
  }

  // The last frame stays until the end.
  void finish() {
    if (plan_.times.empty()) return;
    while (held_ && !is_done() && show_held()) {
    }
  }

 private:
  bool show_held() {
    if (fresh_ && !reader_.read(*held_, picture_)) {
      held_.reset();
      return false;
    }
    fresh_ = false;
    give(picture_);
    return true;
  }

  void show(const AVFrame& frame) {
    if (reader_.read(frame, picture_)) give(picture_);
  }

  void give(const Picture& picture) {
    verdict_ = check_total(task_, {picture.width, picture.height}, given_ + 1);
    if (!is_fine(verdict_)) return;
    sink_.picture(picture);
    ++given_;
  }

  const DecodeTask& task_;
  FramePlan plan_;
  FrameReader reader_;
  DecodeSink& sink_;
  Verdict verdict_;
  FramePtr held_;
  bool fresh_ = false;  // held_ is not in picture_ yet
  double shown_at_ = 0;
  Picture picture_;
  int64_t given_ = 0;
};

enum class Breaks { still, clip };

CodecPtr open_decoder(const char* name, const AVCodecParameters* parameters,
                      const ReadLimits& limits, Breaks breaks) {
  const AVCodec* codec = avcodec_find_decoder_by_name(name);
  CodecPtr context(codec ? avcodec_alloc_context3(codec) : nullptr);
  if (!context) return nullptr;
  if (parameters && avcodec_parameters_to_context(context.get(), parameters) < 0) return nullptr;
  context->thread_count = 1;
  context->max_pixels = limits.frame_pixels;  // asked before each buffer, whatever headers said
  context->flags |= AV_CODEC_FLAG_BITEXACT;
  // Half a still is an error; a film goes on behind a broken frame.
  if (breaks == Breaks::still) context->err_recognition |= AV_EF_EXPLODE;
  return avcodec_open2(context.get(), codec, nullptr) == 0 ? std::move(context) : nullptr;
}

bool is_whole(const AVFrame& frame) {
  return !(frame.flags & AV_FRAME_FLAG_CORRUPT) && frame.decode_error_flags == 0;
}

// Hands on the frames that the decoder has ready; false when it has ended.
bool drain(AVCodecContext& codec, const FrameTable& table, AVRational unit, Emitter& emitter) {
  while (!emitter.is_done()) {
    FramePtr frame(av_frame_alloc());
    if (!frame) return false;
    const int code = avcodec_receive_frame(&codec, frame.get());
    if (code == AVERROR(EAGAIN)) return true;
    if (code == AVERROR_EOF) return false;
    if (code < 0) return true;  // this frame is lost, not the film
    if (!is_whole(*frame)) continue;
    const int64_t ticks = frame->best_effort_timestamp;
    const double seconds = ticks != AV_NOPTS_VALUE ? seconds_of(ticks, unit) - table.start : 0;
    emitter.add(std::move(frame), seconds);
  }
  return false;
}

Verdict decode_film(Film& film, const FrameTable& table, const DecodeTask& task, FramePlan plan,
                    DecodeSink& sink) {
  const AVRational unit = film.stream().time_base;
  const CodecPtr codec =
      open_decoder(film.decoder_name(), film.stream().codecpar, task.limits, Breaks::clip);
  const PacketPtr packet(av_packet_alloc());
  if (!codec || !packet) return kUnreadable;
  codec->pkt_timebase = unit;
  Emitter emitter(task, std::move(plan), film.turn(), sink);
  bool going = true;
  while (going && film.next(*packet)) {
    avcodec_send_packet(codec.get(), packet.get());  // a packet it refuses is a lost frame
    going = drain(*codec, table, unit, emitter);
  }
  if (going) {
    avcodec_send_packet(codec.get(), nullptr);
    drain(*codec, table, unit, emitter);
  }
  emitter.finish();
  return emitter.verdict();
}

Verdict read_film(Bytes bytes, FileKind kind, const DecodeTask& task, DecodeSink& sink) {
  const std::unique_ptr<Film> listed = Film::open(bytes, kind);
  if (!listed) return kUnreadable;
  const FrameSize stored = {listed->stream().codecpar->width, listed->stream().codecpar->height};
  const FrameSize size = kind == FileKind::gif ? stored_size(kind, bytes) : stored;
  if (const Verdict verdict = check_size(size, task.limits); !is_fine(verdict)) return verdict;
  FrameTable table;
  if (const Verdict verdict = read_table(*listed, task.limits, table); !is_fine(verdict))
    return verdict;
  FramePlan plan;
  if (const Verdict verdict = plan_frames(task.request, table, task.limits, plan);
      !is_fine(verdict))
    return verdict;
  if (!task.facts_only) {
    const FrameSize shown = shown_size(task.request, size, listed->turn());
    if (const Verdict verdict = check_total(task, shown, plan.pictures); !is_fine(verdict))
      return verdict;
  }
  const std::string comment = kind == FileKind::gif ? find_comment(kind, bytes) : listed->comment();
  sink.facts({kind, size.width, size.height, table.frames, table.fps, plan.fps, comment});
  if (task.facts_only) return kFine;
  // Opened anew rather than wound back: seeking is one more door for hostile tables.
  const std::unique_ptr<Film> film = Film::open(bytes, kind);
  return film ? decode_film(*film, table, task, std::move(plan), sink) : kUnreadable;
}

// ---- stills: the file is the packet, and libavformat has no part in it

const char* still_decoder(FileKind kind) {
  switch (kind) {
    case FileKind::png:
      return "png";
    case FileKind::jpeg:
      return "mjpeg";
    case FileKind::webp:
      return "webp";
    default:
      return nullptr;
  }
}

Verdict read_still(Bytes bytes, FileKind kind, const DecodeTask& task, DecodeSink& sink) {
  if (kind == FileKind::webp && is_animated_webp(bytes)) return {Refusal::animated};
  const FrameSize stored = stored_size(kind, bytes);
  if (const Verdict verdict = check_size(stored, task.limits); !is_fine(verdict)) return verdict;
  if (const Verdict verdict = check_total(task, shown_size(task.request, stored, {}), 1);
      !is_fine(verdict))
    return verdict;
  MediaFacts facts = {kind, stored.width, stored.height, 1};
  facts.comment = find_comment(kind, bytes);
  sink.facts(facts);
  if (task.facts_only) return kFine;

  const CodecPtr codec = open_decoder(still_decoder(kind), nullptr, task.limits, Breaks::still);
  const PacketPtr packet(av_packet_alloc());
  FramePtr frame(av_frame_alloc());
  if (!codec || !packet || !frame) return kUnreadable;
  if (av_new_packet(packet.get(), static_cast<int>(bytes.size())) < 0) return kUnreadable;
  std::memcpy(packet->data, bytes.data(), bytes.size());
  const bool decoded = avcodec_send_packet(codec.get(), packet.get()) == 0 &&
                       avcodec_receive_frame(codec.get(), frame.get()) == 0 && is_whole(*frame);
  if (!decoded) return kUnreadable;
  Emitter emitter(task, {.pictures = 1}, {}, sink);
  emitter.add(std::move(frame), 0);
  return emitter.verdict();
}

}  // namespace

Verdict decode_media(Bytes bytes, const DecodeTask& task, DecodeSink& sink) {
  av_log_set_level(AV_LOG_QUIET);  // the verdict says it; the library would say it to stderr
  // A packet's size is an int, with padding.
  constexpr int64_t kMostBytes = std::numeric_limits<int>::max() - 4096;
  const int64_t most = std::min(task.limits.file_bytes, kMostBytes);
  const auto size = static_cast<int64_t>(bytes.size());
  if (const Verdict verdict = at_most(Refusal::file_bytes, size, most); !is_fine(verdict))
    return verdict;
  const FileKind kind = kind_of_bytes(bytes);
  if (kind == FileKind::unknown) return kUnreadable;
  return still_decoder(kind) ? read_still(bytes, kind, task, sink)
                             : read_film(bytes, kind, task, sink);
}

}  // namespace hadal
