// SPDX-License-Identifier: MIT
// Text from ids that come one by one.
#include "text/stream_decoder.h"

#include <utility>

#include "text/utf8.h"

namespace hadal {

std::string StreamDecoder::add_bytes(int32_t id) {
  held_ += tokenizer_.token_bytes(id);
  // An unfinished character can only be among the last three bytes.
  size_t cut = held_.size();
  for (size_t back = 1; back <= 3 && back <= held_.size(); ++back)
    if (utf8_may_continue(held_, held_.size() - back)) cut = held_.size() - back;
  std::string ready = held_.substr(0, cut);
  held_.erase(0, cut);
  return ready;
}

std::string StreamDecoder::add(int32_t id) {
  return utf8_for_display(add_bytes(id));
}

std::string StreamDecoder::flush_bytes() {
  return std::exchange(held_, {});
}

std::string StreamDecoder::flush() {
  return utf8_for_display(flush_bytes());
}

}  // namespace hadal
