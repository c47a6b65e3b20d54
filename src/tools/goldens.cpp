// SPDX-License-Identifier: MIT
// Runs a golden folder and compares.
#include "tools/goldens.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <set>

#include "base/file.h"
#include "base/safetensors.h"
#include "model/model.h"
#include "tools/golden_comparison.h"

namespace hadal {
namespace {

using Ids = std::vector<int64_t>;

struct Decode {
  Ids prompt;
  Ids generated;
};

// tokens.json
struct Prompts {
  std::map<std::string, Ids> inputs;      // compared without roundings
  std::map<std::string, Ids> sim_inputs;  // compared with them
  std::map<std::string, Decode> decodes;
  std::map<std::string, Decode> sim_decodes;
};

Decode decode_of(const nlohmann::json& json) {
  return {json.at("prompt").get<Ids>(), json.at("generated").get<Ids>()};
}

Result<Prompts> read_prompts(const std::string& folder) {
  const std::string path = folder + "/tokens.json";
  TRY(const std::string text, read_file(path, 16 << 20));
  Prompts prompts;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    for (const auto& [name, ids] : json.at("inputs").items()) prompts.inputs[name] = ids.get<Ids>();
    const nlohmann::json decodes = json.value("decode", nlohmann::json::object());
    const nlohmann::json simulated = json.value("sim_inputs", nlohmann::json::object());
    for (const auto& [name, decode] : decodes.items()) prompts.decodes[name] = decode_of(decode);
    for (const auto& [name, value] : simulated.items())
      if (value.is_object())
        prompts.sim_decodes[name] = decode_of(value);
      else
        prompts.sim_inputs[name] = value.get<Ids>();
  } catch (const nlohmann::json::exception& error) {
    return fail(path, ": not a list of prompts: ", error.what());
  }
  return prompts;
}

// Of a folder with images: the prompt they stand in, and the text alone.
struct SeenPrompt {
  struct Image {
    ImagePlan plan;
    int64_t start = 0;
    Tensor patches;
  };
  Ids ids, text_ids;
  std::vector<Image> images;
};

Ids ids_of(const Tensor& tensor) {
  return {tensor.data<int64_t>(), tensor.data<int64_t>() + tensor.count()};
}

Result<Tensor> tensor_of(const Safetensors& file, const std::string& name, DType dtype,
                         const std::string& path) {
  const Tensor* found = file.find(name);
  if (!found || found->dtype() != dtype) return fail(path, ": no ", dtype_name(dtype), " ", name);
  return *found;
}

// images.json and inputs.safetensors.
Result<SeenPrompt> read_seen(const std::string& folder, const ModelConfig& config) {
  const std::string path = folder + "/inputs.safetensors", list = folder + "/images.json";
  TRY(const Safetensors inputs, Safetensors::open(path));
  TRY(const std::string text, read_file(list, 16 << 20));
  SeenPrompt prompt;
  TRY(const Tensor ids, tensor_of(inputs, "token_ids", DType::i64, path));
  TRY(const Tensor text_ids, tensor_of(inputs, "text.token_ids", DType::i64, path));
  prompt.ids = ids_of(ids);
  prompt.text_ids = ids_of(text_ids);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("images")) return fail(list, ": not a list of images");
  for (const nlohmann::json& entry : json["images"]) {
    const std::string name = "image" + std::to_string(prompt.images.size());
    TRY(const Tensor patches, tensor_of(inputs, name + ".patches", DType::f32, path));
    SeenPrompt::Image image{plan_of_patches(config.vision, entry.value("n_vit_h", int64_t{0}),
                                            entry.value("n_vit_w", int64_t{0})),
                            entry.value("start", int64_t{-1}), patches};
    const int64_t end = image.start + image.plan.span();
    if (image.plan.patches() == 0 || patches.row_count() != image.plan.patches() ||
        image.start < 0 || end > static_cast<int64_t>(prompt.ids.size()))
      return fail(list, ": ", name, " does not fit its prompt");
    image.patches = patches.reshaped({patches.row_count(), patches.row_width()});
    prompt.images.push_back(std::move(image));
  }
  return prompt;
}

int64_t best_id(const float* logits, int64_t count) {
  return std::max_element(logits, logits + count) - logits;
}

Cache cache_for(const Model& model, Ops& ops, int64_t tokens) {
  CacheOptions options{.slots = 1, .max_positions = tokens, .max_chunk = tokens};
  options.tail = RotaryTail::f32;
  options.rounding = model.options().rounding;
  return Cache(model.config(), ops, options);
}

void run_prompt(Model& model, Ops& ops, const std::string& prefix, const Ids& ids,
                const GivenRows& given, Comparison& comparison) {
  const int64_t tokens = static_cast<int64_t>(ids.size());
  Cache cache = cache_for(model, ops, tokens);
  Batch batch;
  batch.append(0, 0, ids);
  batch.given = given;
  for (int64_t row = 0; row < tokens; ++row) batch.wanted.push_back(row);
  comparison.start(prefix, tokens);
  comparison.compare("logits", "logits", model.forward(batch, cache));
  comparison.pause();
  Ids next(ids.begin() + 1, ids.end());
  next.push_back(0);  // the last row has no successor; its logits are not compared
  const Tensor draft = model.draft_logits(batch, Tensor::of_ints({tokens}, next), cache);
  comparison.start(prefix, tokens);
  if (draft.defined() && tokens > 1)
    comparison.compare("draft logits", "mtp0.logits", ops.to_host(draft).rows(0, tokens - 1));
}

void run_decode(Model& model, Ops& ops, const std::string& name, const Decode& decode,
                const GivenRows& given, const Safetensors& expected, Comparison& comparison) {
  const Tensor* ids = expected.find(name + ".ids");
  const Tensor* logits = expected.find(name + ".logits");
  if (!ids || !logits || ids->rank() != 1 || logits->rank() != 2) return;
  comparison.pause();  // single steps have no traces
  const int64_t steps = std::min(ids->count(), logits->size(0));
  const int64_t vocab = model.config().text_vocab();
  Cache cache = cache_for(model, ops, static_cast<int64_t>(decode.prompt.size()) + steps);
  Ids generated;
  Tensor rows = Tensor::zeros(DType::f32, {steps, vocab});
  Ids next = decode.prompt;
  int64_t position = 0;
  for (int64_t step = 0; step < steps; ++step) {
    Batch batch;
    batch.append(0, position, next);
    batch.wanted = {batch.rows() - 1};
    if (position == 0) batch.given = given;
    position += batch.rows();
    const Tensor row = ops.to_host(model.forward(batch, cache));
    std::copy_n(row.data<float>(), vocab, rows.data<float>() + step * vocab);
    generated.push_back(best_id(row.data<float>(), vocab));
    next = {generated.back()};
  }
  comparison.compare_ids(name + ".ids", generated, *ids);
  comparison.start(name + ".", 1);
  comparison.compare("decode logits", "logits", rows);
}

// DSpark's block after each token that follows a prompt, every guess the likeliest.
void run_drafts(Model& model, Ops& ops, const std::string& name, const Ids& prompt,
                const Safetensors& expected, Comparison& comparison) {
  constexpr int64_t kMostSteps = 64;  // far more than were published
  const int64_t block = model.draft_limit();
  comparison.pause();
  Cache cache = cache_for(model, ops, static_cast<int64_t>(prompt.size()) + kMostSteps + block + 1);
  int64_t position = 0;
  const auto read = [&](const Ids& ids) {
    Batch batch;
    batch.append(0, position, ids);
    batch.wanted = {batch.rows() - 1};
    position += batch.rows();
    const Tensor row = ops.to_host(model.forward(batch, cache));
    return best_id(row.data<float>(), row.count());
  };
  int64_t id = -1;
  for (int64_t step = 0; step < kMostSteps; ++step) {
    const std::string prefix = name + ".step" + std::to_string(step) + ".";
    const Tensor* ids = expected.find(prefix + "draft_ids");
    if (!ids || ids->count() != block + 1) return;
    id = read({step == 0 ? read(prompt) : id});
    model.begin_draft({0, position - 1, id, block}, cache);
    Ids guessed = {id};
    Tensor rows = Tensor::zeros(DType::f32, {block, model.config().text_vocab()});
    for (int64_t k = 0; k < block; ++k) {
      const Tensor row = ops.to_host(model.next_guess(guessed.back(), cache).logits_V);
      std::copy_n(row.data<float>(), row.count(), rows.data<float>() + k * row.count());
      guessed.push_back(best_id(row.data<float>(), row.count()));
    }
    comparison.compare_ids(prefix + "draft_ids", guessed, *ids);
    comparison.start(prefix, 1);
    comparison.compare("draft logits", "draft_logits", rows);
    comparison.pause();
  }
}

// The rotations of every patch: a head of (1, 0) pairs turns into cosines, then sines.
void compare_rope(const ModelConfig& config, Ops& ops, const ImagePlan& plan,
                  Comparison& comparison) {
  RopeTable table = vision_rope(config.vision);
  const int64_t patches = plan.patches(), pairs = table.width / 2;
  table.frequencies = ops.prepare(table.frequencies);
  Tensor ones = Tensor::zeros(DType::f32, {patches, 2 * pairs});
  for (int64_t i = 0; i < patches; ++i)
    std::fill_n(ones.data<float>() + i * 2 * pairs, pairs, 1.0f);
  const Tensor turned = ops.to_host(ops.rope(ones, patch_places(plan), table, Turn::forward));
  for (int64_t half = 0; half < 2; ++half) {
    Tensor values = Tensor::empty(DType::f32, {patches, pairs});
    for (int64_t i = 0; i < patches; ++i)
      std::copy_n(turned.data<float>() + (2 * i + half) * pairs, pairs,
                  values.data<float>() + i * pairs);
    comparison.compare("rope", half == 0 ? "rope_cos" : "rope_sin", values);
  }
}

// All spans of a prompt, as the rows that are given.
GivenRows look_at_images(const Model& model, Ops& ops, const SeenPrompt& prompt,
                         Comparison& comparison) {
  GivenRows given;
  std::vector<float> values;
  for (size_t k = 0; k < prompt.images.size(); ++k) {
    const SeenPrompt::Image& image = prompt.images[k];
    comparison.start("image" + std::to_string(k) + ".", image.plan.patches());
    compare_rope(model.config(), ops, image.plan, comparison);
    const Tensor span = model.look(image.plan, image.patches);
    comparison.pause();
    for (int64_t i = 0; i < span.size(0); ++i) given.rows.push_back(image.start + i);
    values.insert(values.end(), span.data<float>(), span.data<float>() + span.count());
  }
  const int64_t rows = static_cast<int64_t>(given.rows.size());
  given.values_ND = Tensor::of_floats({rows, model.config().width}, values);
  return given;
}

Result<std::unique_ptr<Model>> open_golden(const GoldenOptions& options, const ModelConfig& config,
                                           Rounding rounding, Ops& ops) {
  return Model::open(options.folder, ops,
                     {.rounding = rounding, .drafts = config.draft.block > 0, .progress = {}},
                     options.token_map);
}

// A folder with images: the prompt they stand in, its continuation, and the text alone.
Result<GoldenReport> check_images(const GoldenOptions& options, Ops& ops) {
  TRY(const ModelConfig config, ModelConfig::open(options.folder));
  if (config.vision.layers == 0) return fail(options.folder, ": images, but no vision_config");
  TRY(const Safetensors expected, Safetensors::open(options.folder + "/expected.safetensors"));
  TRY(const SeenPrompt prompt, read_seen(options.folder, config));
  TRY(const std::unique_ptr<Model> model, open_golden(options, config, Rounding::none, ops));
  GoldenReport report;
  Comparison comparison(expected, config, ops, report);
  model->watch(&comparison);
  const GivenRows given = look_at_images(*model, ops, prompt, comparison);
  run_prompt(*model, ops, "", prompt.ids, given, comparison);
  run_prompt(*model, ops, "text.", prompt.text_ids, {}, comparison);
  run_decode(*model, ops, "dec", {prompt.ids, {}}, given, expected, comparison);
  return report;
}

// One expected file: all its prompts and decodes under one rounding.
Status check_file(const GoldenOptions& options, const std::string& path, Rounding rounding,
                  const std::map<std::string, Ids>& inputs,
                  const std::map<std::string, Decode>& decodes, Ops& ops, GoldenReport& report) {
  TRY(const Safetensors expected, Safetensors::open(path));
  TRY(const ModelConfig config, ModelConfig::open(options.folder));
  TRY(const std::unique_ptr<Model> model, open_golden(options, config, rounding, ops));
  Comparison comparison(expected, config, ops, report);
  model->watch(&comparison);
  for (const auto& [name, ids] : inputs) run_prompt(*model, ops, name + ".", ids, {}, comparison);
  for (const auto& [name, decode] : decodes)
    run_decode(*model, ops, name, decode, {}, expected, comparison);
  if (!model->draft_problem().empty()) return fail(options.folder, ": ", model->draft_problem());
  for (const auto& [name, decode] : decodes)  // "spec130" goes on from the prompt of "dec130"
    if (model->draft_limit() > 0 && name.starts_with("dec"))
      run_drafts(*model, ops, "spec" + name.substr(3), decode.prompt, expected, comparison);
  return Ok{};
}

}  // namespace

double GoldenReport::worst() const {
  double worst = 0;
  for (const auto& [name, part] : parts) worst = std::max(worst, part.worst);
  return worst;
}

Result<GoldenReport> check_goldens(const GoldenOptions& options, Ops& ops) {
  if (is_file(options.folder + "/images.json")) return check_images(options, ops);
  TRY(const Prompts prompts, read_prompts(options.folder));
  const std::string own = options.folder + "/expected.safetensors";
  const std::string exact = options.expected.empty() ? own : options.expected;
  const std::string simulated = options.folder + "/expected-sim.safetensors";
  GoldenReport report;
  if (is_file(exact))
    TRY_STATUS(
        check_file(options, exact, Rounding::none, prompts.inputs, prompts.decodes, ops, report));
  if (is_file(simulated))
    TRY_STATUS(check_file(options, simulated, Rounding::published, prompts.sim_inputs,
                          prompts.sim_decodes, ops, report));
  if (report.compared == 0)
    return fail(options.folder, ": no expected tensor was found, expected ", own);
  return report;
}

bool print_report(const GoldenReport& report, const GoldenOptions& options, std::string_view ops,
                  std::ostream& out) {
  out << std::left << std::setw(22) << "part" << std::setw(10) << "tensors" << std::setw(13)
      << "worst rel L2"
      << "where\n";
  for (const auto& [name, part] : report.parts)
    out << std::setw(22) << name << std::setw(10) << part.compared << std::setw(13)
        << std::scientific << std::setprecision(2) << part.worst << part.tensor << "[" << part.index
        << "]" << (part.worst > options.tolerance ? "  over" : "") << "\n";
  const bool good = report.worst() <= options.tolerance && report.wrong_ids == 0;
  if (report.wrong_ids > 0)
    out << report.wrong_ids << " ids differ, the first at " << report.first_wrong_id << "\n";
  out << options.folder << " on " << ops << ": " << (good ? "ok" : "FAILED") << ", "
      << report.compared << " tensors, worst " << report.worst() << " (allowed "
      << options.tolerance << "), " << report.wrong_ids << " wrong ids\n"
      << std::defaultfloat;
  return good;
}

}  // namespace hadal
