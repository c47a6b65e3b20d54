// SPDX-License-Identifier: MIT
// `hadal eval goldens` for builds of the core rooms, which have no program: exact arithmetic of the
// best instruction set.
//
//   golden_runs FOLDER EXPECTED [FILE NAME]
//
// EXPECTED: its expected.safetensors, or another folder's.  FILE and NAME: the tensor that holds
// the Engram token map, which the program computes from the folder's tokenizer.
#include <cstdio>
#include <iostream>

#include "backends/cpu/cpu_ops.h"
#include "base/safetensors.h"
#include "tools/goldens.h"

namespace hadal {
namespace {

Result<int> run(int count, char** arguments) {
  if (count != 3 && count != 5) return fail("usage: golden_runs FOLDER EXPECTED [FILE NAME]");
  GoldenOptions options{.folder = arguments[1], .expected = arguments[2], .tolerance = 1e-4};
  if (count == 5) {
    TRY(const Safetensors file, Safetensors::open(arguments[3]));
    const Tensor* map = file.find(arguments[4]);
    if (map == nullptr) return fail(arguments[3], ": no ", arguments[4]);
    options.token_map = {map->data<int64_t>(), map->data<int64_t>() + map->count()};
  }
  const std::unique_ptr<Ops> ops = make_cpu_ops({});
  TRY(const GoldenReport report, check_goldens(options, *ops));
  return print_report(report, options, ops->name(), std::cout) ? 0 : 1;
}

}  // namespace
}  // namespace hadal

int main(int count, char** arguments) {
  hadal::Result<int> code = hadal::run(count, arguments);
  if (code) return code.take();
  std::fprintf(stderr, "%s\n", code.error().message.c_str());
  return 2;
}
