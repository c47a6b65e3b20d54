// SPDX-License-Identifier: MIT
// Spans to frames, frames to files.
#include "tools/answer_pictures.h"

#include <algorithm>

#include "base/file.h"
#include "engine/fingerprint.h"
#include "media/write.h"
#include "tools/figures_text.h"
#include "tools/version.h"

namespace hadal {
namespace {

using Expects = SequenceReader::Expects;

constexpr int64_t kMostSpans = 16;         // of an answer: a page of pictures
constexpr int64_t kMostSpanFrames = 1024;  // latent ones: minutes at a few frames a second
constexpr int64_t kMostSpanIds = 1 << 17;  // seconds of 720p; the answer's own limit holds first

}  // namespace

SpanOptions answer_spans(const Studio& studio, bool wanted) {
  SpanOptions options;
  if (!studio.visual || !wanted) return options;
  options.limits = {kMostSpans, kMostSpanIds, kMostSpanFrames};
  options.temperature = kUsualTemperature;
  return options;
}

std::string free_name(const std::string& folder, const std::string& ending) {
  const std::string before = folder.empty() || folder == "." ? "" : folder + "/";
  for (int64_t n = 1;; ++n) {
    const std::string name = before + "hadal-" + std::to_string(n) + ending;
    if (!is_file(name)) return name;
  }
}

Result<bool> AnswerPictures::add(int64_t id) {
  ++ids_;
  if (!studio_.visual) whole_ = ids_;
  if (!studio_.visual) return false;
  const VisualVocabulary& visual = studio_.config().visual;
  const Expects before = reader_.expects();
  const bool is_cell = CellIds(studio_.config()).is_cell(id);
  reader_.read(visual, id, is_cell);
  const Expects after = reader_.expects();
  if (before == Expects::size && after == Expects::frame) begin();
  if (is_cell && before == Expects::cell) add_cell(id);
  if (before == Expects::end) TRY_STATUS(write());
  if (after == Expects::text) whole_ = ids_;
  return before != Expects::text || after != Expects::text;
}

void AnswerPictures::begin() {
  stream_ = {};
  clip_ = {};
  clip_.fps = static_cast<double>(reader_.size().fps > 0 ? reader_.size().fps : kUsualFps);
  frame_.clear();
  preview_ = std::make_unique<Preview>(options_.quiet, 1, reader_.size().frames);
}

void AnswerPictures::add_cell(int64_t id) {
  frame_.push_back(id);
  const SpanSize size = reader_.size();
  if (static_cast<int64_t>(frame_.size()) < size.cells()) {
    if (static_cast<int64_t>(frame_.size()) % size.columns == 0)
      preview_->glimpse(studio_.glimpse(size, frame_, stream_));
    return;
  }
  Clip part = studio_.decode(size, frame_, stream_);
  std::move(part.frames.begin(), part.frames.end(), std::back_inserter(clip_.frames));
  frame_.clear();
  preview_->show(0, reader_.frames_read() - 1, clip_);
}

Result<Metadata> AnswerPictures::metadata() {
  if (fingerprint_.empty()) {
    TRY(fingerprint_, model_fingerprint(studio_.open.folder));
  }
  return Metadata{{"prompt", options_.prompt},
                  {"seed", std::to_string(options_.seed)},
                  {"model", fingerprint_},
                  {"engine", engine_name()},
                  {"size", std::to_string(clip_.width()) + "x" + std::to_string(clip_.height())},
                  {"frames", std::to_string(clip_.frames.size())},
                  {"fps", formatted("%g", clip_.fps)},
                  {"temperature", formatted("%g", kUsualTemperature)}};
}

Status AnswerPictures::write() {
  preview_.reset();
  if (clip_.frames.empty()) return Ok{};
  const std::string path = free_name(options_.folder, clip_.frames.size() > 1 ? ".mp4" : ".png");
  TRY(const Metadata about, metadata());
  TRY_STATUS(write_media(path, clip_, about));
  paths_.push_back(path);
  clip_ = {};
  return Ok{};
}

Status AnswerPictures::finish() {
  return reader_.expects() == Expects::text ? Status(Ok{}) : write();
}

}  // namespace hadal
