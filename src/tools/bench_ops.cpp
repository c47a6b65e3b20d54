// SPDX-License-Identifier: MIT
// One matrix a format, larger than caches, multiplied with more and more rows.
#include "tools/bench_ops.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "backends/cpu/peaks.h"
#include "base/random.h"
#include "tools/bench_report.h"
#include "tools/machine.h"

namespace hadal {
namespace {

struct OpsChoice {
  int64_t threads = 1;
  int64_t outputs = 32768, inputs = 4096;
  int64_t rounds = 5;
  std::vector<int64_t> rows = {1, 4, 16, 128};
  std::string arithmetic = "exact";
  std::string set;  // of instructions; empty: the best
  bool processor_time = false;
};

struct StoredAs {
  const char* name;
  DType values;
  int64_t block_rows, block_columns;
};
constexpr std::array<StoredAs, 4> kStored = {{{"fp4 1x32", DType::i8, 1, 32},
                                              {"fp8 128x128", DType::f8_e4m3, 128, 128},
                                              {"fp8 32x32", DType::f8_e4m3, 32, 32},
                                              {"bf16", DType::bf16, 1, 1}}};

Weight random_weight(const StoredAs& stored, int64_t outputs, int64_t inputs) {
  Random random(1);
  Weight w;
  w.values =
      Tensor::empty(stored.values, {outputs, stored.values == DType::i8 ? inputs / 2 : inputs});
  if (stored.values == DType::bf16) {  // 2^-7 … 1: subnormal numbers would take longer
    for (int64_t i = 0; i < w.values.count(); ++i)
      w.values.data<uint16_t>()[i] = static_cast<uint16_t>(0x3c00 | (random.next() & 0x3ff));
    return w;
  }
  // E4M3 tiles reach their largest binade.
  const uint8_t mask = stored.values == DType::i8 ? 0xff : 0xfe;
  for (int64_t i = 0; i < w.values.bytes(); ++i) {
    const uint8_t byte = static_cast<uint8_t>(random.next()) & mask;
    w.values.raw()[i] = (byte & 0x7e) == 0x7e ? 0 : byte;
  }
  w.block_rows = stored.block_rows;
  w.block_columns = stored.block_columns;
  w.scales = Tensor::empty(DType::f8_e8m0, {(outputs + w.block_rows - 1) / w.block_rows,
                                            (inputs + w.block_columns - 1) / w.block_columns});
  std::fill_n(w.scales.raw(), w.scales.bytes(), uint8_t{118});
  return w;
}

void measure_format(const OpsChoice& choice, const StoredAs& stored, Ops& ops, Clock clock) {
  const Weight w = ops.prepare(random_weight(stored, choice.outputs, choice.inputs));
  const double bytes =
      static_cast<double>(w.values.bytes() + (w.quantised() ? w.scales.bytes() : 0));
  for (int64_t rows : choice.rows) {
    Tensor x = Tensor::empty(DType::f32, {rows, choice.inputs});
    Random random(2);
    for (int64_t i = 0; i < x.count(); ++i)
      x.data<float>()[i] = static_cast<float>(random.uniform() - 0.5);
    // As the model rounds before a quantised product.
    x = ops.round_to(x, RowFormat::fp8_32, 0);
    std::vector<double> seconds, of_memory, of_products;
    Peaks peaks;
    for (int64_t round = 0; round < choice.rounds; ++round) {
      peaks = measure_peaks(choice.threads, clock);
      const double start = seconds_now(clock);
      ops.linear(x, w);
      const double took = seconds_now(clock) - start;
      const double products = 2.0 * static_cast<double>(rows * choice.outputs * choice.inputs);
      seconds.push_back(took);
      of_memory.push_back(bytes / took / peaks.read_bytes);
      of_products.push_back(products / took /
                            std::max(peaks.int8_operations, peaks.float_operations));
    }
    for (std::vector<double>* series : {&seconds, &of_memory, &of_products})
      std::sort(series->begin(), series->end());
    const size_t middle = seconds.size() / 2;
    std::printf(
        "%-12s %5lld rows  %6.2f GB/s  %5.1f %% of reading  %7.1f GOP/s  %5.1f %% of the "
        "peak\n",
        stored.name, static_cast<long long>(rows), bytes / seconds[middle] / 1e9,
        100 * of_memory[middle],
        2.0 * static_cast<double>(rows * choice.outputs * choice.inputs) / seconds[middle] / 1e9,
        100 * of_products[middle]);
    std::fflush(stdout);
  }
}

Result<int> measure_ops(const OpsChoice& choice) {
  if (choice.inputs % 32 != 0)
    return fail("--inputs is ", choice.inputs, ", expected whole blocks of 32");
  if (choice.processor_time && choice.threads != 1)
    return fail("--cpu-time counts the time of one thread; give --threads 1");
  const Clock clock = choice.processor_time ? Clock::processor : Clock::wall;
  std::string device = choice.arithmetic == "fast" ? "fast" : "";
  if (!choice.set.empty()) device += (device.empty() ? "" : ":") + choice.set;
  TRY(const std::unique_ptr<Ops> ops,
      open_backend({.name = "cpu", .device = device, .threads = choice.threads}));
  const Peaks peaks = measure_peaks(choice.threads, clock);
  std::printf("%s, %s, %lld threads: %s\n", processor_name().c_str(),
              std::string(ops->name()).c_str(), static_cast<long long>(choice.threads),
              peaks_text(peaks).c_str());
  for (const StoredAs& stored : kStored) measure_format(choice, stored, *ops, clock);
  return 0;
}

}  // namespace

void add_bench_ops(CLI::App& bench, Command& chosen) {
  CLI::App* command = bench.add_subcommand("ops", "Products with each stored format");
  auto choice = std::make_shared<OpsChoice>();
  command->add_option("--threads", choice->threads, "Threads")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  command->add_option("--outputs", choice->outputs, "Rows of the matrix")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command->add_option("--inputs", choice->inputs, "Its columns")
      ->check(CLI::Range(32, 1 << 16))
      ->capture_default_str();
  command->add_option("--rows", choice->rows, "Rows that meet it")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  command->add_option("--rounds", choice->rounds, "Times to measure; the medians count")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--arithmetic", choice->arithmetic, "exact or fast")
      ->check(CLI::IsMember({"exact", "fast"}))
      ->capture_default_str();
  command->add_option("--set", choice->set,
                      "Instruction set, e.g. avx2; the best if none is given");
  command->add_flag("--cpu-time", choice->processor_time, "Count the processor's time");
  command->callback([choice, &chosen] { chosen = [choice] { return measure_ops(*choice); }; });
}

}  // namespace hadal
