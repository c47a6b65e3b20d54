// SPDX-License-Identifier: MIT
// Forms with files as hostile input.  The first line is the content type, the rest the body.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "serve/base64.h"
#include "serve/byte_range.h"
#include "serve/form.h"
#include "serve/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view type = text.substr(0, line);
  const std::string_view body = text.substr(std::min(line + 1, text.size()));

  const auto parts = hadal::read_multipart(type, body);
  if (parts)
    for (const hadal::FormPart& part : *parts) {
      CHECK(!part.name.empty(), "every part has a name");
      CHECK(part.bytes.data() >= body.data() &&
                part.bytes.data() + part.bytes.size() <= body.data() + body.size(),
            "parts lie in the body");
    }
  hadal::HttpRequest request;
  request.headers["content-type"] = std::string(type);
  request.body = std::string(body);
  if (const auto form = hadal::read_form(request)) {
    hadal::JsonFields fields(form->fields, "");
    (void)hadal::read_picture(
        *form, fields, "image",
        [](const std::string&, const std::string& where) -> hadal::ApiResult<hadal::NamedFile> {
          return hadal::bad_field(where, "names no file");
        });
  }
  hadal::read_query(body);
  if (const auto decoded = hadal::from_base64(body))
    CHECK(hadal::to_base64(*decoded).size() == body.size(), "base64 comes back as long");
  constexpr int64_t kSize = 1000;
  const hadal::ByteRange range = hadal::read_byte_range(type, kSize);
  CHECK(range.first >= 0 && range.count >= 0 && range.first + range.count <= kSize, "a range lies ",
        "in its file");
  return 0;
}
