// SPDX-License-Identifier: MIT
// Tensor by tensor: read from the mapped files, encoded, written.
#include "tools/quantize.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "engine/fingerprint.h"
#include "model/checkpoint_writer.h"
#include "model/model.h"
#include "model/recipe.h"
#include "ops/weight_rows.h"
#include "tools/figures_text.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/progress.h"

namespace hadal {

namespace {

namespace fs = std::filesystem;

struct QuantizeOptions {
  std::string folder, out, recipe;
  int64_t threads = 0;
  bool quiet = false;
};

// What stands beside the weights in published folders and Hadal's own, and goes with them.
constexpr const char* kCompanions[] = {"tokenizer.json",
                                       "tokenizer_config.json",
                                       "generation_config.json",
                                       "special_tokens_map.json",
                                       "chat_template.jinja",
                                       "visual_tokenizer.json",
                                       "visual_tokenizer.safetensors",
                                       "LICENSE"};

// What became of the tensors.
struct Tally {
  int64_t encoded = 0, kept = 0;
  int64_t bytes_before = 0;
  double squared_error = 0, squares = 0;
};

// One run: from `source` to the writer's folder.
class Quantizer {
 public:
  Quantizer(std::string folder, WeightSource source, const ModelConfig& target, int64_t threads)
      : folder_(std::move(folder)),
        source_(std::move(source)),
        target_(target),
        specs_(tensor_list(target)),
        pool_(threads) {}

  // What each tensor of the list will be, from headers alone.
  Status plan() {
    for (const TensorSpec& spec : specs_) {
      TRY(const Weight weight, source_(spec));
      plans_.push_back(stored_as(spec, weight));
      tally_.bytes_before += weight.values.bytes();
      if (weight.quantised()) tally_.bytes_before += weight.scales.bytes();
      (plans_.back().encode ? tally_.encoded : tally_.kept) += 1;
      plans_.back().begin = bytes_;
      bytes_ += FutureTensors(plans_.back().tensors, {}).bytes;
    }
    return Ok{};
  }

  Status write(CheckpointWriter& writer, ProgressLine& progress) {
    for (size_t i = 0; i < specs_.size(); ++i) {
      TRY_STATUS(writer.add({plans_[i].tensors, [this, i, &progress] {
                               progress.show(plans_[i].begin, bytes_);
                               return made(specs_[i], plans_[i]);
                             }}));
    }
    return writer.finish();
  }

  int64_t bytes() const { return bytes_; }
  const Tally& tally() const { return tally_; }

 private:
  struct Plan {
    std::vector<StoredTensor> tensors;
    bool encode = false;
    int64_t begin = 0;  // bytes before it
  };

  // Only what the target calls quantised is encoded, unless it lies so in the files already.
  Plan stored_as(const TensorSpec& spec, const Weight& weight) const {
    std::vector<StoredTensor> wanted = stored_tensors(spec, target_);
    const StoredTensor& values = wanted.front();
    const bool same = weight.quantised() && weight.values.dtype() == values.dtype &&
                      weight.scales.dtype() == DType::f8_e8m0 &&
                      weight.block_rows == values.block_rows &&
                      weight.block_columns == values.block_columns;
    if (values.block_columns > 0 && !same) return {std::move(wanted), true};
    Plan plan{{{spec.name, weight.values.dtype(), weight.values.shape()}}};
    if (weight.quantised())
      plan.tensors.push_back({scale_name(spec.name), weight.scales.dtype(), weight.scales.shape()});
    return plan;
  }

  Result<std::vector<NamedTensor>> made(const TensorSpec& spec, const Plan& plan) {
    if (interrupt_flag()) return fail("interrupted");
    TRY(const Weight weight, source_(spec));
    if (!plan.encode) {
      std::vector<NamedTensor> same = {{spec.name, weight.values}};
      if (weight.quantised()) same.push_back({scale_name(spec.name), weight.scales});
      return same;
    }
    const auto read = [&](int64_t row, float* out) { dequantise_row(weight, row, out); };
    const Encoded encoded = encode_weight(plan.tensors.front(), spec.shape, read, pool_);
    if (encoded.bad_row >= 0)
      return fail(folder_, ": tensor ", spec.name, ": row ", encoded.bad_row,
                  " holds a value that is not finite");
    tally_.squared_error += encoded.squared_error;
    tally_.squares += encoded.squares;
    return std::vector<NamedTensor>{{spec.name, encoded.weight.values},
                                    {scale_name(spec.name), encoded.weight.scales}};
  }

  std::string folder_;
  WeightSource source_;
  const ModelConfig& target_;
  std::vector<TensorSpec> specs_;
  std::vector<Plan> plans_;
  ThreadPool pool_;
  int64_t bytes_ = 0;
  Tally tally_;
};

// For `bytes` in all, of which an earlier run may have written some.
Status check_room(const std::string& folder, int64_t bytes) {
  std::error_code unknown;
  for (const auto& entry : fs::directory_iterator(folder, unknown)) {
    const uintmax_t size = entry.file_size(unknown);
    if (!unknown) bytes -= static_cast<int64_t>(size);
  }
  const fs::space_info space = fs::space(folder, unknown);
  if (unknown || bytes <= 0 || space.available >= static_cast<uintmax_t>(bytes)) return Ok{};
  return fail_machine(folder, ": needs ", decimal_bytes(static_cast<double>(bytes)), ", ",
                      decimal_bytes(static_cast<double>(space.available)), " are free");
}

Status copy_companions(const std::string& from, CheckpointWriter& writer) {
  constexpr int64_t kLongest = int64_t{1} << 30;  // the visual tokenizer's weights
  for (const char* name : kCompanions) {
    if (!is_file(from + "/" + name)) continue;
    TRY(const std::string bytes, read_file(from + "/" + name, kLongest));
    TRY_STATUS(writer.write_file(name, bytes));
  }
  return Ok{};
}

// The folder becomes OUT, without shards that an earlier run with other options left in it.
Status give_name(const std::string& partial, const std::string& out,
                 const std::set<std::string>& files) {
  std::error_code error;
  std::vector<fs::path> left_over;
  for (const auto& entry : fs::directory_iterator(partial, error)) {
    const std::string name = entry.path().filename().string();
    const bool shard = name.starts_with("model-") || name.ends_with(".partial");
    if (shard && !files.contains(name)) left_over.push_back(entry.path());
  }
  for (const fs::path& path : left_over) fs::remove(path, error);
  if (!error) fs::rename(partial, out, error);
  if (error) return fail_machine(out, ": cannot be written: ", error.message());
  return Ok{};
}

void print_tally(const QuantizeOptions& options, const Tally& tally, int64_t bytes) {
  std::printf("%s: %s, %s of %s; %lld tensors encoded", options.out.c_str(), options.recipe.c_str(),
              decimal_bytes(static_cast<double>(bytes)).c_str(),
              decimal_bytes(static_cast<double>(tally.bytes_before)).c_str(),
              static_cast<long long>(tally.encoded));
  if (tally.squares > 0)
    std::printf(" (relative error %.1f %%)", 100 * std::sqrt(tally.squared_error / tally.squares));
  std::printf(", %lld as they were\n", static_cast<long long>(tally.kept));
}

Result<int> quantize(QuantizeOptions options) {
  while (options.out.size() > 1 && options.out.back() == '/') options.out.pop_back();
  std::error_code error;
  if (fs::exists(options.out, error))
    return fail(options.out, ": is there already; name another folder, or remove it");
  TRY(const ModelConfig config, ModelConfig::open(options.folder));
  TRY(const ModelConfig target,
      in_recipe(config, recipe_of(options.recipe), options.folder + "/config.json"));
  TRY(WeightSource source, open_weights(options.folder, config));
  Quantizer quantizer(options.folder, std::move(source), target, options.threads);
  TRY_STATUS(quantizer.plan());
  if (quantizer.tally().encoded == 0)
    return fail(options.folder, ": nothing to encode: its matrices are as ", options.recipe,
                " would have them");

  const std::string partial = options.out + ".partial";
  fs::create_directories(partial, error);
  if (error) return fail_machine(partial, ": ", error.message());
  TRY_STATUS(check_room(partial, quantizer.bytes()));
  TRY(const std::string fingerprint, model_fingerprint(options.folder));
  CheckpointWriter writer(partial, fingerprint + " " + options.recipe);
  {
    InterruptGuard guard;
    ProgressLine progress("writing " + options.out, options.quiet);
    const Status written = quantizer.write(writer, progress);
    if (!written && interrupt_flag()) {
      note_line("stopped; the same command goes on from " + partial);
      return kInterruptedExit;
    }
    TRY_STATUS(written);
  }
  TRY_STATUS(writer.write_file("config.json", target.to_json()));
  TRY_STATUS(copy_companions(options.folder, writer));
  TRY_STATUS(give_name(partial, options.out, writer.files()));
  print_tally(options, quantizer.tally(), quantizer.bytes());
  return 0;
}

}  // namespace

void add_quantize(CLI::App& program, Command& chosen) {
  CLI::App* command =
      program.add_subcommand("quantize", "A model in four or eight bits, as a new folder");
  auto options = std::make_shared<QuantizeOptions>();
  command->add_option("MODEL", options->folder, "Folder with config.json and safetensors")
      ->required();
  command->add_option("-o,--out", options->out, "Folder to make; it must not be there")->required();
  command
      ->add_option("--recipe", options->recipe,
                   "8bit: matrices of BF16 in FP8; 4bit: experts and dense matrices in FP4")
      ->check(CLI::IsMember(kRecipeNames))
      ->required();
  command->add_option("--threads", options->threads, "Threads to encode with (default: all cores)")
      ->check(CLI::Range(1, 4096));
  command->add_flag("--quiet", options->quiet, "No progress on stderr");
  command->footer(
      "Examples:\n  hadal quantize models/nano -o /tmp/nano-4bit --recipe 4bit\n"
      "  hadal quantize /data/DeepSeek-V4-Flash -o /data/flash-4bit --recipe 4bit\n"
      "  hadal eval modes --model models/nano --other-model /tmp/nano-4bit README.md\n"
      "Ctrl-C stops; the same command goes on. Memory: the largest matrix that is encoded, and "
      "half "
      "a gigabyte.");
  command->callback([options, &chosen] { chosen = [options] { return quantize(*options); }; });
}

}  // namespace hadal
