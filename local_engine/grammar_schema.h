// JSON schema to grammar rules. Internal to the grammar files; the face is Grammar.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "local_engine/grammar_automaton.h"

namespace jevons::engine {

struct SchemaRules {
  std::vector<RuleNfa> rules;
  std::vector<std::string> names;  // the place in the schema each rule stands for: "#/properties/a"
  RuleId root = 0;
};

// invalid_input with the place and the keyword, for schemas that are wrong or beyond us.
EngineResult<SchemaRules> rules_of_schema(std::string_view schema_json);
// Any JSON object.
SchemaRules rules_of_any_object();

}  // namespace jevons::engine
