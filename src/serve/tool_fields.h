// SPDX-License-Identifier: MIT
// Tools in a request: which are offered, which may be called, and whether one must be.
//
//   TRY(CallTool tool, read_tool(fields, "parameters"));         // of each
//   TRY(ToolChoice choice, read_openai_choice(fields));
//   TRY_STATUS(choose_tools(choice, "tool_choice", std::move(tools), call.tools));
//
// Stateless; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/call_form.h"
#include "serve/json_fields.h"

namespace hadal {

inline constexpr size_t kMostTools = 128;  // as OpenAI's service

// What a request wants to be done with its tools.
struct ToolChoice {
  enum class Mode { none, automatic, required };
  Mode mode = Mode::automatic;
  std::optional<std::vector<std::string>> names = std::nullopt;  // only these; absent: all
};

// What follows for the answer.
struct OfferedTools {
  std::vector<CallTool> tools;  // that may be called
  bool required = false;        // the answer is a call
  bool restricted = false;      // the model is shown more of them than it may call

  // Whether calls must be held to a form.
  bool held() const;
};

// The tool's name, strict, and its schema under the name that the API has for it.  The latter may
// be absent.
ApiResult<CallTool> read_tool(JsonFields& tool, std::string_view parameters);

// tool_choice: none, auto, required, a function, or allowed_tools; as chat completions and as
// responses write it.
ApiResult<ToolChoice> read_openai_choice(JsonFields& fields);

// Requires: no choice of none.
ApiStatus choose_tools(const ToolChoice& choice, const std::string& field,
                       std::vector<CallTool> tools, OfferedTools& offered);

}  // namespace hadal
