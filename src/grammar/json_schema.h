// SPDX-License-Identifier: MIT
// JSON schemas (draft 2020-12, as far as a grammar can hold them) as grammars of JSON text.
//
//   TRY(Grammar grammar, json_schema_grammar(schema));
//   TRY(Grammar grammar, json_object_grammar());            // any object
//
// Every text that the grammar matches is valid.  Read: type (also several), enum, const,
// properties, required, additionalProperties, minProperties up to 1 and maxProperties of plain
// maps, items, prefixItems, minItems, maxItems, minLength, maxLength, pattern, format, bounds of
// integers and numbers, anyOf, oneOf where no value fits two of its schemas, allOf and $ref (also
// recursive) within the document, nullable.  Annotations are let through; every other keyword is
// refused by name and path.
//
// Choices among valid texts: members stand in the schema's order, further ones behind; members
// that are not listed are written only if additionalProperties asks for it or none are listed;
// elements behind prefixItems only if `items` says which; a keyword implies its type.  White space
// and numbers as in json_text.h.  Stateless; any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "grammar/grammar.h"

namespace hadal {

struct JsonSchemaOptions {
  std::string name = "schema";  // begins the message of a failure
  CharacterSet avoided = {};    // written as \u escapes only
};

// Adds what a schema matches to a grammar that has other parts.
Result<NodeId> add_json_schema(Grammar& grammar, const nlohmann::ordered_json& schema,
                               const JsonSchemaOptions& options);
Result<Grammar> json_schema_grammar(const nlohmann::ordered_json& schema);
Result<Grammar> json_object_grammar();

// A member of an object schema, for callers that write members in a form of their own.
struct JsonSchemaMember {
  std::string name;
  bool required = false;
  // Its strings as plain text, without quotes and escapes; and its other values as JSON.  Either
  // is absent if the schema admits none.
  std::optional<NodeId> text, json;
};

// Requires nothing of the schema but to be one: an object with listed members, or a failure says
// what else it is.  Members that are not listed are not written.
Result<std::vector<JsonSchemaMember>> add_json_members(Grammar& grammar,
                                                       const nlohmann::ordered_json& schema,
                                                       const JsonSchemaOptions& options);

}  // namespace hadal
