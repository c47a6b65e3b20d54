// SPDX-License-Identifier: MIT
// What was made of pictures before.
#include "serve/view_cache.h"

#include <openssl/evp.h>

#include <memory>
#include <utility>

namespace hadal {
namespace {

std::string digest_of(const std::string& partition, std::string_view file,
                      const std::optional<ClipPart>& part) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  // Its length keeps the partition apart from what follows.
  std::string head = std::to_string(partition.size()) + ":" + partition;
  head += part ? "clip" : "still";
  for (const double number : {part ? part->fps : 0, part ? part->start : 0, part ? part->end : 0})
    head.append(reinterpret_cast<const char*>(&number), sizeof number);
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  const bool made =
      context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
      EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1 &&
      EVP_DigestUpdate(context.get(), file.data(), file.size()) == 1 &&
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &length) ==
          1;
  CHECK(made, "SHA-256 is missing in OpenSSL");
  digest.resize(length);
  return digest;
}

int64_t positions_of(const std::vector<SeenFrame>& frames) {
  int64_t positions = 0;
  for (const SeenFrame& frame : frames) positions += frame.rows_ND.size(0);
  return positions;
}

}  // namespace

Result<std::vector<SeenFrame>> ViewCache::view(const std::string& partition, std::string_view file,
                                               const std::optional<ClipPart>& part, int64_t most) {
  const std::string digest = digest_of(partition, file, part);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_digest_.find(digest); found != by_digest_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      const std::vector<SeenFrame>& frames = found->second->frames;
      if (positions_of(frames) > most)
        return fail("takes ", positions_of(frames), " positions, the context has room for ", most);
      ++gauges_.hits;
      return frames;
    }
    ++gauges_.misses;
  }
  TRY(std::vector<SeenFrame> frames, viewer_.view(file, part, most));
  keep(digest, frames);
  return frames;
}

void ViewCache::keep(const std::string& digest, const std::vector<SeenFrame>& frames) {
  int64_t bytes = 0;
  for (const SeenFrame& frame : frames) bytes += frame.rows_ND.bytes();
  const std::lock_guard lock(mutex_);
  if (bytes > budget_bytes_ || by_digest_.contains(digest)) return;
  entries_.push_front({digest, frames, bytes});
  by_digest_[digest] = entries_.begin();
  gauges_.bytes += bytes;
  while (gauges_.bytes > budget_bytes_) {
    gauges_.bytes -= entries_.back().bytes;
    by_digest_.erase(entries_.back().digest);
    entries_.pop_back();
  }
}

ViewCache::Gauges ViewCache::gauges() const {
  const std::lock_guard lock(mutex_);
  return gauges_;
}

}  // namespace hadal
