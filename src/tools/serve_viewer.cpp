// SPDX-License-Identifier: MIT
// The viewer of `hadal serve`.
#include "tools/serve_viewer.h"

#include <mutex>
#include <utility>

#include "media/read.h"
#include "tools/machine.h"
#include "tools/open_model.h"
#include "tools/shown.h"

namespace hadal {
namespace {

// Of the session that comes with an opened model; the encoder needs none.
constexpr int64_t kContext = 64;

class ModelViewer : public Viewer {
 public:
  explicit ModelViewer(OpenModel open) : open_(std::move(open)) {}

  Result<std::vector<SeenFrame>> view(std::string_view file, const std::optional<ClipPart>& part,
                                      int64_t most) override {
    TRY(const std::vector<Shown::Item> items, part ? read_clip(file, *part) : read_picture(file));
    int64_t positions = 0;
    for (const Shown::Item& item : items) positions += item.plan.span();
    if (positions > most)
      return fail("takes ", positions, " positions, the context has room for ", most);
    const VisionConfig& vision = open_.config().vision;
    std::vector<SeenFrame> frames;
    const std::lock_guard lock(looking_);
    for (const Shown::Item& item : items)
      frames.push_back({item.label, open_.model->look(item.plan, image_patches(vision, item.plan,
                                                                               item.picture.rgb))});
    return frames;
  }
  int64_t placeholder() const override { return open_.config().image_id.value_or(-1); }

 private:
  Result<std::vector<Shown::Item>> read_picture(std::string_view file) const {
    TRY(const Clip clip, read_media_bytes(file, "the picture", {.frames = 1}));
    if (clip.frames.empty()) return fail("the picture: there is none in the file");
    TRY(Shown::Item item, shown_picture(clip.frames.front(), "", open_.config().vision));
    std::vector<Shown::Item> items;
    items.push_back(std::move(item));
    return items;
  }
  // As `hadal generate --video` shows it.
  Result<std::vector<Shown::Item>> read_clip(std::string_view file, const ClipPart& part) const {
    constexpr const char* kName = "the clip";
    TRY(const MediaInfo info, read_media_info_bytes(file, kName));
    TRY(const ReadRequest request, frames_to_show(info, part));
    TRY(const Clip clip, read_media_bytes(file, kName, request));
    if (clip.frames.empty()) return fail(kName, ": there is no frame in the file");
    return shown_clip(clip, request.start, open_.config().vision);
  }

  OpenModel open_;
  std::mutex looking_;  // of the back end
};

}  // namespace

Result<std::unique_ptr<Viewer>> open_viewer(const ModelChoice& choice) {
  TRY(const std::string folder, model_folder(choice));
  TRY(const ModelConfig config, ModelConfig::open(folder));
  if (config.vision.layers == 0) return std::unique_ptr<Viewer>();
  ModelChoice quiet = choice;
  quiet.quiet = true;  // what there is to say of the model has been said
  quiet.context = kContext;
  TRY(OpenModel open, open_model(quiet, {}));
  return std::unique_ptr<Viewer>(std::make_unique<ModelViewer>(std::move(open)));
}

}  // namespace hadal
