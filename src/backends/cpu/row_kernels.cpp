// SPDX-License-Identifier: MIT
// Which inner loops over rows fit the machine.
#include "backends/cpu/row_kernels.h"

#include "backends/cpu/instruction_sets.h"
#include "backends/cpu/stream_kernels.h"
#include "ops/packed_rows.h"

namespace hadal::cpu {

RowShape row_shape(const Pool& pool) {
  RowShape shape;
  if (!pool.packed()) {
    shape.values = pool.rows.size(-1);
    shape.bytes = shape.values * static_cast<int64_t>(sizeof(float));
    return shape;
  }
  const PackedRow packed(pool.layout);
  shape.codes = packed.fp4 ? RowShape::e2m1 : RowShape::e4m3;
  shape.bf16_tail = pool.layout.format == RowFormat::fp8_64_bf16;
  shape.e4m3_scales = pool.layout.format == RowFormat::fp4_e4m3_16;
  shape.block = packed.block;
  shape.values = packed.values;
  shape.tail = packed.tail;
  shape.tail_offset = packed.tail_offset;
  shape.scale_offset = packed.scale_offset;
  shape.bytes = packed.bytes;
  return shape;
}

const AttendKernels& attend_kernels_for(InstructionSet set) {
#if defined(__x86_64__)
  if (set >= InstructionSet::avx512) return avx512::kAttend;
  if (set >= InstructionSet::avx2) return avx2::kAttend;
#elif defined(__aarch64__)
  if (set >= InstructionSet::neon) return neon::kAttend;
#endif
  (void)set;
  return portable::kAttend;
}

const ScoreKernels& score_kernels_for(InstructionSet set) {
#if defined(__x86_64__)
  // Sums of whole numbers: the same bits with and without products of bytes.
  if (set >= InstructionSet::avx512_vnni) return avx512_vnni::kScore;
  if (set == InstructionSet::avx512) return avx512::kScore;
  if (set == InstructionSet::avx2_vnni) return avx2_vnni::kScore;
  if (set == InstructionSet::avx2) return avx2::kScore;
#elif defined(__aarch64__)
  if (set >= InstructionSet::neon_dotprod) return neon_dotprod::kScore;
  if (set == InstructionSet::neon) return neon::kScore;
#endif
  (void)set;
  return portable::kScore;
}

const StreamKernels& stream_kernels_for(InstructionSet set) {
#if defined(__x86_64__)
  if (set >= InstructionSet::avx512) return avx512::kStreams;
  if (set >= InstructionSet::avx2) return avx2::kStreams;
#elif defined(__aarch64__)
  if (set >= InstructionSet::neon) return neon::kStreams;
#endif
  (void)set;
  return portable::kStreams;
}

}  // namespace hadal::cpu
