// SPDX-License-Identifier: MIT
// Which table of loops this machine runs.
#include "backends/torch/kernels.h"

#include <cstdlib>
#include <string_view>

namespace hadal {

extern const Kernels kernels_any;
#ifdef HADAL_TORCH_X86_64_LEVELS
extern const Kernels kernels_v3;
extern const Kernels kernels_v4;
#endif

namespace {

#ifdef HADAL_TORCH_X86_64_LEVELS
bool has_v3() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi2");
}

bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

const Kernels& choose() {
#ifdef HADAL_TORCH_X86_64_LEVELS
  const char* asked = std::getenv("HADAL_TORCH_KERNELS");
  const std::string_view name = asked ? asked : "amx";
  const bool is_v4 = name == "amx" || name == "v4";
  if (is_v4 && has_v4()) return kernels_v4;
  if ((is_v4 || name == "v3") && has_v3()) return kernels_v3;
#endif
  return kernels_any;
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace hadal
