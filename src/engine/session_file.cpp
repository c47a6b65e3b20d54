// SPDX-License-Identifier: MIT
// Writing and reading of stored sessions; the format is drawn in session_file.h.
#include "engine/session_file.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/safetensors.h"
#include "engine/cached_values.h"
#include "engine/checksum.h"
#include "engine/prefix_cache.h"

namespace hadal {
namespace {

constexpr std::string_view kFormat = "hadal-session";
constexpr std::string_view kFormatVersion = "2";
constexpr std::string_view kSumPrefix = "xxh3:";
constexpr std::string_view kCachePrefix = "cache.";

using Metadata = std::map<std::string, std::string>;

std::string sum_of(const std::string& name, const Tensor& tensor) {
  Checksum sum;
  sum.add(name);
  sum.add(tensor);
  return sum.text();
}

// Over all entries but the sum itself.
std::string sum_of(const Metadata& metadata) {
  Checksum sum;
  for (const auto& [key, value] : metadata) {
    if (key == "xxh3") continue;
    sum.add(key);
    sum.add(value);
  }
  return sum.text();
}

std::string entry(const Metadata& metadata, const std::string& key) {
  const auto found = metadata.find(key);
  return found == metadata.end() ? "" : found->second;
}

Status expect_entry(const Metadata& metadata, const std::string& key, std::string_view expected,
                    const std::string& path) {
  const std::string found = entry(metadata, key);
  if (found == expected) return Ok{};
  return fail(path, ": ", key, " is \"", printable(found), "\", expected \"", expected, "\"");
}

Status check_metadata(const Metadata& metadata, const std::string& path) {
  TRY_STATUS(expect_entry(metadata, "format", kFormat, path));
  TRY_STATUS(expect_entry(metadata, "version", kFormatVersion, path));
  return expect_entry(metadata, "xxh3", sum_of(metadata), path);
}

// Every tensor has its sum, and every sum its tensor.
Status check_sums(const Safetensors& file, const std::string& path) {
  size_t sums = 0;
  for (const auto& [key, value] : file.metadata()) sums += key.starts_with(kSumPrefix);
  if (sums != file.tensors().size())
    return fail(path, ": ", file.tensors().size(), " tensors, but ", sums, " checksums");
  for (const auto& [name, tensor] : file.tensors())
    TRY_STATUS(
        expect_entry(file.metadata(), std::string(kSumPrefix) + name, sum_of(name, tensor), path));
  return Ok{};
}

// The number, if the text is nothing else.
std::optional<int64_t> number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status take_tensors(const Safetensors& file, const std::string& path, StoredSession& session) {
  for (const auto& [name, tensor] : file.tensors()) {
    const Tensor copy = copied(tensor);  // nothing of the file is needed afterwards
    TRY_STATUS(check_cached_values(path + ": " + name, copy));
    if (name.starts_with(kCachePrefix))
      session.cache.emplace(name.substr(kCachePrefix.size()), copy);
    else if (name == "session.logits" && copy.dtype() == DType::f32)
      session.logits = copy.reshaped({copy.count()});
    else if (name == "session.marks" && copy.dtype() == DType::i64)
      session.marks = copy.reshaped({copy.count()});
    else
      return fail(path, ": unknown tensor ", printable(name));
  }
  return Ok{};
}

Status take_ids(const std::string& path, StoredSession& session) {
  const auto found = session.cache.find("tokens");
  if (found == session.cache.end()) return Ok{};
  const Tensor& ids = found->second;
  if (ids.dtype() != DType::i64 || ids.rank() != 1 || ids.count() == 0)
    return fail(path, ": cache.tokens is ", dtype_name(ids.dtype()), " ", shape_text(ids.shape()),
                ", expected i64 [1 or more]");
  session.ids.assign(ids.data<int64_t>(), ids.data<int64_t>() + ids.count());
  return Ok{};
}

}  // namespace

Status write_session(const std::string& path, const StoredSession& session) {
  Metadata metadata = {{"format", std::string(kFormat)},
                       {"version", std::string(kFormatVersion)},
                       {"fingerprint", session.fingerprint},
                       {"numerics", session.numerics},
                       {"needed_from", std::to_string(session.needed_from)},
                       {"note", session.note}};
  std::vector<NamedTensor> tensors;
  if (session.logits.defined())
    tensors.push_back({"session.logits", session.logits.reshaped({session.logits.count()})});
  if (session.marks.defined()) tensors.push_back({"session.marks", session.marks});
  for (const auto& [name, tensor] : session.cache)
    tensors.push_back({std::string(kCachePrefix) + name, tensor});
  for (const NamedTensor& named : tensors)
    metadata[std::string(kSumPrefix) + named.name] = sum_of(named.name, named.tensor);
  metadata["xxh3"] = sum_of(metadata);
  return write_safetensors(path, tensors, metadata);
}

Result<StoredSession> read_session(const std::string& path) {
  TRY(const Safetensors file, Safetensors::open(path));
  const Metadata& metadata = file.metadata();
  TRY_STATUS(check_metadata(metadata, path));
  TRY_STATUS(check_sums(file, path));
  StoredSession session;
  session.fingerprint = entry(metadata, "fingerprint");
  session.numerics = entry(metadata, "numerics");
  session.note = entry(metadata, "note");
  TRY_STATUS(take_tensors(file, path, session));
  TRY_STATUS(take_ids(path, session));
  const std::optional<int64_t> needed_from = number(entry(metadata, "needed_from"));
  if (!needed_from || *needed_from < 0 || *needed_from > static_cast<int64_t>(session.ids.size()))
    return fail(path, ": needed_from is \"", printable(entry(metadata, "needed_from")),
                "\", expected 0 to ", session.ids.size());
  session.needed_from = *needed_from;
  if (session.marks.defined() && session.marks.count() != static_cast<int64_t>(session.ids.size()))
    return fail(path, ": session.marks has ", session.marks.count(), " entries, expected ",
                session.ids.size());
  return session;
}

}  // namespace hadal
