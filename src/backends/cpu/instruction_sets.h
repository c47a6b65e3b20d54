// SPDX-License-Identifier: MIT
// Which of the compiled kernel tables this machine can run.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace hadal {

enum class InstructionSet : uint8_t {
  portable,   // any machine
  avx2,       // AVX2, FMA, F16C: Haswell (2013), Zen
  avx2_vnni,  // the same, with products of bytes in one instruction: Alder Lake (2021)
  avx512,     // AVX-512 F, BW, VL, DQ: Skylake-SP (2017)
  // The same, with products of bytes for the fast mode; exact arithmetic is that of avx512.
  avx512_vnni,   // Cascade Lake (2019)
  avx512_vbmi,   // and look-ups of bytes: Ice Lake
  avx512_bf16,   // and products of BF16, which exact arithmetic takes too: Sapphire Rapids, Zen 4
  amx,           // and tiles of BF16, which exact arithmetic takes instead: Sapphire Rapids
  neon,          // any 64-bit ARM
  neon_dotprod,  // the same, with products of bytes in one instruction: Cortex-A76, Apple M1
  neon_i8mm,     // and of two rows with two outputs: Neoverse V1, Apple M2
};

// Best first: the first one that the machine has is taken.
inline constexpr std::array kInstructionSetsBestFirst = {
    InstructionSet::neon_i8mm,   InstructionSet::neon_dotprod, InstructionSet::neon,
    InstructionSet::amx,         InstructionSet::avx512_bf16,  InstructionSet::avx512_vbmi,
    InstructionSet::avx512_vnni, InstructionSet::avx512,       InstructionSet::avx2_vnni,
    InstructionSet::avx2,        InstructionSet::portable};

std::string_view instruction_set_name(InstructionSet set);
bool machine_has(InstructionSet set);
InstructionSet best_instruction_set();

namespace cpu {
struct KernelTable;
struct Bf16Table;
struct TileTable;
struct Int8Table;
// REQUIRES: machine_has(set).
const KernelTable& kernels_for(InstructionSet set);
// Exact products in BF16; nullptr where the set has none, and f32 serves.
const Bf16Table* bf16_kernels_for(InstructionSet set);
// Exact products in tiles of BF16; nullptr where the set has none.
const TileTable* tile_kernels_for(InstructionSet set);
// Products of bytes; nullptr where the set has none, and the fast mode is the exact one.
const Int8Table* int8_kernels_for(InstructionSet set);
}  // namespace cpu

}  // namespace hadal
