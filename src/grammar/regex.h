// SPDX-License-Identifier: MIT
// Regular expressions as ECMAScript writes them, as far as they are regular.
//
//   TRY(Grammar grammar, regex_grammar("[a-z]+(-[a-z]+)*"));
//
// Read: alternatives, groups (named or not), * + ? {m,n} (also lazy), classes, \d \w \s and their
// opposites, . and the usual escapes; ^ and $ at the ends of the whole or of its alternatives.
// Refused by name: look-around, back-references, word boundaries, properties, flags.  Characters
// are code points.  Stateless; any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hadal {

// whole: the text is a match.  search: it holds one, as JSON schema's `pattern` says.
enum class RegexMatch { whole, search };

// How one character of a set is written.
using SpellCharacters = std::function<NodeId(Grammar&, const CharacterSet&)>;

struct RegexOptions {
  RegexMatch match = RegexMatch::whole;
  SpellCharacters spell = {};       // empty: as itself
  std::string_view name = "regex";  // begins the message of a failure
};

Result<NodeId> add_regex(Grammar& grammar, std::string_view pattern, const RegexOptions& options);
Result<Grammar> regex_grammar(std::string_view pattern);

}  // namespace hadal
