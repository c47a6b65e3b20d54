// SPDX-License-Identifier: MIT
// Pictures and clips that a model puts into its answer: spans of cells become files, in their
// order.
//
//   AnswerPictures pictures(studio, {.folder = "."});
//   TRY(const bool drawn, pictures.add(id));           // of the answer, one by one; false: a word
//   for (const std::string& path : pictures.take_paths()) …
//   TRY_STATUS(pictures.finish());                     // the answer is over
//
// A still is a PNG, what has more frames an MP4, each under a name of hadal-1, hadal-2, … that is
// free.  An answer that was stopped inside a span leaves the frames that are whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/generator.h"
#include "media/metadata.h"
#include "model/visual_sequence.h"
#include "tools/preview.h"
#include "tools/studio.h"

namespace hadal {

struct AnswerPictureOptions {
  std::string folder = ".";
  bool quiet = false;  // no preview
  std::string prompt;  // for the files' metadata
  uint64_t seed = 0;
};

// What an answer of this model may hold: nothing, if it does not draw.
SpanOptions answer_spans(const Studio& studio, bool wanted);

// The first name hadal-N<ending> in a folder that is free, so that nothing is lost.
std::string free_name(const std::string& folder, const std::string& ending);

class AnswerPictures {
 public:
  AnswerPictures(Studio& studio, AnswerPictureOptions options)
      : studio_(studio), options_(std::move(options)) {}

  Result<bool> add(int64_t id);
  Status finish();
  // Of files written since the last call.
  std::vector<std::string> take_paths() { return std::exchange(paths_, {}); }
  // Ids of the answer up to here that are whole: without a span that is open.
  int64_t whole_ids() const { return whole_; }

 private:
  void begin();
  void add_cell(int64_t id);
  Status write();
  Result<Metadata> metadata();

  Studio& studio_;
  AnswerPictureOptions options_;
  SequenceReader reader_;
  int64_t ids_ = 0, whole_ = 0;
  // The span that is open.
  std::vector<int64_t> frame_;  // cells of the latent frame that is not finished
  VisualStream stream_;
  Clip clip_;
  std::unique_ptr<Preview> preview_;
  std::string fingerprint_;  // of the model, once it was needed
  std::vector<std::string> paths_;
};

}  // namespace hadal
