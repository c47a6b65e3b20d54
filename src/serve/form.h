// SPDX-License-Identifier: MIT
// The body of a request that may carry files: JSON, or multipart/form-data with the same fields.
//
//   TRY(const Form form, read_form(exchange.request()));
//   JsonFields fields(form.fields, "");
//   TRY(auto picture, read_picture(form, fields, "input_reference", files));
//
// A form's fields are text.  Those that the APIs mean as numbers or flags become such; whether they
// are right is for who reads them to say.  "a[b]" is the field b of an object a.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_message.h"
#include "serve/json_fields.h"

namespace hadal {

// A file that was sent before and is named by its id.
struct NamedFile {
  std::string name, type, bytes;
};
// By id; `where` begins the message if there is no such file.
using FileReader =
    std::function<ApiResult<NamedFile>(const std::string& id, const std::string& where)>;

// Where no file may be named; the refusal says why.
FileReader no_files(std::string_view why);

struct Form {
  OrderedJson fields = OrderedJson::object();
  std::map<std::string, std::vector<std::string>, std::less<>> files;  // by field; "image[]": image

  bool has_file(std::string_view name) const { return files.find(name) != files.end(); }
};

ApiResult<Form> read_form(const HttpRequest& request);

// The one picture under a name: a file of the form; or a data URL, bare or as {"image_url": …}, or
// a file that was sent before, {"file_id": …}; or a list of one of these.  Its kind is told by its
// bytes.  Addresses are refused: nothing is fetched on a client's behalf.
ApiResult<std::optional<std::string>> read_picture(const Form& form, JsonFields& fields,
                                                   const std::string& name,
                                                   const FileReader& files);

// The same for a clip.
ApiResult<std::optional<std::string>> read_clip(const Form& form, JsonFields& fields,
                                                const std::string& name, const FileReader& files);

// A still, or a clip, of a kind that can be read, and not too large; `name` begins the message if
// not.
ApiStatus check_picture(const std::string& bytes, const std::string& name);
ApiStatus check_clip(const std::string& bytes, const std::string& name);

// Both numbers of "64x48", each 1 to 65,536.
struct FormSize {
  int64_t width = 0, height = 0;
};
ApiResult<FormSize> read_size(const std::string& text, const std::string& name);

// A page of a list: limit, order (asc or desc) and after, as OpenAI's lists have them.
struct PageQuery {
  int64_t limit = 0;
  std::string after;
  bool oldest_first = false;
};
ApiResult<PageQuery> read_page_query(std::string_view query, int64_t usual, int64_t largest);

// The fields of a query, "limit=20&after=video_1"; the last of a name counts.
std::map<std::string, std::string, std::less<>> read_query(std::string_view query);

}  // namespace hadal
