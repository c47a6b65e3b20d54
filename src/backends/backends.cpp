// SPDX-License-Identifier: MIT
// Back ends by name.
#include "backends/backends.h"

#include "backends/cpu/cpu_ops.h"
#ifdef HADAL_WITH_TORCH
#include "backends/torch/torch_ops.h"
#endif

namespace hadal {
namespace {

using Opened = Result<std::unique_ptr<Ops>>;

struct Backend {
  std::string name;
  Opened (*open)(const BackendOptions& options);
};

Opened open_cpu(const BackendOptions& options) {
  CpuOptions cpu{.threads = options.threads, .pinned = options.pinned};
  std::string set = options.device, sets;  // "fast", "avx2", "fast:avx2"
  if (set == "fast" || set.starts_with("fast:")) {
    cpu.arithmetic = Arithmetic::fast;
    set.erase(0, std::string_view("fast:").size());
  }
  for (InstructionSet known : kInstructionSetsBestFirst) {
    if (!machine_has(known)) continue;
    if (instruction_set_name(known) == set) cpu.instruction_set = known;
    sets += ", " + std::string(instruction_set_name(known));
  }
  if (!set.empty() && !cpu.instruction_set)
    return fail("back end cpu has \"", options.device,
                "\", expected nothing, fast, SET or fast:SET, of", sets.substr(1));
  return make_cpu_ops(cpu);
}

Opened open_reference(const BackendOptions&) {
  return make_reference_ops();
}

#ifdef HADAL_WITH_TORCH
Opened open_torch(const BackendOptions& options) {
  return make_torch_ops(options.device.empty() ? "cpu" : options.device);
}
#endif

const std::vector<Backend>& backends() {
  static const std::vector<Backend> kBackends = {
      {"cpu", open_cpu},
      {"reference", open_reference},
#ifdef HADAL_WITH_TORCH
      {"torch", open_torch},
#endif
  };
  return kBackends;
}

}  // namespace

std::vector<std::string> built_backends() {
  std::vector<std::string> names;
  for (const Backend& backend : backends()) names.push_back(backend.name);
  return names;
}

Result<std::unique_ptr<Ops>> open_backend(const BackendOptions& options) {
  std::string names;
  for (const Backend& backend : backends()) {
    if (backend.name == options.name) {
      if (!options.device.empty() && backend.name == "reference")
        return fail("back end ", backend.name, " has no device \"", options.device, "\"");
      return backend.open(options);
    }
    names += (names.empty() ? "" : ", ") + backend.name;
  }
  return fail("back end is \"", options.name, "\", this build has: ", names);
}

}  // namespace hadal
