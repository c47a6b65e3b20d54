// SPDX-License-Identifier: MIT
// What was made of pictures before.
#include "serve/view_cache.h"

#include <openssl/evp.h>

#include <memory>
#include <utility>

namespace hadal {
namespace {

std::string digest_of(const std::string& partition, std::string_view picture) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  // Its length keeps the partition apart from the bytes.
  const std::string head = std::to_string(partition.size()) + ":" + partition;
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned length = 0;
  const bool made =
      context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
      EVP_DigestUpdate(context.get(), head.data(), head.size()) == 1 &&
      EVP_DigestUpdate(context.get(), picture.data(), picture.size()) == 1 &&
      EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &length) ==
          1;
  CHECK(made, "SHA-256 is missing in OpenSSL");
  digest.resize(length);
  return digest;
}

}  // namespace

Result<Tensor> ViewCache::view(const std::string& partition, std::string_view picture,
                               int64_t most) {
  const std::string digest = digest_of(partition, picture);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_digest_.find(digest); found != by_digest_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      const Tensor& rows_ND = found->second->rows_ND;
      if (rows_ND.size(0) > most)
        return fail("takes ", rows_ND.size(0), " positions, the context has room for ", most);
      ++gauges_.hits;
      return rows_ND;
    }
    ++gauges_.misses;
  }
  TRY(Tensor rows_ND, viewer_.view(picture, most));
  keep(digest, rows_ND);
  return rows_ND;
}

void ViewCache::keep(const std::string& digest, const Tensor& rows_ND) {
  const std::lock_guard lock(mutex_);
  if (rows_ND.bytes() > budget_bytes_ || by_digest_.contains(digest)) return;
  entries_.push_front({digest, rows_ND});
  by_digest_[digest] = entries_.begin();
  gauges_.bytes += rows_ND.bytes();
  while (gauges_.bytes > budget_bytes_) {
    gauges_.bytes -= entries_.back().rows_ND.bytes();
    by_digest_.erase(entries_.back().digest);
    entries_.pop_back();
  }
}

ViewCache::Gauges ViewCache::gauges() const {
  const std::lock_guard lock(mutex_);
  return gauges_;
}

}  // namespace hadal
