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
#include "text/engram_keys.h"

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

int64_t id_at(const Tensor& ids, int64_t i) {
  return ids.dtype() == DType::i32 ? ids.data<int32_t>()[i] : ids.data<int64_t>()[i];
}

// Holds what the model computes against one expected file.
class Comparison final : public Observer {
 public:
  Comparison(const Safetensors& expected, Ops& ops, GoldenReport& report)
      : expected_(expected), ops_(ops), report_(report) {}

  // Tensors seen from here on belong to this input ("in16"), of so many tokens.
  void start(const std::string& input, int64_t tokens) {
    input_ = input;
    tokens_ = tokens;
  }

  void tensor(int64_t layer, std::string_view name, const Tensor& value) override {
    if (input_.empty()) return;
    const std::string part(name);
    const std::string where =
        layer < 0 || part == "final_norm" ? part : "layers." + std::to_string(layer) + "." + part;
    if (part == "attn.topk_idxs" || part == "ffn.gate.indices")
      compare_sets(part, where, ops_.to_host(value));
    else if (part != "ffn.gate.weights")  // in the order of choice, which has no meaning
      compare(part, where, value);
  }

  void compare(const std::string& part, const std::string& where, const Tensor& value) {
    const std::string name = input_ + "." + where;
    const Tensor* expected = expected_.find(name);
    if (!expected || value.count() == 0) return;
    const Tensor found = ops_.to_host(value);
    GoldenPart& result = report_.parts[part];
    ++result.compared;
    ++report_.compared;
    if (found.count() != expected->count()) {
      note(result, std::numeric_limits<double>::infinity(), name, 0);
    } else if (expected->dtype() == DType::f32) {
      compare_floats(result, name, found, *expected);
    } else {
      for (int64_t i = 0; i < found.count(); ++i)
        if (id_at(found, i) != id_at(*expected, i)) wrong_id(name, i);
    }
  }

  void compare_ids(const std::string& name, const Ids& found, const Tensor& expected) {
    ++report_.compared;
    for (size_t i = 0; i < found.size(); ++i)
      if (found[i] != id_at(expected, static_cast<int64_t>(i)))
        wrong_id(name, static_cast<int64_t>(i));
  }

 private:
  void compare_floats(GoldenPart& result, const std::string& name, const Tensor& found,
                      const Tensor& expected) {
    double difference = 0, size = 0, furthest = -1;
    int64_t worst = 0;
    for (int64_t i = 0; i < found.count(); ++i) {
      const double a = found.data<float>()[i], b = expected.data<float>()[i];
      const bool same_infinity = std::isinf(a) && a == b;
      const double off = same_infinity ? 0 : std::isfinite(a - b) ? std::fabs(a - b) : HUGE_VAL;
      difference += off * off;
      if (!same_infinity) size += b * b;
      if (off > furthest) {
        furthest = off;
        worst = i;
      }
    }
    note(result, size > 0 ? std::sqrt(difference / size) : std::sqrt(difference), name, worst);
  }

  // Rows chosen by the indexer, or experts: as sets.  Expected rows count the raw tokens first.
  void compare_sets(const std::string& part, const std::string& where, const Tensor& found) {
    const std::string name = input_ + "." + where;
    const Tensor* expected = expected_.find(name);
    if (!expected || found.rank() != 2 || expected->size(0) != found.size(0)) return;
    const int64_t shift = part == "attn.topk_idxs" ? tokens_ : 0;
    ++report_.compared;
    for (int64_t t = 0; t < found.size(0); ++t)
      if (row_set(found, t, 0) != row_set(*expected, t, shift)) wrong_id(name, t);
  }

  static std::set<int64_t> row_set(const Tensor& ids, int64_t row, int64_t shift) {
    std::set<int64_t> set;
    for (int64_t n = 0; n < ids.size(1); ++n) {
      const int64_t id = id_at(ids, row * ids.size(1) + n);
      if (id >= shift) set.insert(id - shift);
    }
    return set;
  }

  static void note(GoldenPart& part, double deviation, const std::string& name, int64_t index) {
    if (!(deviation > part.worst) && !part.tensor.empty()) return;
    part.worst = deviation;
    part.tensor = name;
    part.index = index;
  }

  void wrong_id(const std::string& name, int64_t index) {
    if (report_.wrong_ids++ == 0) report_.first_wrong_id = name + "[" + std::to_string(index) + "]";
  }

  const Safetensors& expected_;
  Ops& ops_;
  GoldenReport& report_;
  std::string input_;
  int64_t tokens_ = 0;
};

int64_t best_id(const float* logits, int64_t count) {
  return std::max_element(logits, logits + count) - logits;
}

Cache cache_for(const Model& model, Ops& ops, int64_t tokens) {
  return Cache(model.config(), ops, {.slots = 1, .max_positions = tokens, .max_chunk = tokens});
}

void run_prompt(Model& model, Ops& ops, const std::string& name, const Ids& ids,
                Comparison& comparison) {
  const int64_t tokens = static_cast<int64_t>(ids.size());
  Cache cache = cache_for(model, ops, tokens);
  Batch batch;
  batch.append(0, 0, ids);
  for (int64_t row = 0; row < tokens; ++row) batch.wanted.push_back(row);
  comparison.start(name, tokens);
  comparison.compare("logits", "logits", model.forward(batch, cache));
  comparison.start("", 0);
  Ids next(ids.begin() + 1, ids.end());
  next.push_back(0);  // the last row has no successor; its logits are not compared
  const Tensor draft = model.draft_logits(batch, Tensor::of_ints({tokens}, next), cache);
  comparison.start(name, tokens);
  if (draft.defined() && tokens > 1)
    comparison.compare("draft logits", "mtp0.logits", ops.to_host(draft).rows(0, tokens - 1));
}

void run_decode(Model& model, Ops& ops, const std::string& name, const Decode& decode,
                const Safetensors& expected, Comparison& comparison) {
  const Tensor* ids = expected.find(name + ".ids");
  const Tensor* logits = expected.find(name + ".logits");
  if (!ids || !logits || ids->rank() != 1 || logits->rank() != 2) return;
  comparison.start("", 0);  // single steps have no traces
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
    position += batch.rows();
    const Tensor row = ops.to_host(model.forward(batch, cache));
    std::copy_n(row.data<float>(), vocab, rows.data<float>() + step * vocab);
    generated.push_back(best_id(row.data<float>(), vocab));
    next = {generated.back()};
  }
  comparison.compare_ids(name + ".ids", generated, *ids);
  comparison.start(name, 1);
  comparison.compare("decode logits", "logits", rows);
}

Result<std::vector<int32_t>> token_map(const std::string& folder, const ModelConfig& config) {
  if (!config.engram.present()) return std::vector<int32_t>{};
  TRY(const Tokenizer tokenizer, Tokenizer::open(folder + "/tokenizer.json"));
  return compressed_token_map(tokenizer, config.vocab);
}

// One expected file: all its prompts and decodes under one rounding.
Status check_file(const std::string& folder, const std::string& path, Rounding rounding,
                  const std::map<std::string, Ids>& inputs,
                  const std::map<std::string, Decode>& decodes, Ops& ops, GoldenReport& report) {
  TRY(const Safetensors expected, Safetensors::open(path));
  TRY(const ModelConfig config, ModelConfig::open(folder));
  TRY(const std::vector<int32_t> compressed, token_map(folder, config));
  TRY(const std::unique_ptr<Model> model,
      Model::open(folder, ops, {.rounding = rounding, .progress = {}}, compressed));
  Comparison comparison(expected, ops, report);
  model->watch(&comparison);
  for (const auto& [name, ids] : inputs) run_prompt(*model, ops, name, ids, comparison);
  for (const auto& [name, decode] : decodes)
    run_decode(*model, ops, name, decode, expected, comparison);
  return Ok{};
}

}  // namespace

double GoldenReport::worst() const {
  double worst = 0;
  for (const auto& [name, part] : parts) worst = std::max(worst, part.worst);
  return worst;
}

Result<GoldenReport> check_goldens(const GoldenOptions& options, Ops& ops) {
  TRY(const Prompts prompts, read_prompts(options.folder));
  const std::string own = options.folder + "/expected.safetensors";
  const std::string exact = options.expected.empty() ? own : options.expected;
  const std::string simulated = options.folder + "/expected-sim.safetensors";
  GoldenReport report;
  if (is_file(exact))
    TRY_STATUS(check_file(options.folder, exact, Rounding::none, prompts.inputs, prompts.decodes,
                          ops, report));
  if (is_file(simulated))
    TRY_STATUS(check_file(options.folder, simulated, Rounding::published, prompts.sim_inputs,
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
