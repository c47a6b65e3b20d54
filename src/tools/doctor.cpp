// SPDX-License-Identifier: MIT
// `hadal doctor`.
#include "tools/doctor.h"

#include <CLI/CLI.hpp>

#include <sstream>
#include <string>

#include "backends/backends.h"
#include "tools/machine.h"
#include "tools/options.h"
#include "tools/output.h"

namespace hadal {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text.empty() ? "none" : text;
}

Result<int> doctor_command() {
  const Memory memory = machine_memory();
  std::ostringstream text;
  text << "processor     " << processor_name() << "\n"
       << "vector units  " << joined(processor_flags()) << "\n"
       << "cores         " << machine_cores() << "\n"
       << "memory        " << bytes_text(memory.available_bytes) << " available of "
       << bytes_text(memory.total_bytes) << "\n";
  for (const std::string& name : built_backends()) {
    const Result<std::unique_ptr<Ops>> ops = open_backend({.name = name});
    text << "back end      " << name << ": "
         << (ops ? std::string((*ops)->name()) + ", works" : ops.error().message) << "\n";
  }
  const Result<std::string> model = model_folder({});
  text << "model         " << (model ? *model : model.error().message) << "\n";
  Output out;
  out.write(text.str());
  TRY_STATUS(out.finish());
  return 0;
}

}  // namespace

void add_doctor(CLI::App& program, Command& chosen) {
  CLI::App* command = program.add_subcommand("doctor", "What this machine and this build offer");
  command->footer("Example:\n  hadal doctor");
  command->callback([&chosen] { chosen = doctor_command; });
}

}  // namespace hadal
