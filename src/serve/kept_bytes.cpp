// SPDX-License-Identifier: MIT
// Files of the server's own.
#include "serve/kept_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "serve/byte_range.h"

namespace hadal {

Result<std::string> read_kept(const std::string& path, int64_t first, int64_t count) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return fail_machine(path, ": ", std::strerror(errno));
  std::string bytes(static_cast<size_t>(count), '\0');
  int64_t got = 0;
  while (got < count) {
    const ssize_t now = ::pread(file, bytes.data() + got, static_cast<size_t>(count - got),
                                static_cast<off_t>(first + got));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) break;
    got += now;
  }
  ::close(file);
  if (got < count) return fail_machine(path, ": read ", got, " bytes, expected ", count);
  return bytes;
}

ApiStatus reply_kept(Exchange& exchange, const KeptFile& file) {
  const HttpRequest& request = exchange.request();
  const std::string tag = "\"" + file.tag + "\"";
  const std::string_view only_if = request.header("if-range");
  const bool wants_part = only_if.empty() || only_if == tag;
  const ByteRange range = read_byte_range(wants_part ? request.header("range") : "", file.size);
  const std::string whole = "/" + std::to_string(file.size);
  HttpReply reply;
  if (range.kind == ByteRange::Kind::beyond) {
    reply = error_reply({.status = 416,
                         .message = "the file has " + std::to_string(file.size) +
                                    " bytes, none of those that were asked for"},
                        ErrorFamily::openai, request.id);
    reply.headers.emplace_back("Content-Range", "bytes *" + whole);
    exchange.reply(std::move(reply));
    return Ok{};
  }
  TRY(reply.body, read_kept(file.path, range.first, range.count));
  reply.type = file.type;
  reply.headers = {{"Accept-Ranges", "bytes"}, {"ETag", tag}, {"Cache-Control", "private"}};
  if (range.kind == ByteRange::Kind::part) {
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                    std::to_string(range.first + range.count - 1) +
                                                    whole);
  }
  exchange.reply(std::move(reply));
  return Ok{};
}

}  // namespace hadal
