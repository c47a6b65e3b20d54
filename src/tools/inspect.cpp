// SPDX-License-Identifier: MIT
// Figures first, as one JSON document; the text for people is a view of the same figures.
#include "tools/inspect.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/safetensors.h"
#include "engine/cache_size.h"
#include "model/config.h"
#include "model/figures.h"
#include "tools/figures_text.h"
#include "tools/inspect_media.h"
#include "tools/layer_plan.h"
#include "tools/output.h"

namespace hadal {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int64_t kContexts[] = {4096, 131072, 1048576};

// ---- what is inspected

// What the files' headers say, next to what the configuration calls for.
struct Weights {
  std::map<DType, int64_t> bytes;
  int64_t tensors = 0;
  std::vector<std::string> problems;  // one line each
};

struct Subject {
  std::string name;
  ModelConfig config;
  std::optional<Weights> weights;
};

bool fits(const Tensor& found, const StoredTensor& expected) {
  const auto plain = [](DType type) { return type == DType::bf16 || type == DType::f32; };
  const bool type =
      found.dtype() == expected.dtype || (plain(found.dtype()) && plain(expected.dtype));
  return type && found.shape() == expected.shape;
}

Weights weigh(const Safetensors& files, const ModelConfig& config) {
  constexpr size_t kMostProblems = 10;
  Weights weights;
  int64_t matched = 0, problems = 0;
  const auto report = [&](const std::string& line) {
    if (++problems <= static_cast<int64_t>(kMostProblems)) weights.problems.push_back(line);
  };
  for (const TensorSpec& spec : tensor_list(config))
    for (const StoredTensor& expected : stored_tensors(spec, config)) {
      const Tensor* found = files.find(expected.name);
      if (!found) {
        report(expected.name + ": missing");
        continue;
      }
      ++matched;
      if (!fits(*found, expected))
        report(expected.name + ": found " + std::string(dtype_name(found->dtype())) + " " +
               shape_text(found->shape()) + ", expected " +
               std::string(dtype_name(expected.dtype)) + " " + shape_text(expected.shape));
    }
  weights.tensors = static_cast<int64_t>(files.tensors().size());
  if (weights.tensors > matched)
    report(std::to_string(weights.tensors - matched) +
           " tensors that the configuration does not call for");
  if (problems > static_cast<int64_t>(kMostProblems))
    weights.problems.push_back("and " + std::to_string(problems - kMostProblems) + " more");
  for (const auto& [name, tensor] : files.tensors())
    weights.bytes[tensor.dtype()] += tensor.bytes();
  return weights;
}

// A preset may be named without its folder and ending.
std::string resolved(const std::string& path) {
  const std::string preset = "presets/" + path + ".json";
  return !is_file(path) && !is_folder(path) && is_file(preset) ? preset : path;
}

Result<Subject> open_subject(const std::string& path) {
  Subject subject;
  subject.name = path;
  TRY(subject.config, ModelConfig::open(path));
  const bool has_weights =
      is_file(path + "/model.safetensors") || is_file(path + "/model.safetensors.index.json");
  if (is_folder(path) && has_weights) {
    TRY(const Safetensors files, Safetensors::open_folder(path));
    subject.weights = weigh(files, subject.config);
  }
  return subject;
}

// ---- figures as JSON

OrderedJson parameters_json(const ParameterFigures& figures) {
  OrderedJson parts = OrderedJson::object();
  for (size_t i = 0; i < kPartCount; ++i) {
    const Parameters& part = figures.parts[i];
    if (part.total == 0) continue;
    parts[std::string(part_name(static_cast<Part>(i)))] = {
        {"total", part.total}, {"active", part.decode}, {"prefill", part.prefill}};
  }
  const Parameters all = figures.all(), backbone = figures.backbone();
  return {{"total", all.total},
          {"backbone", backbone.total},
          {"active", all.decode},
          {"prefill", all.prefill},
          {"parts", parts}};
}

OrderedJson bytes_json(const std::map<DType, int64_t>& bytes) {
  OrderedJson result = OrderedJson::object();
  for (const auto& [dtype, count] : bytes) result[std::string(dtype_name(dtype))] = count;
  return result;
}

OrderedJson cache_json(const ModelConfig& config) {
  const PackedCache packed = packed_cache(config);
  OrderedJson contexts = OrderedJson::array();
  for (int64_t context : kContexts) {
    if (context > config.max_positions) break;
    CacheOptions options;
    options.max_positions = context;
    contexts.push_back({{"positions", context},
                        {"packed_bytes", packed.at(context)},
                        {"bytes", cache_bytes(config, options, Holding::packed)}});
  }
  return {{"packed_bytes_per_token", packed.bytes_per_token},
          {"packed_window_bytes", packed.window_bytes},
          {"packed_draft_window_bytes", packed.draft_window_bytes},
          {"packed_state_bytes", packed.state_bytes},
          {"contexts", contexts}};
}

OrderedJson plan_json(const ModelConfig& config) {
  OrderedJson plan = OrderedJson::array();
  for (const LayerRange& range : layer_plan(config))
    plan.push_back({{"first", range.first}, {"last", range.last}, {"attention", range.what}});
  return plan;
}

OrderedJson figures_json(const Subject& subject) {
  const ModelConfig& config = subject.config;
  const StoredFigures stored = count_stored(config);
  const auto& bytes = subject.weights ? subject.weights->bytes : stored.bytes;
  int64_t sum = 0;
  for (const auto& [dtype, count] : bytes) sum += count;
  OrderedJson document = {
      {"name", subject.name},
      {"family", config.family == Family::v4 ? "DeepSeek V4" : "DeepSeek V4.1"},
      {"layers", config.layers},
      {"width", config.width},
      {"vocabulary", config.vocab},
      {"context", config.max_positions},
      {"parameters", parameters_json(count_parameters(config))},
      {"plan", plan_json(config)},
      {"weights",
       {{"source", subject.weights ? "files" : "configuration"},
        {"tensors", subject.weights ? subject.weights->tensors : stored.tensors},
        {"bytes", sum},
        {"by_format", bytes_json(bytes)}}},
      {"cache", cache_json(config)},
  };
  if (subject.weights) document["weights"]["problems"] = subject.weights->problems;
  return document;
}

// ---- figures for people

void print_plan(const OrderedJson& figures, const ModelConfig& config, std::ostream& out) {
  out << "\nLayers\n";
  for (const OrderedJson& range : figures["plan"])
    out << "  " << padded(range_text(range["first"], range["last"]), 12)
        << range["attention"].get<std::string>() << "\n";
  if (config.hash_layers > 0)
    out << "  " << padded(range_text(0, config.hash_layers - 1), 12) << "experts by token id\n";
  for (int64_t layer : config.engram.layers)
    out << "  " << padded(std::to_string(layer), 12) << "Engram before the layer\n";
  if (config.decoder_start() < config.layers)
    out << "  " << padded(range_text(config.decoder_start(), config.layers - 1), 12)
        << "decoder half: of a prompt only the end runs here\n";
  if (config.draft.layers > 0)
    out << "  " << padded("+" + std::to_string(config.draft.layers), 12)
        << (config.draft.block > 0 ? "DSpark draft" : "MTP draft") << ", window only\n";
  if (config.vision.layers > 0)
    out << "  " << padded("+" + std::to_string(config.vision.layers), 12) << "vision encoder\n";
  if (config.visual.groups > 0)
    out << "  " << padded("ids", 12) << config.visual.groups << " × " << config.visual.codes
        << " visual tokens from " << config.visual.first_id << " on\n";
}

void print_row(std::ostream& out, const std::string& name, double total, double all, double active,
               double all_active) {
  out << "  " << padded(name, 20) << left_padded(count_text(total), 9)
      << left_padded(share_text(total, all), 9);
  if (active > 0)
    out << left_padded(count_text(active), 12) << left_padded(share_text(active, all_active), 9);
  out << "\n";
}

void print_parameters(const OrderedJson& figures, std::ostream& out) {
  const OrderedJson& parameters = figures["parameters"];
  const double all = parameters["total"], active = parameters["active"];
  out << "\nParameters              total    share      active    share\n";
  for (const auto& [name, part] : parameters["parts"].items())
    print_row(out, name, part["total"], all, part["active"], active);
  print_row(out, "all", all, all, active, active);
}

void print_weights(const OrderedJson& weights, std::ostream& out) {
  const bool files = weights["source"] == "files";
  out << "\nWeights, " << (files ? "as the files say" : "as the configuration says") << ": "
      << weights["tensors"] << " tensors, " << decimal_bytes(weights["bytes"]) << "\n";
  for (const auto& [name, bytes] : weights["by_format"].items())
    out << "  " << padded(name, 20) << left_padded(decimal_bytes(bytes), 9)
        << left_padded(share_text(bytes, weights["bytes"]), 9) << "\n";
  if (!files) return;
  if (weights["problems"].empty()) out << "  every tensor is there, with the expected shape\n";
  for (const OrderedJson& problem : weights["problems"])
    out << "  " << problem.get<std::string>() << "\n";
}

void print_cache(const OrderedJson& figures, std::ostream& out) {
  const OrderedJson& cache = figures["cache"];
  const double weights = figures["weights"]["bytes"];
  out << "\nCache of one sequence, packed: " << formatted("%.2f", cache["packed_bytes_per_token"])
      << " B a token, and " << decimal_bytes(cache["packed_window_bytes"]) << " windows, "
      << decimal_bytes(cache["packed_state_bytes"]) << " compressor state";
  if (cache["packed_draft_window_bytes"] > 0)
    out << ", " << decimal_bytes(cache["packed_draft_window_bytes"]) << " draft windows";
  out << "\n\nMemory      packed cache    with weights    cache here\n";
  for (const OrderedJson& context : cache["contexts"]) {
    const int64_t positions = context["positions"];
    const std::string name = positions >= 1048576 ? std::to_string(positions >> 20) + "M"
                                                  : std::to_string(positions >> 10) + "k";
    const double packed = context["packed_bytes"];
    out << "  " << padded(name, 8) << left_padded(decimal_bytes(packed), 14)
        << left_padded(decimal_bytes(packed + weights), 16)
        << left_padded(decimal_bytes(context["bytes"]), 14) << "\n";
  }
}

void print_figures(const OrderedJson& figures, const ModelConfig& config, std::ostream& out) {
  const OrderedJson& parameters = figures["parameters"];
  out << figures["name"].get<std::string>() << ": " << figures["family"].get<std::string>() << ", "
      << count_text(parameters["backbone"]) << " parameters";
  if (config.engram.present())
    out << " + " << count_text(parameters["parts"]["engram tables"]["total"]) << " Engram";
  out << ", " << count_text(parameters["active"]) << " active";
  if (config.decoder_start() < config.layers)
    out << " (" << count_text(parameters["prefill"]) << " in a prompt)";
  out << ", context " << config.max_positions << "\n";
  print_plan(figures, config, out);
  print_parameters(figures, out);
  print_weights(figures["weights"], out);
  print_cache(figures, out);
}

// ---- one file of tensors

// "layers.3.attn.wkv.weight" -> "layers.*.attn.wkv.weight": alike tensors on one line.
std::string pattern_of(const std::string& name) {
  std::string pattern;
  for (size_t i = 0; i < name.size(); ++i) {
    const bool digit = name[i] >= '0' && name[i] <= '9';
    const bool starts = i == 0 || name[i - 1] == '.';
    if (!digit || !starts) {
      pattern += name[i];
      continue;
    }
    while (i + 1 < name.size() && name[i + 1] >= '0' && name[i + 1] <= '9') ++i;
    pattern += '*';
  }
  return pattern;
}

OrderedJson file_json(const std::string& path, const Safetensors& file) {
  std::map<std::string, OrderedJson> rows;
  std::map<DType, int64_t> bytes;
  for (const auto& [name, tensor] : file.tensors()) {
    const std::string pattern = pattern_of(name), type(dtype_name(tensor.dtype()));
    OrderedJson& row = rows[pattern + type + shape_text(tensor.shape())];
    if (row.is_null())
      row = {{"name", pattern},
             {"dtype", type},
             {"shape", tensor.shape()},
             {"count", 0},
             {"bytes", 0}};
    row["count"] = row["count"].get<int64_t>() + 1;
    row["bytes"] = row["bytes"].get<int64_t>() + tensor.bytes();
    bytes[tensor.dtype()] += tensor.bytes();
  }
  OrderedJson tensors = OrderedJson::array();
  for (auto& [key, row] : rows) tensors.push_back(std::move(row));
  return {{"name", path},
          {"tensors", file.tensors().size()},
          {"by_format", bytes_json(bytes)},
          {"metadata", file.metadata()},
          {"table", tensors}};
}

void print_file(const OrderedJson& figures, std::ostream& out) {
  out << figures["name"].get<std::string>() << ": " << figures["tensors"] << " tensors";
  for (const auto& [name, bytes] : figures["by_format"].items())
    out << ", " << decimal_bytes(bytes) << " " << name;
  out << "\n";
  for (const auto& [key, value] : figures["metadata"].items())
    out << "  " << printable(key) << " = " << printable(value.get<std::string>()) << "\n";
  for (const OrderedJson& row : figures["table"])
    out << "  " << padded(printable(row["name"].get<std::string>()), 44)
        << padded(row["dtype"].get<std::string>(), 9)
        << padded(shape_text(row["shape"].get<Shape>()), 20) << "×" << row["count"] << "\n";
}

Result<int> inspect_file(const InspectOptions& options, std::ostream& out) {
  TRY(const Safetensors file, Safetensors::open(options.path));
  const OrderedJson figures = file_json(options.path, file);
  if (options.json)
    out << figures.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  else
    print_file(figures, out);
  return 0;
}

}  // namespace

Result<int> inspect(const InspectOptions& options, std::ostream& out) {
  if (options.path.ends_with(".safetensors")) return inspect_file(options, out);
  if (is_media_name(options.path)) return inspect_media(options, out);
  TRY(const Subject subject, open_subject(resolved(options.path)));
  OrderedJson figures = figures_json(subject);
  if (!options.clip.size.empty()) {
    TRY(figures["clip"], clip_json(options.clip, subject.config, subject.name));
  }
  if (options.json)
    out << figures.dump(2, ' ', false, OrderedJson::error_handler_t::replace) << "\n";
  else
    print_figures(figures, subject.config, out);
  if (!options.json && figures.contains("clip")) print_clip(figures["clip"], out);
  const bool broken = subject.weights && !subject.weights->problems.empty();
  return broken ? static_cast<int>(Blame::caller) : 0;
}

namespace {

Result<int> print(const InspectOptions& options) {
  std::ostringstream text;
  TRY(const int code, inspect(options, text));
  Output out;
  out.write(text.str());
  TRY_STATUS(out.finish());
  return code;
}

}  // namespace

void add_inspect(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("inspect", "What a model or file is made of");
  auto options = std::make_shared<InspectOptions>();
  command
      ->add_option(
          "path", options->path,
          "Folder of a checkpoint, config.json, preset, .safetensors file, picture or clip")
      ->required();
  add_clip_options(*command, options->clip);
  command->add_flag("--json", options->json, "Print one JSON document");
  command->callback([options, &chosen] { chosen = [options] { return print(*options); }; });
  command->footer(
      "Examples:\n  hadal inspect presets/deepseek-v4.1-flash.json\n"
      "  hadal inspect hadal-1t --clip 1280x720 --seconds 60");
}

}  // namespace hadal
