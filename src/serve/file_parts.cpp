// SPDX-License-Identifier: MIT
// Files inside of conversations.
#include "serve/file_parts.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "serve/base64.h"
#include "serve/file_store.h"

namespace hadal {
namespace {

// In the words of which API a part is to say what it stands for.
struct PartForm {
  const char* text_type;
  bool anthropic;
};

// As the chat page writes files into a prompt; no line of the text closes the fence.
std::string fenced(const std::string& name, std::string text) {
  std::string fence = "```";
  while (text.find(fence) != std::string::npos) fence += '`';
  if (!text.ends_with('\n')) text += '\n';
  return (name.empty() ? "" : name + ":\n") + fence + "\n" + text + fence;
}

OrderedJson picture_part(const NamedFile& file, const PartForm& form) {
  const std::string data = to_base64(file.bytes);
  if (form.anthropic)
    return {{"type", "image"},
            {"source", {{"type", "base64"}, {"media_type", file.type}, {"data", data}}}};
  const std::string url = "data:" + file.type + ";base64," + data;
  if (std::string_view(form.text_type) == "input_text")
    return {{"type", "input_image"}, {"image_url", url}};
  return {{"type", "image_url"}, {"image_url", {{"url", url}}}};
}

OrderedJson clip_part(const NamedFile& file, const PartForm& form) {
  const bool item = std::string_view(form.text_type) == "input_text";
  const std::string url = "data:" + file.type + ";base64," + to_base64(file.bytes);
  return {{"type", item ? "input_video" : "video_url"}, {"video_url", {{"url", url}}}};
}

ApiResult<OrderedJson> opened(const NamedFile& file, const PartForm& form,
                              const std::string& where) {
  if (file.type.starts_with("text/"))
    return OrderedJson{{"type", form.text_type}, {"text", fenced(file.name, file.bytes)}};
  if (file.type.starts_with("image/")) return picture_part(file, form);
  if (file.type.starts_with("video/") && !form.anthropic) return clip_part(file, form);
  return bad_field(where, "is a file of type ", file.type,
                   ", expected text in UTF-8, a PNG, JPEG, WebP or GIF",
                   form.anthropic ? "" : ", an MP4 or WebM");
}

// {"file_id"} or {"file_data"}; nothing if the object has neither.
ApiResult<std::optional<NamedFile>> file_of(const OrderedJson& object, const std::string& where,
                                            const FileReader& files) {
  JsonFields fields(object, where);
  TRY(const std::optional<std::string> id, fields.text("file_id"));
  TRY(const std::optional<std::string> data, fields.text("file_data"));
  TRY(const std::optional<std::string> name, fields.text("filename"));
  if (id && data) return bad_field(where, "has both file_id and file_data");
  if (id) {
    TRY(NamedFile file, files(*id, fields.path("file_id")));
    return std::optional<NamedFile>(std::move(file));
  }
  if (!data) return std::optional<NamedFile>();
  std::optional<std::string> bytes = from_data_url(*data);
  if (!bytes) bytes = from_base64(*data);
  if (!bytes) return bad_field(fields.path("file_data"), "expected base64, or a data URL");
  std::string type = type_of_bytes(*bytes);
  return std::optional<NamedFile>(NamedFile{name.value_or(""), std::move(type), std::move(*bytes)});
}

// {"video_url": {"file_id", …}} or {"file_id", …}: the file takes its id's place, and what is said
// of the clip stays.
ApiResult<std::optional<OrderedJson>> clip_of(const OrderedJson& part, const std::string& where,
                                              const FileReader& files) {
  const auto value = part.find("video_url");
  const bool inside = value != part.end() && value->is_object();
  const OrderedJson& object = inside ? *value : part;
  TRY(const std::optional<NamedFile> file,
      file_of(object, inside ? where + ".video_url" : where, files));
  if (!file) return std::optional<OrderedJson>();
  OrderedJson reading = clip_part(*file, {"text", false});
  reading["type"] = part["type"];
  for (const auto& [name, said] : object.items())
    if (name != "file_id" && name != "file_data" && name != "filename" && name != "type")
      reading["video_url"][name] = said;
  return std::optional<OrderedJson>(std::move(reading));
}

// The part in other words; nothing if it stays as it is.
ApiResult<std::optional<OrderedJson>> reading_of(const OrderedJson& part, const std::string& where,
                                                 const FileReader& files) {
  using Reading = std::optional<OrderedJson>;
  const auto type = part.find("type");
  if (type == part.end() || !type->is_string()) return Reading();
  const std::string& word = type->get_ref<const std::string&>();
  const auto inside = [&](const char* name) -> const OrderedJson* {
    const auto found = part.find(name);
    return found != part.end() && found->is_object() ? &*found : nullptr;
  };
  const auto answer = [&](const OrderedJson& object, const std::string& at,
                          const PartForm& form) -> ApiResult<Reading> {
    TRY(const std::optional<NamedFile> file, file_of(object, at, files));
    if (!file) return Reading();
    TRY(OrderedJson reading, opened(*file, form, at));
    return Reading(std::move(reading));
  };
  if (word == "file" && inside("file"))
    return answer(*inside("file"), where + ".file", {"text", false});
  if (word == "image_url" && inside("image_url"))
    return answer(*inside("image_url"), where + ".image_url", {"text", false});
  if (word == "video_url" || word == "input_video") return clip_of(part, where, files);
  if (word == "input_file" || word == "input_image")
    return answer(part, where, {"input_text", false});
  if (word != "document" && word != "image") return Reading();
  const OrderedJson* const source = inside("source");
  if (!source) return Reading();
  JsonFields fields(*source, where + ".source");
  TRY(const std::optional<std::string> kind, fields.text("type"));
  if (kind == "file") return answer(*source, where + ".source", {"text", true});
  if (kind != "text" || word != "document") return Reading();
  TRY(const std::string text, fields.needed_text("data"));
  const auto title = part.find("title");
  const bool titled = title != part.end() && title->is_string();
  return Reading(OrderedJson{{"type", "text"},
                             {"text", fenced(titled ? title->get<std::string>() : "", text)}});
}

// OpenAI's newer word for a picture, in the words of chat completions.
void as_chat_part(OrderedJson& part) {
  if (part.value("type", OrderedJson()) != "input_image" || !part.contains("image_url")) return;
  OrderedJson inside = {{"url", part["image_url"]}};
  if (part.contains("detail")) inside["detail"] = part["detail"];
  part = {{"type", "image_url"}, {"image_url", std::move(inside)}};
}

ApiStatus open_parts(OrderedJson& parts, const std::string& where, bool chat,
                     const FileReader& files) {
  if (!parts.is_array()) return Ok{};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].is_object()) continue;
    const std::string here = where + "[" + std::to_string(i) + "]";
    TRY(std::optional<OrderedJson> reading, reading_of(parts[i], here, files));
    if (reading) parts[i] = std::move(*reading);
    if (chat) as_chat_part(parts[i]);
    // What a tool gave back has parts of its own; deeper there are none.
    if (const auto content = parts[i].find("content"); content != parts[i].end()) {
      for (size_t j = 0; content->is_array() && j < content->size(); ++j) {
        if (!(*content)[j].is_object()) continue;
        const std::string deeper = here + ".content[" + std::to_string(j) + "]";
        TRY(std::optional<OrderedJson> inner, reading_of((*content)[j], deeper, files));
        if (inner) (*content)[j] = std::move(*inner);
      }
    }
  }
  return Ok{};
}

}  // namespace

ApiStatus open_file_parts(OrderedJson& body, const FileReader& files) {
  for (const char* list : {"messages", "input"}) {
    const auto messages = body.find(list);
    if (messages == body.end() || !messages->is_array()) continue;
    for (size_t i = 0; i < messages->size(); ++i) {
      OrderedJson& message = (*messages)[i];
      if (!message.is_object()) continue;
      const bool chat = std::string_view(list) == "messages";
      // The output of a tool that an item of a response brings has parts as a message has.
      for (const char* name : {"content", "output"}) {
        const auto parts = message.find(name);
        if (parts == message.end() || (chat && std::string_view(name) == "output")) continue;
        const std::string where = std::string(list) + "[" + std::to_string(i) + "]." + name;
        TRY_STATUS(open_parts(*parts, where, chat, files));
      }
    }
  }
  return Ok{};
}

}  // namespace hadal
