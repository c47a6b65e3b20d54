// SPDX-License-Identifier: MIT
// Bodies that may carry files.
#include "serve/form.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "media/kind.h"
#include "serve/base64.h"
#include "serve/multipart.h"
#include "serve/request_reader.h"

namespace hadal {
namespace {

constexpr std::array<std::string_view, 13> kNumbers = {
    "n",     "seed",           "guidance_scale", "num_inference_steps", "output_compression",
    "top_k", "width",          "height",         "num_frames",          "temperature",
    "fps",   "partial_images", "strength"};
constexpr std::string_view kFlag = "stream";
// Larger pictures than any camera's; the sandbox that decodes them has limits of its own.
constexpr size_t kMostMediaBytes = 32 << 20;
constexpr int64_t kLongestSide = 1 << 16;  // that anybody may ask for

template <typename Number>
bool read_whole(std::string_view text, OrderedJson& value) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return false;
  value = number;
  return true;
}

OrderedJson field_value(const std::string& name, std::string_view text) {
  OrderedJson value = std::string(text);
  if (name == kFlag && (text == "true" || text == "false")) return text == "true";
  if (std::find(kNumbers.begin(), kNumbers.end(), name) == kNumbers.end()) return value;
  if (!read_whole<int64_t>(text, value)) read_whole<double>(text, value);
  return value;
}

// "input_reference[file_id]" is how the official packages write an object into a form.
ApiStatus add_field(OrderedJson& fields, const std::string& name, std::string_view text) {
  const size_t open = name.find('[');
  const bool inside = open != std::string::npos && open > 0 && name.ends_with(']') &&
                      name.find_first_of("[]", open + 1) == name.size() - 1;
  const std::string outer = name.substr(0, inside ? open : name.size());
  if (inside && !fields.contains(outer)) fields[outer] = OrderedJson::object();
  if (inside && !fields[outer].is_object()) return bad_field(outer, "is given twice");
  OrderedJson& object = inside ? fields[outer] : fields;
  const std::string key = inside ? name.substr(open + 1, name.size() - open - 2) : name;
  if (object.contains(key)) return bad_field(name, "is given twice");
  object[key] = field_value(key, text);
  return Ok{};
}

ApiResult<Form> form_of_parts(const std::vector<FormPart>& parts) {
  Form form;
  for (const FormPart& part : parts) {
    std::string name = part.name;
    if (name.ends_with("[]")) name.resize(name.size() - 2);
    if (part.is_file) {
      form.files[name].emplace_back(part.bytes);
    } else {
      TRY_STATUS(add_field(form.fields, name, part.bytes));
    }
  }
  return form;
}

ApiStatus check_kind(const std::string& bytes, const std::string& name,
                     std::initializer_list<FileKind> kinds, std::string_view otherwise) {
  const FileKind kind =
      kind_of_bytes({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) return bad_field(name, otherwise);
  if (bytes.size() > kMostMediaBytes)
    return bad_field(name, "has ", bytes.size(), " bytes, at most ", kMostMediaBytes);
  return Ok{};
}

ApiResult<std::string> media_of(const OrderedJson& value, const std::string& where,
                                const FileReader& files) {
  if (value.is_array()) {
    if (value.size() != 1) return bad_field(where, value.size(), " files, expected one");
    return media_of(value[0], where + "[0]", files);
  }
  if (value.is_object()) {
    JsonFields fields(value, where);
    TRY(const std::optional<std::string> id, fields.text("file_id"));
    if (id) {
      TRY(NamedFile file, files(*id, where + ".file_id"));
      return std::move(file.bytes);
    }
    if (value.contains("url")) return media_of(value["url"], where + ".url", files);
    if (!value.contains("image_url"))
      return bad_field(where, "expected {\"image_url\": …} or {\"file_id\": …}");
    return media_of(value["image_url"], where + ".image_url", files);
  }
  if (!value.is_string())
    return bad_field(where, "found ", json_kind(value), ", expected a data URL");
  std::optional<std::string> bytes = from_data_url(value.get_ref<const std::string&>());
  if (!bytes)
    return bad_field(where,
                     "expected a URL that holds the file, data:…;base64,…; nothing is fetched from "
                     "addresses");
  return std::move(*bytes);
}

ApiResult<std::optional<std::string>> read_media(const Form& form, JsonFields& fields,
                                                 const std::string& name, const FileReader& files) {
  const OrderedJson& value = fields.any(name);
  if (const auto sent = form.files.find(name); sent != form.files.end()) {
    if (sent->second.size() > 1)
      return bad_field(name, sent->second.size(), " files, expected one");
    return std::optional(sent->second.front());
  }
  if (value.is_null()) return std::optional<std::string>();
  TRY(std::string bytes, media_of(value, name, files));
  return std::optional(std::move(bytes));
}

}  // namespace

ApiStatus check_picture(const std::string& bytes, const std::string& name) {
  return check_kind(bytes, name, {FileKind::png, FileKind::jpeg, FileKind::webp, FileKind::gif},
                    "is no PNG, JPEG, WebP or GIF");
}

ApiStatus check_clip(const std::string& bytes, const std::string& name) {
  return check_kind(bytes, name, {FileKind::mp4, FileKind::webm, FileKind::gif},
                    "is no MP4, WebM or GIF");
}

ApiResult<Form> read_form(const HttpRequest& request) {
  const std::string_view type = request.header("content-type");
  if (is_multipart(type)) {
    TRY(const std::vector<FormPart> parts, read_multipart(type, request.body));
    return form_of_parts(parts);
  }
  Form form;
  TRY(form.fields, parse_body(request.body));
  return form;
}

ApiResult<std::optional<std::string>> read_picture(const Form& form, JsonFields& fields,
                                                   const std::string& name,
                                                   const FileReader& files) {
  TRY(std::optional<std::string> picture, read_media(form, fields, name, files));
  if (picture) {
    TRY_STATUS(check_picture(*picture, name));
  }
  return picture;
}

ApiResult<std::optional<std::string>> read_clip(const Form& form, JsonFields& fields,
                                                const std::string& name, const FileReader& files) {
  TRY(std::optional<std::string> clip, read_media(form, fields, name, files));
  if (clip) {
    TRY_STATUS(check_clip(*clip, name));
  }
  return clip;
}

FileReader no_files(std::string_view why) {
  return [why = std::string(why)](const std::string&, const std::string& where) {
    return ApiResult<NamedFile>(bad_field(where, why));
  };
}

ApiResult<FormSize> read_size(const std::string& text, const std::string& name) {
  const size_t cross = text.find('x');
  OrderedJson width, height;
  if (cross == std::string::npos || !read_whole<int64_t>(text.substr(0, cross), width) ||
      !read_whole<int64_t>(text.substr(cross + 1), height))
    return bad_field(name, "expected WIDTHxHEIGHT in pixels, or auto");
  const FormSize size{width.get<int64_t>(), height.get<int64_t>()};
  if (std::min(size.width, size.height) < 1 || std::max(size.width, size.height) > kLongestSide)
    return bad_field(name, "found ", text, ", expected sides of 1 to ", kLongestSide, " pixels");
  return size;
}

std::map<std::string, std::string, std::less<>> read_query(std::string_view query) {
  std::map<std::string, std::string, std::less<>> fields;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    const size_t equals = std::min(one.find('='), one.size());
    std::string name, value;
    if (percent_decoded(one.substr(0, equals), name) &&
        percent_decoded(one.substr(std::min(equals + 1, one.size())), value))
      fields[name] = value;
  }
  return fields;
}

ApiResult<PageQuery> read_page_query(std::string_view query, int64_t usual, int64_t largest) {
  const auto fields = read_query(query);
  const auto field = [&](const char* name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  };
  PageQuery page{.limit = usual, .after = field("after")};
  if (const std::string text = field("limit"); !text.empty()) {
    constexpr size_t kMostDigits = 6;
    const bool digits =
        text.size() <= kMostDigits && text.find_first_not_of("0123456789") == std::string::npos;
    page.limit = digits ? std::stoi(text) : 0;
    if (page.limit < 1 || page.limit > largest)
      return bad_field("limit", "expected 1 to ", largest);
  }
  const std::string order = field("order");
  if (!order.empty() && order != "asc" && order != "desc")
    return bad_field("order", "expected asc or desc");
  page.oldest_first = order == "asc";
  return page;
}

}  // namespace hadal
