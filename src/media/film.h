// SPDX-License-Identifier: MIT
// The container of a GIF, MP4 or WebM in memory: its one stream of pictures, packet by packet.
//
//   std::unique_ptr<Film> film = Film::open(bytes, FileKind::mp4);    // null: not such a file
//   while (film->next(*packet)) ...
//
// libavformat reads the given bytes through a callback and can open nothing else.  One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "media/av.h"
#include "media/kind.h"
#include "media/pixels.h"

namespace hadal {

class Film {
 public:
  static std::unique_ptr<Film> open(std::span<const uint8_t> bytes, FileKind kind);
  ~Film();
  Film(const Film&) = delete;
  Film& operator=(const Film&) = delete;

  const AVStream& stream() const { return *format_->streams[stream_]; }
  const char* decoder_name() const { return decoder_; }
  Turn turn() const;
  std::string comment() const;  // the container's, or empty

  // The next packet of the stream; false at the end, and where the file breaks off.
  bool next(AVPacket& packet);

 private:
  Film() = default;
  bool choose_stream(FileKind kind);

  struct Source {
    std::span<const uint8_t> bytes;
    int64_t at = 0;
  };
  static int read(void* source, uint8_t* buffer, int count);
  static int64_t seek(void* source, int64_t offset, int whence);

  Source source_;
  IoPtr io_;
  AVFormatContext* format_ = nullptr;
  int stream_ = 0;
  const char* decoder_ = nullptr;
};

}  // namespace hadal
