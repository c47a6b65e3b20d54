// SPDX-License-Identifier: MIT
// The loops are assembly where compilers would spill twelve sums; they compute nothing.
#include "backends/cpu/peaks.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <vector>

#include "backends/cpu/instruction_sets.h"
#include "base/result.h"
#include "base/tensor.h"
#include "base/thread_pool.h"

namespace hadal {
namespace {

constexpr int64_t kBytes = int64_t{256} << 20;  // larger than a usual processor's caches
constexpr int64_t kLoops = 1 << 20;
constexpr int64_t kTileLoops = 1 << 18;
constexpr int64_t kSums = 12;  // in flight: latency times width of any processor at hand

// Sixteen bytes at a time: any machine can, and memory is slower.
typedef uint64_t Pair __attribute__((vector_size(16)));

uint64_t read_all(const uint8_t* bytes, int64_t count) {
  constexpr int64_t kAhead = 4096;
  Pair sums[4] = {};
  for (int64_t at = 0; at < count; at += 64) {
    __builtin_prefetch(bytes + at + kAhead);
    for (int64_t i = 0; i < 4; ++i) {
      Pair pair;
      __builtin_memcpy(&pair, bytes + at + 16 * i, sizeof pair);
      sums[i] ^= pair;
    }
  }
  const Pair all = sums[0] ^ sums[1] ^ sums[2] ^ sums[3];
  return all[0] ^ all[1];
}

#if defined(__x86_64__)
// All registers begin as zeros: what is left in them may be subnormal, which takes fifty times as
// long.
#define HADAL_TWELVE(instruction)                                                                \
  asm volatile(                                                                                  \
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t"                                               \
      "vxorps %%ymm\\r, %%ymm\\r, %%ymm\\r\n\t.endr\n\t"                                         \
      "1:\n\t.irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t" instruction "\n\t.endr\n\tdec %0\n\tjnz 1b"   \
      : "+r"(loops)                                                                              \
      :                                                                                          \
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "cc")

void run_floats(bool wide, int64_t loops) {
  if (wide)
    HADAL_TWELVE("vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r");
  else
    HADAL_TWELVE("vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r");
  asm volatile("vzeroupper");
}
// Four sums in flight, which is what eight tiles allow with two of each factor.
void run_tiles(bool bytes, int64_t loops) {
  alignas(64) uint8_t shapes[64] = {1};  // palette 1: eight tiles of 16 rows of 64 bytes
  for (int tile = 0; tile < 8; ++tile) {
    shapes[16 + 2 * tile] = 64;
    shapes[48 + tile] = 16;
  }
  asm volatile("ldtilecfg %0" ::"m"(shapes));
  if (bytes)
    asm volatile(
        "1:\n\t.irp r,0,1,2,3\n\ttdpbssd %%tmm7, %%tmm6, %%tmm\\r\n\t.endr\n\tdec %0\n\tjnz 1b"
        : "+r"(loops)
        :
        : "cc");
  else
    asm volatile(
        "1:\n\t.irp r,0,1,2,3\n\ttdpbf16ps %%tmm7, %%tmm6, %%tmm\\r\n\t.endr\n\tdec %0\n\tjnz 1b"
        : "+r"(loops)
        :
        : "cc");
  asm volatile("tilerelease");
}
void run_bytes(bool wide, int64_t loops) {
  if (wide)
    HADAL_TWELVE("vpdpbusd %%zmm12, %%zmm13, %%zmm\\r");
  else
    HADAL_TWELVE("%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\r");
  asm volatile("vzeroupper");
}
#endif

// Operations a second of `work`, which does `amount` on every thread.
template <typename Work>
double rate_of(ThreadPool& pool, Clock clock, double amount, const Work& work) {
  const double start = seconds_now(clock);
  pool.run(pool.threads(), work);
  return amount * static_cast<double>(pool.threads()) / (seconds_now(clock) - start);
}

double read_rate(ThreadPool& pool, Clock clock) {
  const Tensor memory = Tensor::empty(DType::i8, {kBytes + 8192});  // in large pages
  std::memset(memory.raw(), 1, static_cast<size_t>(memory.bytes()));
  const int64_t part = kBytes / pool.threads() / 4096 * 4096;
  std::vector<uint64_t> sums(static_cast<size_t>(pool.threads()));
  const auto read = [&](int64_t thread) {
    sums[static_cast<size_t>(thread)] = read_all(memory.raw() + thread * part, part);
  };
  pool.run(pool.threads(), read);  // virtual machines may still be mapping what was just written
  const double rate = rate_of(pool, clock, static_cast<double>(part), read);
  // The sums are looked at, so that reading cannot be left out.
  for (uint64_t sum : sums) CHECK(sum == 0, sum);
  return rate;
}

}  // namespace

double seconds_now(Clock clock) {
  timespec time{};
  clock_gettime(clock == Clock::wall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Peaks measure_peaks(int64_t threads, Clock clock) {
  ThreadPool pool(threads);
  Peaks peaks;
  peaks.read_bytes = read_rate(pool, clock);
#if defined(__x86_64__)
  const bool wide = machine_has(InstructionSet::avx512);
  if (machine_has(InstructionSet::avx2))
    peaks.float_operations = rate_of(pool, clock, kLoops * kSums * (wide ? 32.0 : 16.0),
                                     [&](int64_t) { run_floats(wide, kLoops); });
  const bool wide_bytes = machine_has(InstructionSet::avx512_vnni);
  if (wide_bytes || machine_has(InstructionSet::avx2_vnni))
    peaks.int8_operations = rate_of(pool, clock, kLoops * kSums * (wide_bytes ? 128.0 : 64.0),
                                    [&](int64_t) { run_bytes(wide_bytes, kLoops); });
  if (machine_has(InstructionSet::amx)) {
    constexpr double kProducts = kTileLoops * 4 * 2.0 * 16 * 16;  // times the depth of a tile
    peaks.tile_bf16_operations =
        rate_of(pool, clock, kProducts * 32, [](int64_t) { run_tiles(false, kTileLoops); });
    peaks.tile_int8_operations =
        rate_of(pool, clock, kProducts * 64, [](int64_t) { run_tiles(true, kTileLoops); });
  }
#endif
  return peaks;
}

}  // namespace hadal
