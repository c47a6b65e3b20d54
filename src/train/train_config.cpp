// SPDX-License-Identifier: MIT
// The training configuration: keys, ranges, changes from the command line.
#include "train/train_config.h"

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "base/json.h"

namespace hadal {

namespace {

using nlohmann::json;

// Takes keys out of an object one by one; what is left at the end is unknown.
class Reader {
 public:
  Reader(json document, std::string name)
      : document_(std::move(document)), name_(std::move(name)) {}

  void text(const char* key, std::string& value) {
    take(key, "a string", [&](const json& found) {
      if (!found.is_string()) return false;
      value = found.get<std::string>();
      return true;
    });
  }
  void texts(const char* key, std::vector<std::string>& value) {
    take(key, "a list of strings", [&](const json& found) {
      if (!found.is_array()) return false;
      value.clear();
      for (const json& item : found) {
        if (!item.is_string()) return false;
        value.push_back(item.get<std::string>());
      }
      return true;
    });
  }
  void integer(const char* key, int64_t low, int64_t high, int64_t& value) {
    take(key, detail::join_text("an integer ", low, " … ", high), [&](const json& found) {
      if (!found.is_number_integer()) return false;
      if (found.is_number_unsigned() && found.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
        return false;
      value = found.get<int64_t>();
      return value >= low && value <= high;
    });
  }
  void number(const char* key, double low, double high, double& value) {
    take(key, detail::join_text("a number ", low, " … ", high), [&](const json& found) {
      if (!found.is_number()) return false;
      value = found.get<double>();
      return value >= low && value <= high;
    });
  }
  void flag(const char* key, bool& value) {
    take(key, "true or false", [&](const json& found) {
      if (!found.is_boolean()) return false;
      value = found.get<bool>();
      return true;
    });
  }
  json object(const char* key) {
    json value = json::object();
    take(key, "an object", [&](const json& found) {
      value = found;
      return found.is_object();
    });
    return value;
  }

  Status finish() {
    if (error_) return *error_;
    if (!document_.empty())
      return fail(name_, ": unknown key '", printable(document_.begin().key()), "'");
    return Ok{};
  }

 private:
  void take(const char* key, const std::string& expected,
            const std::function<bool(const json&)>& accept) {
    auto found = document_.find(key);
    if (found == document_.end()) return;
    if (!accept(*found) && !error_)
      error_ = fail(name_, ": '", key, "' is ", printable(found->dump()), ", expected ", expected);
    document_.erase(found);
  }

  json document_;
  std::string name_;
  std::optional<Error> error_;
};

std::string beside(const std::string& file, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

void read_sizes(Reader& reader, TrainConfig& config) {
  constexpr int64_t kMany = int64_t{1} << 40;  // no run counts further
  int64_t seed = static_cast<int64_t>(config.seed);
  reader.integer("seed", 0, INT64_MAX, seed);
  config.seed = static_cast<uint64_t>(seed);
  reader.integer("steps", 1, kMany, config.steps);
  reader.integer("micro_tokens", 2, 1 << 24, config.micro_tokens);
  reader.integer("accumulation", 1, 1 << 20, config.accumulation);
  reader.integer("max_length", 2, 1 << 24, config.max_length);
  reader.integer("validate_every", 0, kMany, config.validate_every);
  reader.integer("validate_tokens", 1, kMany, config.validate_tokens);
  reader.integer("save_every", 0, kMany, config.save_every);
  reader.integer("threads", 0, 1024, config.threads);
}

void read_optimiser(Reader& reader, TrainConfig& config) {
  reader.number("learning_rate", 0, 10, config.learning_rate);
  reader.number("final_learning_rate", 0, 10, config.final_learning_rate);
  reader.integer("warmup_steps", 0, int64_t{1} << 40, config.warmup_steps);
  reader.integer("decay_start", 0, int64_t{1} << 40, config.decay_start);
  reader.number("clip", 0, 1e9, config.clip);
  reader.number("muon_momentum", 0, 1, config.muon_momentum);
  reader.number("adam_beta1", 0, 1, config.adam_beta1);
  reader.number("adam_beta2", 0, 1, config.adam_beta2);
  reader.number("adam_epsilon", 0, 1, config.adam_epsilon);
  reader.number("weight_decay", 0, 10, config.weight_decay);
  reader.number("engram_rate", 0, 1000, config.engram_rate);
}

void read_losses(Reader& reader, TrainConfig& config) {
  reader.number("balance_speed", 0, 1, config.balance_speed);
  reader.number("balance_weight", 0, 100, config.balance_weight);
  reader.integer("indexer_dense_steps", 0, int64_t{1} << 40, config.indexer_dense_steps);
  reader.number("indexer_weight", 0, 1000, config.indexer_weight);
  reader.number("mtp_weight", 0, 100, config.mtp_weight);
  reader.flag("dense_attention", config.dense_attention);
  reader.number("draft_share", 0, 1, config.draft_share);
  reader.number("draft_likelihood", 0, 100, config.draft_likelihood);
  reader.number("draft_match", 0, 100, config.draft_match);
  reader.number("draft_confidence", 0, 100, config.draft_confidence);
  reader.number("visual_weight", 0, 1000, config.visual_weight);
  reader.number("caption_drop", 0, 1, config.caption_drop);
  reader.number("block_share", 0, 1, config.block_share);
  reader.number("engram_stray", 0, 1, config.engram_stray);
  reader.number("said_drop", 0, 1, config.said_drop);
  reader.integer("code_levels", 0, 1 << 20, config.code_levels);
}

}  // namespace

Status apply_settings(json& document, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) {
    size_t equals = setting.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail("--set ", printable(setting), ": expected key=value");
    std::string value = setting.substr(equals + 1);
    Result<json> parsed = parse_json(value, "--set", {});
    document[setting.substr(0, equals)] = parsed ? *parsed : json(value);
  }
  return Ok{};
}

Result<TrainConfig> TrainConfig::open(const std::string& path,
                                      const std::vector<std::string>& settings) {
  TRY(std::string text, read_file(path, kTrainConfigLimit));
  return parse(text, path, settings);
}

Result<TrainConfig> TrainConfig::parse(std::string_view text, const std::string& path,
                                       const std::vector<std::string>& settings) {
  TRY(json document, parse_json(text, path, {}));
  if (!document.is_object()) return fail(path, ": expected an object");
  TRY_STATUS(apply_settings(document, settings));

  TrainConfig config;
  std::string rounding = "published";
  Reader reader(std::move(document), path);
  reader.text("model", config.model);
  reader.text("tokenizer", config.tokenizer);
  reader.texts("train", config.train);
  reader.texts("valid", config.valid);
  reader.text("out", config.out);
  reader.text("start_from", config.start_from);
  reader.text("draft_of", config.draft_of);
  reader.text("rounding", rounding);
  read_sizes(reader, config);
  read_optimiser(reader, config);
  read_losses(reader, config);
  json changes = reader.object("model_changes");
  TRY_STATUS(reader.finish());

  if (rounding != "published" && rounding != "none")
    return fail(path, ": 'rounding' is '", printable(rounding), "', expected published or none");
  config.rounding = rounding == "none" ? Rounding::none : Rounding::published;
  if (config.model.empty() || config.out.empty() || config.train.empty())
    return fail(path, ": 'model', 'train' and 'out' must be given");
  config.model = beside(path, config.model);
  config.tokenizer = beside(path, config.tokenizer);
  config.out = beside(path, config.out);
  config.start_from = beside(path, config.start_from);
  config.draft_of = beside(path, config.draft_of);
  for (std::string& shard : config.train) shard = beside(path, shard);
  for (std::string& shard : config.valid) shard = beside(path, shard);

  TRY(std::string model_text, read_file(config.model, kTrainConfigLimit));
  TRY(json model, parse_json(model_text, config.model, {}));
  model.merge_patch(changes);
  config.model_json = model.dump(1);
  return config;
}

}  // namespace hadal
