// SPDX-License-Identifier: MIT
// The one place that asks the processor what it can do.
#include "backends/cpu/instruction_sets.h"

#include "backends/cpu/kernels.h"
#include "base/result.h"

namespace hadal {

std::string_view instruction_set_name(InstructionSet set) {
  switch (set) {
    case InstructionSet::portable:
      return "portable";
    case InstructionSet::avx2:
      return "avx2";
    case InstructionSet::avx512:
      return "avx512";
  }
  return "?";
}

bool machine_has(InstructionSet set) {
#if defined(__x86_64__)
  // The compilers' run-time support also checks that the system saves the wide registers.
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  if (set == InstructionSet::avx2) return has_avx2;
  if (set == InstructionSet::avx512)
    return has_avx2 && __builtin_cpu_supports("avx512f") != 0 &&
           __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
           __builtin_cpu_supports("avx512dq") != 0;
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
  if (set == InstructionSet::avx512) return avx512::kTable;
  if (set == InstructionSet::avx2) return avx2::kTable;
#endif
  return portable::kTable;
}

}  // namespace hadal
