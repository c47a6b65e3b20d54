// SPDX-License-Identifier: MIT
// What was made of pictures before, by their content: a conversation shows them again with every
// turn, and its viewer need not look again.
//
//   ViewCache views(viewer, 256 << 20);
//   TRY(std::vector<SeenFrame> seen, views.view(partition, png, {}, 4096));
//
// Pictures are told apart by the SHA-256 of their bytes (and, of a clip, of its part), within a
// partition: how long an answer takes tells nobody what others have shown.  The one that was asked
// for longest ago goes first. Any thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/viewer.h"

namespace hadal {

class ViewCache {
 public:
  ViewCache(Viewer& viewer, int64_t budget_bytes) : viewer_(viewer), budget_bytes_(budget_bytes) {}

  // As Viewer::view().
  Result<std::vector<SeenFrame>> view(const std::string& partition, std::string_view file,
                                      const std::optional<ClipPart>& part, int64_t most);
  int64_t placeholder() const { return viewer_.placeholder(); }

  struct Gauges {
    int64_t hits = 0, misses = 0;  // since the start
    int64_t bytes = 0;             // held
  };
  Gauges gauges() const;

 private:
  struct Entry {
    std::string digest;
    std::vector<SeenFrame> frames;
    int64_t bytes = 0;
  };

  void keep(const std::string& digest, const std::vector<SeenFrame>& frames);

  Viewer& viewer_;
  const int64_t budget_bytes_;
  mutable std::mutex mutex_;  // over what follows; not held while the viewer looks
  std::list<Entry> entries_;  // the latest first
  std::map<std::string, std::list<Entry>::iterator> by_digest_;
  Gauges gauges_;
};

}  // namespace hadal
