// SPDX-License-Identifier: MIT
// The parent's side of reading: opens the file, checks the request, collects what comes.
#include "media/read.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/json.h"
#include "media/reader_child.h"
#include "media/reader_records.h"

namespace hadal {
namespace {

struct OpenFile {
  explicit OpenFile(int number) : descriptor(number) {}
  OpenFile(OpenFile&& other) noexcept : descriptor(std::exchange(other.descriptor, -1)) {}
  ~OpenFile() {
    if (descriptor >= 0) close(descriptor);
  }
  int descriptor;
};

// O_NONBLOCK: opening a pipe must not wait for its other end.
Result<OpenFile> open_media(const std::string& path, const ReadLimits& limits) {
  OpenFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.descriptor < 0)
    return fail(printable(path), ": cannot be opened: ", std::strerror(errno));
  struct stat about {};
  if (fstat(file.descriptor, &about) != 0 || !S_ISREG(about.st_mode))
    return fail(printable(path), ": is not a regular file");
  if (about.st_size > limits.file_bytes)
    return fail(refusal_text(path, {Refusal::file_bytes, about.st_size, limits.file_bytes}));
  return file;
}

// A file without a name, for bytes that are in memory.
Result<OpenFile> hold_bytes(std::string_view bytes, const std::string& name,
                            const ReadLimits& limits) {
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > limits.file_bytes)
    return fail(refusal_text(name, {Refusal::file_bytes, size, limits.file_bytes}));
  OpenFile file(memfd_create("media", MFD_CLOEXEC));
  if (file.descriptor < 0)
    return fail_machine(printable(name), ": memfd_create: ", std::strerror(errno));
  while (!bytes.empty()) {
    const ssize_t written = write(file.descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0)
      return fail_machine(printable(name), ": memory is short: ", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return file;
}

Status check_request(const ReadRequest& request, const ReadLimits& limits) {
  const bool sized = request.width > 0 && request.height > 0;
  if (!sized && (request.width != 0 || request.height != 0))
    return fail("a picture of ", request.width, " × ", request.height,
                " was asked for, expected two sizes above 0, or 0 and 0");
  if (sized && request.width > limits.frame_pixels / request.height)
    return fail("a picture of ", request.width, " × ", request.height, " was asked for, at most ",
                limits.frame_pixels, " pixels are given");
  if (!std::isfinite(request.fps) || request.fps < 0 || request.fps > 1000)
    return fail("a rate of ", request.fps, " frames a second was asked for, expected 0 to 1000");
  if (!std::isfinite(request.start) || request.start < 0 || (request.start > 0 && request.fps == 0))
    return fail("frames from ", request.start,
                " seconds on were asked for, expected 0 or more, and a rate with it");
  if (request.frames < 0) return fail(request.frames, " frames were asked for, expected 0 or more");
  return Ok{};
}

class ClipSink : public DecodeSink {
 public:
  void facts(const MediaFacts& facts) override {
    found = facts;
    clip.fps = facts.clip_fps;
  }
  void picture(const Picture& picture) override { clip.frames.push_back(picture); }

  MediaFacts found;
  Clip clip;
};

Result<Clip> read_open(const OpenFile& file, const std::string& name, const ReadRequest& request,
                       const ReadLimits& limits) {
  ClipSink sink;
  TRY_STATUS(read_in_child(file.descriptor, name, {false, request, limits}, sink));
  return std::move(sink.clip);
}

Result<MediaInfo> info_of(const OpenFile& file, const std::string& name, const ReadLimits& limits) {
  ClipSink sink;
  TRY_STATUS(read_in_child(file.descriptor, name, {true, {}, limits}, sink));
  const MediaFacts& found = sink.found;
  return MediaInfo{
      std::string(kind_name(found.kind)), found.width, found.height, found.frames, found.fps,
      metadata_of(found.comment)};
}

}  // namespace

Result<Clip> read_media(const std::string& path, const ReadRequest& request,
                        const ReadLimits& limits) {
  TRY_STATUS(check_request(request, limits));
  TRY(const OpenFile file, open_media(path, limits));
  return read_open(file, path, request, limits);
}

Result<Clip> read_media_bytes(std::string_view bytes, const std::string& name,
                              const ReadRequest& request, const ReadLimits& limits) {
  TRY_STATUS(check_request(request, limits));
  TRY(const OpenFile file, hold_bytes(bytes, name, limits));
  return read_open(file, name, request, limits);
}

Result<MediaInfo> read_media_info(const std::string& path, const ReadLimits& limits) {
  TRY(const OpenFile file, open_media(path, limits));
  return info_of(file, path, limits);
}

Result<MediaInfo> read_media_info_bytes(std::string_view bytes, const std::string& name,
                                        const ReadLimits& limits) {
  TRY(const OpenFile file, hold_bytes(bytes, name, limits));
  return info_of(file, name, limits);
}

Result<Metadata> read_metadata(const std::string& path, const ReadLimits& limits) {
  TRY(MediaInfo info, read_media_info(path, limits));
  return std::move(info.metadata);
}

}  // namespace hadal
