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

uint8_t* Workspace::lines(Slot slot, int64_t bytes) {
  constexpr int64_t kLine = 64;
  const int64_t count = (bytes + kLine) / static_cast<int64_t>(sizeof(float)) + 1;
  const uintptr_t address = reinterpret_cast<uintptr_t>(floats(slot, count));
  return reinterpret_cast<uint8_t*>((address + kLine - 1) / kLine * kLine);
}

namespace {

const Int8Table* int8_of(const CpuOptions& options, InstructionSet set) {
  return options.arithmetic == Arithmetic::fast ? int8_kernels_for(set) : nullptr;
}

}  // namespace

CpuOps::CpuOps(const CpuOptions& options, InstructionSet set)
    : kernels_(kernels_for(set)),
      attend_kernels_(attend_kernels_for(set)),
      score_kernels_(score_kernels_for(set)),
      stream_kernels_(stream_kernels_for(set)),
      bf16_(bf16_kernels_for(set)),
      tiles_(tile_kernels_for(set)),
      int8_(int8_of(options, set)),
      pool_({.threads = options.threads, .pinned = options.pinned}),
      name_(int8_ != nullptr ? std::string("cpu ") + int8_->name + " fast"
                             : std::string("cpu ") + kernels_.name +
                                   (tiles_ != nullptr  ? " with amx"
                                    : bf16_ != nullptr ? " with bf16"
                                                       : "")) {}

}  // namespace cpu

std::unique_ptr<Ops> make_cpu_ops(const CpuOptions& options) {
  return std::make_unique<cpu::CpuOps>(options,
                                       options.instruction_set.value_or(best_instruction_set()));
}

}  // namespace hadal
