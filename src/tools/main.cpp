// SPDX-License-Identifier: MIT
// The program `hadal`: a table of sub-commands, and what becomes of their errors.
//
// Exit codes: 0; 1 the machine's or our mistake; 2 the caller's; 130 ended by Ctrl-C.
#include <malloc.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/json.h"
#include "tools/bench.h"
#include "tools/bench_context.h"
#include "tools/chat.h"
#include "tools/command.h"
#include "tools/data.h"
#include "tools/doctor.h"
#include "tools/eval.h"
#include "tools/generate.h"
#include "tools/inspect.h"
#include "tools/keys.h"
#include "tools/quantize.h"
#include "tools/serve.h"
#include "tools/train.h"
#include "tools/version.h"

namespace hadal {
namespace {

constexpr int kMachineExit = static_cast<int>(Blame::machine);
constexpr int kCallerExit = static_cast<int>(Blame::caller);

void add_commands(CLI::App& program, Command& chosen) {
  add_generate(program, chosen);
  add_chat(program, chosen);
  add_train(program, chosen);
  add_data(program, chosen);
  add_inspect(program, chosen);
  add_quantize(program, chosen);
  add_eval(program, chosen);
  add_bench(program, chosen);
  add_bench_context(program, chosen);
  add_serve(program, chosen);
  add_keys(program, chosen);
  add_doctor(program, chosen);
}

int complain(const std::string& message, int exit_code) {
  std::fprintf(stderr, "hadal: %s\n", message.c_str());
  return exit_code;
}

// How many letters must be changed, added or dropped to get from one word to the other.
size_t distance(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  for (size_t j = 0; j <= to.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= from.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t change = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[to.size()];
}

// The sub-command that the line got to: the innermost one that was named.
CLI::App* reached(CLI::App* app) {
  const std::vector<CLI::App*> named = app->get_subcommands();
  return named.empty() ? app : reached(named.front());
}

// The option or command nearest to a word that is neither; empty when none is near.
std::string nearest(CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  const auto nearer = [&](const std::string& a, const std::string& b) {
    return distance(word, a) < distance(word, b);
  };
  const auto best = std::min_element(known.begin(), known.end(), nearer);
  const size_t tolerated = 2;  // a slip or two of the fingers
  return best != known.end() && distance(word, *best) <= tolerated ? *best : "";
}

int explain(CLI::App& program, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return program.exit(error);  // --help, --version
  CLI::App* app = reached(&program);
  const std::string path = app == &program ? "hadal" : "hadal " + app->get_name();
  std::string message = error.what();
  const std::vector<std::string> strangers = app->remaining();
  if (!strangers.empty()) {
    message = "\"" + strangers.front() + "\" is no option or command of " + path;
    const std::string meant = nearest(*app, strangers.front());
    if (!meant.empty()) message += "; did you mean " + meant + "?";
  }
  return complain(printable(message) + "; see " + path + " --help", kCallerExit);
}

// Every step takes and gives back the same large tensors: their pages stay with the process, which
// is worth a twentieth of reading a prompt and a sixth of training a small model.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that the C library takes
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

int run(int argc, char** argv) {
  keep_freed_memory();
  CLI::App program("Hadal: DeepSeek V4 and V4.1, to generate, chat, train, inspect and measure.",
                   "hadal");
  program.set_version_flag("--version", engine_name());
  program.require_subcommand(1);
  program.footer(
      "Examples:\n"
      "  hadal generate --prompt 'The sea is' --seed 7\n"
      "  hadal chat\n"
      "  hadal inspect models/nano\n"
      "Each command explains itself: hadal COMMAND --help");
  Command chosen;
  add_commands(program, chosen);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return explain(program, error);
  }
  const Result<int> code = chosen();
  return code ? *code : complain(code.error().message, static_cast<int>(code.error().blame));
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) {
  try {
    return hadal::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return hadal::complain("out of memory", hadal::kMachineExit);
  } catch (const std::exception& error) {
    return hadal::complain(error.what(), hadal::kMachineExit);
  }
}
