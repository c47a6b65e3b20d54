// SPDX-License-Identifier: MIT
// The one place that asks the processor what it can do.
#include "backends/cpu/instruction_sets.h"

#include "backends/cpu/bf16.h"
#include "backends/cpu/int8.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/tiles.h"
#include "base/result.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace hadal {
namespace {

#if defined(__x86_64__)
// AVX-VNNI; clang 14's run-time support does not know the name.
bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1U << 4) != 0;
}

// Whether the processor has tiles of BF16 and the system lends this process their registers, which
// Linux does for who asks (arch_prctl(2)); it then saves them for every thread that uses them.
bool lends_tiles() {
  constexpr unsigned kTiles = 1u << 24, kTilesOfBf16 = 1u << 22;  // CPUID 7, EDX
  constexpr long kAskForState = 0x1023, kTileData = 18;           // ARCH_REQ_XCOMP_PERM
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kTiles) == 0 || (d & kTilesOfBf16) == 0) return false;
  return syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}
#endif

}  // namespace

std::string_view instruction_set_name(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable:
      return "portable";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx2_vnni:
      return "avx2_vnni";
    case InstructionSet::avx512:
      return "avx512";
    case InstructionSet::avx512_vnni:
      return "avx512_vnni";
    case InstructionSet::avx512_vbmi:
      return "avx512_vbmi";
    case InstructionSet::avx512_bf16:
      return "avx512_bf16";
    case InstructionSet::amx:
      return "amx";
    case InstructionSet::neon:
      return "neon";
    case InstructionSet::neon_dotprod:
      return "neon_dotprod";
    case InstructionSet::neon_i8mm:
      return "neon_i8mm";
  }
  return "?";
}

bool machine_has(InstructionSet set) {
#if defined(__x86_64__)
  // The compilers' run-time support also checks that the system saves the wide registers.
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  if (set == InstructionSet::avx2) return has_avx2;
  if (set == InstructionSet::avx2_vnni) return has_avx2 && has_avx_vnni();
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 &&
                          __builtin_cpu_supports("avx512vl") != 0 &&
                          __builtin_cpu_supports("avx512dq") != 0;
  const bool has_vnni = has_avx512 && __builtin_cpu_supports("avx512vnni") != 0;
  if (set == InstructionSet::avx512) return has_avx512;
  if (set == InstructionSet::avx512_vnni) return has_vnni;
  const bool has_vbmi = has_vnni && __builtin_cpu_supports("avx512vbmi") != 0;
  if (set == InstructionSet::avx512_vbmi) return has_vbmi;
  const bool has_bf16 = has_vbmi && __builtin_cpu_supports("avx512bf16") != 0;
  if (set == InstructionSet::avx512_bf16) return has_bf16;
  static const bool has_tiles = has_bf16 && lends_tiles();  // asked for once a process
  if (set == InstructionSet::amx) return has_tiles;
#elif defined(__aarch64__)
  const bool has_dotprod = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  if (set == InstructionSet::neon) return true;
  if (set == InstructionSet::neon_dotprod) return has_dotprod;
  if (set == InstructionSet::neon_i8mm)
    return has_dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
#endif
  return set == InstructionSet::portable;
}

InstructionSet best_instruction_set() {
  for (InstructionSet set : kInstructionSetsBestFirst)
    if (machine_has(set)) return set;
  return InstructionSet::portable;
}

const cpu::KernelTable& cpu::kernels_for(InstructionSet set) {
  CHECK(machine_has(set), "this machine has no ", instruction_set_name(set));
#if defined(__x86_64__)
  if (set >= InstructionSet::avx512) return avx512::kTable;
  if (set >= InstructionSet::avx2) return avx2::kTable;
#elif defined(__aarch64__)
  if (set >= InstructionSet::neon) return neon::kTable;
#endif
  return portable::kTable;
}

const cpu::Bf16Table* cpu::bf16_kernels_for(InstructionSet set) {
  CHECK(machine_has(set), "this machine has no ", instruction_set_name(set));
#if defined(__x86_64__)
  if (set == InstructionSet::avx512_bf16) return &avx512_bf16::kBf16Table;
#endif
  return nullptr;
}

const cpu::TileTable* cpu::tile_kernels_for(InstructionSet set) {
  CHECK(machine_has(set), "this machine has no ", instruction_set_name(set));
#if defined(__x86_64__)
  if (set == InstructionSet::amx) return &amx::kTileTable;
#endif
  return nullptr;
}

const cpu::Int8Table* cpu::int8_kernels_for(InstructionSet set) {
  CHECK(machine_has(set), "this machine has no ", instruction_set_name(set));
#if defined(__x86_64__)
  if (set >= InstructionSet::avx512_vbmi) return &avx512_vbmi::kInt8Table;
  if (set == InstructionSet::avx512_vnni) return &avx512_vnni::kInt8Table;
  if (set == InstructionSet::avx2_vnni) return &avx2_vnni::kInt8Table;
  if (set == InstructionSet::avx2) return &avx2::kInt8Table;
#elif defined(__aarch64__)
  if (set == InstructionSet::neon_i8mm) return &neon_i8mm::kInt8Table;
  if (set == InstructionSet::neon_dotprod) return &neon_dotprod::kInt8Table;
  if (set == InstructionSet::neon) return &neon::kInt8Table;
#endif
  return nullptr;
}

}  // namespace hadal
