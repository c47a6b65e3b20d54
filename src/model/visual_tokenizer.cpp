// SPDX-License-Identifier: MIT
// Streams of latent frames, and the files of a tokenizer.
#include "model/visual_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "model/visual_tokenizer_pixels.h"

namespace hadal {
namespace {

constexpr int64_t kConfigLimit = 1 << 16;  // bytes; the file has about 500
constexpr const char* kConfigName = "/visual_tokenizer.json";
constexpr const char* kWeightsName = "/visual_tokenizer.safetensors";

// Squashed digits [1, Y, X, digits of all groups] -> codes [Y, X, G] of the first groups, the first
// digit counting most.
Tensor codes_of(const Tensor& values, const VisualTokenizerConfig& config) {
  const Tensor codes = Tensor::zeros(DType::i64, {values.size(1), values.size(2), config.groups});
  for (int64_t i = 0; i < codes.count(); ++i) {
    const float* value = values.data<float>() + i / config.groups * values.size(3) +
                         i % config.groups * config.digits;
    int64_t& code = codes.data<int64_t>()[i];
    for (int64_t digit = 0; digit < config.digits; ++digit) {
      const double step =
          (static_cast<double>(value[digit]) + 1) / 2 * static_cast<double>(config.levels) - 0.5;
      // A number that is none, from foreign weights, is step 0.
      const int64_t whole = step > 0 ? std::lround(std::min(step, 1e6)) : 0;
      code = code * config.levels + std::min(whole, config.levels - 1);
    }
  }
  return codes;
}

// The way back: what `squash` makes of each step, and the middle, 0, for groups that are not used.
Tensor values_of(const Tensor& codes, const VisualTokenizerConfig& config, int64_t all_digits) {
  const Tensor values = Tensor::zeros(DType::f32, {1, codes.size(0), codes.size(1), all_digits});
  for (int64_t i = 0; i < codes.count(); ++i) {
    int64_t code = codes.data<int64_t>()[i];
    CHECK(code >= 0 && code < config.codes(), "code ", code, " of ", config.codes());
    float* value =
        values.data<float>() + i / config.groups * all_digits + i % config.groups * config.digits;
    for (int64_t digit = config.digits - 1; digit >= 0; --digit) {
      const float step = static_cast<float>(code % config.levels);
      value[digit] = 2 * (step + 0.5f) / static_cast<float>(config.levels) - 1;
      code /= config.levels;
    }
  }
  return values;
}

}  // namespace

bool VisualTokenizer::is_in(const std::string& folder) {
  return is_file(folder + kConfigName);
}

// The file's tensors, each as the configuration calls for it, and no others.
Result<VisualTensorSource> VisualTokenizer::tensors_of(const std::string& folder,
                                                       const VisualTokenizerConfig& config) {
  const std::string path = folder + kWeightsName;
  TRY(Safetensors file, Safetensors::open(path));
  std::set<std::string> known;
  for (const VisualTensor& tensor : visual_tensor_list(config)) known.insert(tensor.name);
  for (const auto& [name, tensor] : file.tensors())
    if (!known.contains(name))
      return fail(path, ": tensor ", printable(name), " ", shape_text(tensor.shape()),
                  " is not part of the network that visual_tokenizer.json describes");
  return VisualTensorSource([path, file](const VisualTensor& tensor) -> Result<Weight> {
    const Tensor* found = file.find(tensor.name);
    if (!found)
      return fail(path, ": tensor ", tensor.name, " is missing; expected ",
                  shape_text(tensor.shape));
    const DType type = found->dtype();
    // Vectors are read by verbs that know no other type.
    const bool known_type =
        type == DType::f32 || (tensor.is_matrix() && (type == DType::bf16 || type == DType::f16));
    if (found->shape() != tensor.shape || !known_type)
      return fail(path, ": tensor ", tensor.name, ": found ", dtype_name(type), " ",
                  shape_text(found->shape()), ", expected ",
                  tensor.is_matrix() ? "F32, BF16 or F16 " : "F32 ", shape_text(tensor.shape));
    return Weight{*found, {}};
  });
}

Result<std::unique_ptr<VisualTokenizer>> VisualTokenizer::open(const std::string& folder, Ops& ops,
                                                               int64_t groups) {
  const std::string path = folder + kConfigName;
  TRY(const std::string json, read_file(path, kConfigLimit));
  TRY(const VisualTokenizerConfig config, VisualTokenizerConfig::parse(json, path));
  if (groups < 0 || groups > config.groups)
    return fail(path, ": ", groups, " groups of codes are asked for, it has ", config.groups);
  TRY(const VisualTensorSource source, tensors_of(folder, config));
  TRY(std::unique_ptr<VisualTokenizer> tokenizer, create(config, source, ops));
  if (groups > 0) tokenizer->config_.groups = groups;
  return tokenizer;
}

Result<std::unique_ptr<VisualTokenizer>> VisualTokenizer::create(
    const VisualTokenizerConfig& config, const VisualTensorSource& source, Ops& ops) {
  TRY(VisualNetwork network, VisualNetwork::create(config, source, ops));
  return std::unique_ptr<VisualTokenizer>(new VisualTokenizer(config, std::move(network), ops));
}

Tensor VisualTokenizer::encode(const Tensor& pixels, VisualStream& stream) const {
  CHECK(stream.latent_frames > 0 || pixels.size(0) == 1, pixels.size(0),
        " frames at the start of a stream");
  const Tensor cells = network_.encode_cells(fold_frames(pixels, config_), ops_);
  const Tensor& before = stream.latent_frames > 0 ? stream.cells : cells;
  const Tensor pre_codes = network_.encode_codes(cells, before, ops_);
  ++stream.latent_frames;
  stream.cells = cells;
  return codes_of(ops_.to_host(ops_.squash(pre_codes, config_.levels)), config_);
}

Tensor VisualTokenizer::decode(const Tensor& codes, int64_t height, int64_t width,
                               VisualStream& stream) const {
  CHECK(codes.rank() == 3 && codes.size(0) == cells(height) && codes.size(1) == cells(width) &&
            codes.size(2) == config_.groups,
        shape_text(codes.shape()), " for ", height, " × ", width);
  const Tensor cells = network_.decode_cells(values_of(codes, config_, network_digits_), ops_);
  const bool first = stream.latent_frames == 0;
  const Tensor patches = network_.decode_patches(cells, first ? cells : stream.cells, ops_);
  ++stream.latent_frames;
  stream.cells = cells;
  return unfold_frames(ops_.to_host(patches), config_, first ? GroupKind::still : GroupKind::moving,
                       height, width);
}

Tensor VisualTokenizer::encode_clip(const Tensor& pixels) const {
  const int64_t frames = pixels.size(0);
  const Tensor codes = Tensor::empty(DType::i64, {latent_frames(frames), cells(pixels.size(1)),
                                                  cells(pixels.size(2)), config_.groups});
  VisualStream stream;
  for (int64_t first = 0; first < frames;) {
    const int64_t latent = stream.latent_frames;
    const int64_t count = latent == 0 ? 1 : std::min(config_.temporal, frames - first);
    const Tensor made = encode(pixels.rows(first, count), stream);
    std::copy_n(made.data<int64_t>(), made.count(), codes.rows(latent, 1).data<int64_t>());
    first += count;
  }
  return codes;
}

Tensor VisualTokenizer::decode_clip(const Tensor& codes, int64_t height, int64_t width) const {
  const int64_t latent_frames = codes.size(0);
  const Tensor pixels = Tensor::empty(DType::u8, {frames(latent_frames), height, width, 3});
  VisualStream stream;
  uint8_t* to = pixels.raw();
  for (int64_t latent = 0; latent < latent_frames; ++latent) {
    const Tensor one = codes.rows(latent, 1);
    const Tensor made =
        decode(one.reshaped({codes.size(1), codes.size(2), codes.size(3)}), height, width, stream);
    to = std::copy_n(made.raw(), made.count(), to);
  }
  return pixels;
}

}  // namespace hadal
