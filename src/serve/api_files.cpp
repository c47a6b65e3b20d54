// SPDX-License-Identifier: MIT
// The API: files that later requests name.
#include <ctime>

#include "serve/api.h"
#include "serve/file_store.h"
#include "serve/json_reply.h"
#include "serve/kept_bytes.h"
#include "serve/multipart.h"
#include "text/utf8.h"

namespace hadal {
namespace {

constexpr std::string_view kFiles = "/files/";
// What is written and waits for its readers, of all connections: it lies in memory until then.
constexpr int64_t kMostAnswerBytes = int64_t{1} << 30;
constexpr size_t kMostPurpose = 64;  // bytes; OpenAI's longest has eleven

ApiError no_such_file(const std::string& id, std::string where) {
  return {.status = 404,
          .message = where + ": no file has the id \"" + utf8_for_display(id.substr(0, 80)) + "\"",
          .param = where,
          .code = "file_not_found"};
}

OrderedJson file_json(const StoredFile& file) {
  return {{"id", file.id},         {"object", "file"},
          {"bytes", file.bytes},   {"created_at", file.created},
          {"filename", file.name}, {"purpose", file.purpose},
          {"status", "processed"}, {"expires_at", nullptr}};
}

// The file's bytes are a view into the request's body.
struct Upload {
  StoredFile facts;
  std::string_view bytes;
  std::vector<std::string> ignored;
};

ApiStatus check_purpose(const std::string& purpose) {
  const bool word =
      !purpose.empty() && purpose.size() <= kMostPurpose &&
      purpose.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  if (word) return Ok{};
  return bad_field("purpose", "expected a word, user_data or vision for example");
}

ApiResult<Upload> read_upload(const HttpRequest& request) {
  const std::string_view type = request.header("content-type");
  if (!is_multipart(type)) return ApiError{.message = "expected multipart/form-data with a file"};
  TRY(const std::vector<FormPart> parts, read_multipart(type, request.body));
  Upload upload;
  const FormPart* file = nullptr;
  for (const FormPart& part : parts) {
    if (part.name == "file" && part.is_file) {
      if (file) return bad_field("file", "is given twice");
      file = &part;
    } else if (part.name == "purpose" && !part.is_file) {
      upload.facts.purpose = std::string(part.bytes);
    } else {
      upload.ignored.push_back(part.name);
    }
  }
  if (!file) return bad_field("file", "is missing, expected a part with a file name");
  if (file->bytes.empty()) return bad_field("file", "is empty");
  TRY_STATUS(check_purpose(upload.facts.purpose));
  upload.facts.name = file->file_name.empty() ? "file" : utf8_for_display(file->file_name);
  upload.bytes = file->bytes;
  return upload;
}

}  // namespace

ApiResult<FileStore*> Api::files_or_refusal() {
  if (options_.files) return options_.files;
  return ApiError{.status = 404, .message = "this server keeps no files: send their data"};
}

ApiStatus Api::files(const Asked& asked) {
  TRY(FileStore* const files, files_or_refusal());
  return asked.exchange->request().method == "GET" ? list_files(asked, *files)
                                                   : add_file(asked, *files);
}

ApiStatus Api::add_file(const Asked& asked, FileStore& files) {
  TRY(Upload upload, read_upload(asked.exchange->request()));
  TRY_STATUS(admit(asked, 0));
  leave(asked);  // it is answered at once; what is kept is bounded by the store
  upload.facts.owner = owner_of(asked);
  upload.facts.created = std::time(nullptr);
  ApiResult<StoredFile> kept = files.add(std::move(upload.facts), upload.bytes);
  if (!kept) {
    if (kept.error().status == 429) metrics_.refused("files");
    return kept.error();
  }
  reply_json(*asked.exchange, file_json(*kept), ignored_headers(upload.ignored));
  return Ok{};
}

ApiStatus Api::list_files(const Asked& asked, FileStore& files) {
  constexpr int64_t kLargestPage = 10'000;  // as OpenAI has it, and how many it gives unasked
  const std::string& text = asked.exchange->request().query;
  TRY(const PageQuery page_query, read_page_query(text, kLargestPage, kLargestPage));
  const auto fields = read_query(text);
  const auto purpose = fields.find("purpose");
  FileQuery query{.owner = owner_of(asked),
                  .purpose = purpose == fields.end() ? "" : purpose->second,
                  .after = page_query.after,
                  .limit = page_query.limit,
                  .oldest_first = page_query.oldest_first};
  if (!query.after.empty()) {
    TRY(const std::optional<StoredFile> there, files.find(query.after, query.owner));
    if (!there) return bad_field("after", "names no file");
  }
  TRY(const FileStore::Page page, files.list(query));
  OrderedJson data = OrderedJson::array();
  for (const StoredFile& file : page.files) data.push_back(file_json(file));
  OrderedJson body = {{"object", "list"}, {"data", std::move(data)}};
  body["first_id"] = page.files.empty() ? OrderedJson() : OrderedJson(page.files.front().id);
  body["last_id"] = page.files.empty() ? OrderedJson() : OrderedJson(page.files.back().id);
  body["has_more"] = page.more;
  reply_json(*asked.exchange, body);
  return Ok{};
}

// What stands behind /files/: an id, or an id and "content".
ApiStatus Api::one_file(const Asked& asked) {
  TRY(FileStore* const files, files_or_refusal());
  const HttpRequest& request = asked.exchange->request();
  const std::string rest = request.path.substr(request.path.find(kFiles) + kFiles.size());
  const size_t slash = std::min(rest.find('/'), rest.size());
  const std::string id = rest.substr(0, slash);
  const bool content = rest.substr(slash) == "/content", deletes = request.method == "DELETE";
  if (slash < rest.size() && !content)
    return ApiError{.status = 404, .message = "no such path under files/{id}"};
  if (content && deletes) return ApiError{.status = 405, .message = "expected GET"};
  TRY(const std::optional<StoredFile> file, files->find(id, owner_of(asked)));
  if (!file) return no_such_file(id, "id");
  if (content) return file_content(asked, *files, *file);
  if (!deletes) {
    reply_json(*asked.exchange, file_json(*file));
    return Ok{};
  }
  TRY(const bool removed, files->remove(id, owner_of(asked)));
  if (!removed) return no_such_file(id, "id");
  reply_json(*asked.exchange, {{"id", id}, {"object", "file"}, {"deleted", true}});
  return Ok{};
}

ApiStatus Api::file_content(const Asked& asked, FileStore& files, const StoredFile& file) {
  if (counts_ && counts_->answer_bytes + file.bytes > kMostAnswerBytes)
    return ApiError{.status = 503,
                    .message = "other answers fill the memory that is set apart for them",
                    .wait_seconds = 10};
  const ApiStatus replied =
      reply_kept(*asked.exchange,
                 {.path = files.path(file), .size = file.bytes, .type = file.type, .tag = file.id});
  if (replied) return Ok{};
  TRY(const std::optional<StoredFile> there, files.find(file.id, file.owner));
  return there ? replied.error() : no_such_file(file.id, "id");  // deleted in the meantime
}

ApiResult<NamedFile> Api::named_file(const Asked& asked, const std::string& id,
                                     const std::string& where) {
  FileStore* const files = options_.files;
  if (!files) return bad_field(where, "no files are kept here: send its data");
  TRY(const std::optional<StoredFile> file, files->find(id, owner_of(asked)));
  if (!file) return no_such_file(id, where);
  if (file->bytes > files->limits().picture_bytes)
    return bad_field(where, "the file has ", file->bytes, " bytes, of a file in a request at most ",
                     files->limits().picture_bytes, " are read");
  TRY(std::string bytes, files->read(*file));
  return NamedFile{file->name, file->type, std::move(bytes)};
}

FileReader Api::file_reader(const Asked& asked) {
  return [this, asked](const std::string& id, const std::string& where) {
    return named_file(asked, id, where);
  };
}

}  // namespace hadal
