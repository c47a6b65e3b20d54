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

  Result<Tensor> view(std::string_view picture, int64_t most) override {
    TRY(const Clip clip, read_media_bytes(picture, "the picture", {.frames = 1}));
    if (clip.frames.empty()) return fail("the picture: there is none in the file");
    const VisionConfig& vision = open_.config().vision;
    TRY(const Shown::Item item, shown_picture(clip.frames.front(), "", vision));
    if (item.plan.span() > most)
      return fail("takes ", item.plan.span(), " positions, the context has room for ", most);
    const std::lock_guard lock(looking_);
    return open_.model->look(item.plan, image_patches(vision, item.plan, item.picture.rgb));
  }
  int64_t placeholder() const override { return open_.config().image_id.value_or(-1); }

 private:
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
