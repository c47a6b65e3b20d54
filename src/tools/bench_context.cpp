// SPDX-License-Identifier: MIT
// `hadal bench context`.
#include "tools/bench_context.h"

#include <CLI/CLI.hpp>

#include <time.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/file.h"
#include "base/random.h"
#include "engine/cache_size.h"
#include "ops/packed_rows.h"
#include "tools/active_bytes.h"
#include "tools/bench_report.h"
#include "tools/machine.h"
#include "tools/open_model.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/random_model.h"

namespace hadal {
namespace {

struct ContextChoice {
  ModelChoice model;
  std::string config;
  Shortening shortening;
  std::vector<int64_t> contexts = {4096, 16384, 65536, 262144, 1048576};
  int64_t chunk = 64;
  int64_t rounds = 3;
  bool json = false;
  std::string svg;
};

// A model, wherever it comes from; later members point into earlier ones.
struct Subject {
  OpenModel open;
  std::unique_ptr<Ops> ops;
  std::unique_ptr<Model> model;
  std::string name;
  int64_t active_bytes = 0;

  Ops& back_end() { return ops ? *ops : *open.ops; }
  Model& run() { return model ? *model : *open.model; }
};

struct Times {
  double wall_ms = 0, processor_ms = 0;
};

struct Row {
  int64_t context = 0;
  Times step = {}, chunk = {};  // a token
  int64_t cache_bytes = 0, resident_bytes = 0;
};

double processor_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

template <typename Work>
Times timed(int64_t rounds, const Work& work) {
  Times best{1e30, 1e30};
  for (int64_t round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const double used = processor_ms();
    work();
    const std::chrono::duration<double, std::milli> passed =
        std::chrono::steady_clock::now() - start;
    best.wall_ms = std::min(best.wall_ms, passed.count());
    best.processor_ms = std::min(best.processor_ms, processor_ms() - used);
  }
  return best;
}

// Rows that stand for a context that nobody read.
class CacheFiller {
 public:
  CacheFiller(const ModelConfig& config, Cache& cache) : config_(config), cache_(cache) {}

  void fill_to(int64_t context) {
    for (size_t layer = 0; layer < cache_.layers.size(); ++layer) {
      LayerCache& pools = cache_.layers[layer];
      if (filled_ == 0) fill(pools.window, 0, pools.window.rows.size(0));
      const int64_t ratio = config_.compress_ratios[layer];
      if (!pools.compressed.defined()) continue;
      fill(pools.compressed, filled_ / ratio, context / ratio);
      if (pools.index_keys.defined()) fill(pools.index_keys, filled_ / ratio, context / ratio);
    }
    Batch batch;
    std::vector<int64_t> ids(static_cast<size_t>(context - filled_));
    for (int64_t& id : ids) id = random_.below(config_.text_vocab());
    batch.append(0, filled_, ids);
    cache_.note(batch);
    filled_ = context;
  }

 private:
  void fill(Pool& pool, int64_t first, int64_t last) {
    const int64_t width = pool.rows.size(1);
    if (!pool.packed()) {
      for (int64_t i = first * width; i < last * width; ++i)
        pool.rows.data<float>()[i] = static_cast<float>(2 * random_.uniform() - 1);
      return;
    }
    const PackedRow packed(pool.layout);
    const Tensor samples = packed_samples(packed);
    for (int64_t row = first; row < last; ++row) {
      uint8_t* bytes = pool.rows.raw() + row * packed.bytes;
      std::memcpy(bytes, samples.raw() + random_.below(samples.size(0)) * packed.bytes,
                  static_cast<size_t>(packed.bytes));
      // Any two codes of E2M1 are numbers, so index keys can all be different ones.
      for (int64_t at = 0; packed.fp4 && at + 8 <= packed.tail_offset; at += 8) {
        const uint64_t eight = random_.next();
        std::memcpy(bytes + at, &eight, sizeof eight);
      }
    }
  }

  Tensor packed_samples(const PackedRow& packed) {
    constexpr int64_t kSamples = 256;
    Tensor samples = Tensor::zeros(DType::u8, {kSamples, packed.bytes});
    std::vector<float> row(static_cast<size_t>(packed.layout.width));
    for (int64_t i = 0; i < kSamples; ++i) {
      for (float& value : row) value = static_cast<float>(random_.normal());
      packed.pack(row.data(), samples.raw() + i * packed.bytes);
    }
    return samples;
  }

  const ModelConfig& config_;
  Cache& cache_;
  int64_t filled_ = 0;
  Random random_{17};
};

Result<Subject> open_subject(const ContextChoice& choice) {
  Subject subject;
  if (choice.config.empty()) {
    TRY(subject.open, open_model(choice.model, {.needs_tokenizer = false, .stays = true}));
    TRY_STATUS(wait_for_weights(subject.open, choice.model.quiet));
    TRY(subject.active_bytes, active_bytes(subject.open.folder, subject.open.config()));
    subject.open.cache.reset();  // measured with one of its own
    subject.name = subject.open.folder;
    return subject;
  }
  TRY(const ModelConfig published, ModelConfig::open(choice.config));
  TRY(const ModelConfig config, shortened(published, choice.shortening));
  TRY(subject.ops, open_ops(choice.model));
  ModelOptions options;
  options.rounding = choice.model.rounding == "none" ? Rounding::none : Rounding::published;
  note_line("making " + std::to_string(config.layers) + " layers of random weights");
  TRY(subject.model, random_model(config, *subject.ops, options));
  subject.active_bytes = random_active_bytes(config);
  subject.name = choice.config + ", " + std::to_string(config.layers) + " layers";
  return subject;
}

Result<std::vector<Row>> measure(const ContextChoice& choice, Subject& subject) {
  Model& model = subject.run();
  const ModelConfig& config = model.config();
  const int64_t longest = choice.contexts.back();
  const int64_t room = std::max(choice.chunk, choice.rounds) + 1;
  CacheOptions options{.slots = 1, .max_positions = longest + room, .max_chunk = choice.chunk};
  options.rounding = model.options().rounding;
  const Holding holding =
      subject.back_end().packs(RowFormat::fp4_32) ? Holding::packed : Holding::floats;
  const int64_t needed = cache_bytes(config, options, holding);
  if (const int64_t available = machine_memory().available_bytes; needed > available)
    return fail_machine("a context of ", longest, " needs ", bytes_text(needed), " for its cache, ",
                        bytes_text(available), " is available");
  Cache cache(config, subject.back_end(), options);
  CacheFiller filler(config, cache);
  Random random(3);
  const auto read = [&](int64_t start, int64_t count) {
    std::vector<int64_t> ids(static_cast<size_t>(count));
    for (int64_t& id : ids) id = random.below(config.text_vocab());
    Batch batch;
    batch.append(0, start, ids);
    batch.wanted = {count - 1};
    model.forward(batch, cache);
  };
  std::vector<Row> rows;
  for (int64_t context : choice.contexts) {
    filler.fill_to(context);
    Row row{.context = context};
    read(context, 1);  // memory that is touched for the first time
    row.step = timed(choice.rounds, [&] { read(context, 1); });
    row.chunk = timed(1, [&] { read(context, choice.chunk); });
    row.chunk.wall_ms /= static_cast<double>(choice.chunk);
    row.chunk.processor_ms /= static_cast<double>(choice.chunk);
    CacheOptions of_context = options;
    of_context.max_positions = context;
    row.cache_bytes = cache_bytes(config, of_context, holding);
    row.resident_bytes = resident_bytes();
    rows.push_back(row);
  }
  return rows;
}

std::string table(const Subject& subject, const std::string& back_end,
                  const std::vector<Row>& rows) {
  std::string text = subject.name + ", back end " + back_end + ", " +
                     bytes_text(subject.active_bytes) + " active a token\n\n" +
                     "   context   step ms  processor  of first   chunk ms/token  of first"
                     "      cache   resident\n";
  const Row& first = rows.front();
  for (const Row& row : rows) {
    std::array<char, 256> line{};
    std::snprintf(line.data(), line.size(), "%10lld %9.2f %10.2f %9.2f %16.2f %9.2f %10s %10s\n",
                  static_cast<long long>(row.context), row.step.wall_ms, row.step.processor_ms,
                  row.step.processor_ms / first.step.processor_ms, row.chunk.wall_ms,
                  row.chunk.processor_ms / first.chunk.processor_ms,
                  bytes_text(row.cache_bytes).c_str(), bytes_text(row.resident_bytes).c_str());
    text += line.data();
  }
  const Row& last = rows.back();
  if (rows.size() < 2) return text;
  std::array<char, 128> line{};
  std::snprintf(line.data(), line.size(),
                "\nlinear in the context: %.2f ns of processor time a token\n",
                1e6 * (last.step.processor_ms - first.step.processor_ms) /
                    static_cast<double>(last.context - first.context));
  return text + line.data();
}

std::string json_text(const Subject& subject, const std::string& back_end,
                      const ContextChoice& choice, const std::vector<Row>& rows) {
  nlohmann::ordered_json contexts = nlohmann::ordered_json::array();
  for (const Row& row : rows)
    contexts.push_back({{"context", row.context},
                        {"step_ms", row.step.wall_ms},
                        {"step_processor_ms", row.step.processor_ms},
                        {"chunk_ms_per_token", row.chunk.wall_ms},
                        {"chunk_processor_ms_per_token", row.chunk.processor_ms},
                        {"cache_bytes", row.cache_bytes},
                        {"resident_bytes", row.resident_bytes}});
  const nlohmann::ordered_json object = {
      {"model", subject.name},
      {"backend", back_end},
      {"processor", processor_name()},
      {"threads", choice.model.threads > 0 ? choice.model.threads : machine_cores()},
      {"chunk", choice.chunk},
      {"active_bytes", subject.active_bytes},
      {"contexts", contexts}};
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

// Both costs over the context, in processor time.
Status write_plot(const std::string& path, const std::vector<Row>& rows) {
  Curve step{"one decoded token, ms of processor time", {}};
  Curve chunk{"a token of a prompt, ms of processor time", {}};
  for (const Row& row : rows) {
    step.points.emplace_back(static_cast<double>(row.context), row.step.processor_ms);
    chunk.points.emplace_back(static_cast<double>(row.context), row.chunk.processor_ms);
  }
  return write_file(path, curves_svg({step, chunk}));
}

Result<int> bench_context(ContextChoice choice) {
  std::sort(choice.contexts.begin(), choice.contexts.end());
  TRY(Subject subject, open_subject(choice));
  const int64_t longest = subject.run().config().max_positions;
  std::erase_if(choice.contexts, [&](int64_t context) { return context > longest; });
  if (choice.contexts.empty())
    return fail("the model was made for at most ", longest, " positions");
  TRY(const std::vector<Row> rows, measure(choice, subject));
  const std::string back_end(subject.back_end().name());
  Output out;
  out.write(choice.json ? json_text(subject, back_end, choice, rows)
                        : table(subject, back_end, rows));
  if (!choice.svg.empty()) TRY_STATUS(write_plot(choice.svg, rows));
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_bench_context(CLI::App& program, Command& chosen) {
  CLI::App* command = program.get_subcommand("bench")->add_subcommand(
      "context", "What a step costs against the length of the context");
  auto choice = std::make_shared<ContextChoice>();
  command->add_option("--config", choice->config,
                      "A config.json: its shape with random weights, instead of a model");
  command->add_option("--layers", choice->shortening.layers, "With --config: fewer layers")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--experts", choice->shortening.experts, "With --config: fewer experts")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--contexts", choice->contexts, "Lengths to measure at")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30))
      ->capture_default_str();
  command->add_option("--chunk", choice->chunk, "Tokens of a prompt that are read at once")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--rounds", choice->rounds, "Times to measure a step; the best counts")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", choice->json, "One JSON object, for programs");
  command->add_option("--svg", choice->svg, "File for a plot");
  add_model_options(*command, choice->model);
  command->footer(
      "Examples:\n"
      "  hadal bench context\n"
      "  hadal bench context --config presets/deepseek-v4-flash.json --layers 8 --experts 8");
  command->callback([choice, &chosen] { chosen = [choice] { return bench_context(*choice); }; });
}

}  // namespace hadal
