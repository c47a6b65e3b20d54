// SPDX-License-Identifier: MIT
// Which bytes of a file a client wants: the header Range of RFC 9110, section 14.
//
//   const ByteRange range = read_byte_range(request.header("range"), size);
//
// One range is answered; several, another unit and nonsense are answered with the whole file, as
// the standard allows.  Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace hadal {

struct ByteRange {
  enum class Kind { whole, part, beyond };  // beyond: 416, the file has no such bytes
  Kind kind = Kind::whole;
  int64_t first = 0, count = 0;  // of a whole file: all of it
};

ByteRange read_byte_range(std::string_view header, int64_t size);

}  // namespace hadal
