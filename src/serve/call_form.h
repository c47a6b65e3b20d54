// SPDX-License-Identifier: MIT
// Calls of tools as a form: the block of calls, as the dialect writes it (model-spec 9.6), with
// names that are offered and arguments that fit their schemas.
//
//   Grammar grammar;
//   TRY(NodeId calls, add_calls(grammar, {.marker = dsml_id, .tools = tools}));
//
// Where it begins: `whole` with the empty line before the block; `behind_marker` behind the first
// control token, for answers that are free until they call.  Stateless; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "text/bounded_json.h"
#include "text/chat.h"

namespace hadal {

struct CallTool {
  std::string name;
  OrderedJson parameters;  // a JSON schema; null: no arguments
  // The arguments fit the schema, or the form is refused.  Otherwise they fit it if it can be
  // held, and else they are arguments by the listed names, of any values.
  bool strict = false;
  std::string field = {};  // of the schema, for messages
};

struct CallForm {
  enum class Begin { whole, behind_marker };
  Dialect dialect = Dialect::v41;
  int64_t marker = 0;  // the id of ｜DSML｜
  std::vector<CallTool> tools;
  bool one_call = false;
  Begin begin = Begin::whole;
};

Result<NodeId> add_calls(Grammar& grammar, const CallForm& form);

// What comes before the control token that begins a block of calls.
inline constexpr std::string_view kBeforeCalls = "\n\n<";

}  // namespace hadal
