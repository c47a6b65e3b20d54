// SPDX-License-Identifier: MIT
// Opening the back end.
#include "backends/cpu/cpu_ops.h"

#include <string>

#include "backends/cpu/cpu_verbs.h"

namespace hadal {
namespace cpu {

Workspace& workspace() {
  thread_local Workspace own;
  return own;
}

float* Workspace::floats(Slot slot, int64_t count) {
  Tensor& memory = slots_[slot];
  if (!memory.defined() || memory.count() < count) memory = Tensor::empty(DType::f32, {count});
  return memory.data<float>();
}

CpuOps::CpuOps(const CpuOptions& options)
    : kernels_(kernels_for(options.instruction_set.value_or(best_instruction_set()))),
      pool_(options.threads),
      name_(std::string("cpu ") + kernels_.name) {}

}  // namespace cpu

std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options) {
  return std::make_unique<cpu::CpuOps>(options);
}

}  // namespace hadal
