// Parts of the schema compiler that need no rules of their own: looking into schemas, merging and
// comparing them, and the automata of numbers, strings, arrays and objects. Internal to the grammar
// files.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/grammar_json_rules.h"

namespace jevons::engine {

// Ends a compilation; caught in rules_of_schema.
struct SchemaError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] void fail(const std::string& path, const std::string& what);
[[noreturn]] void refuse(const std::string& path, std::string_view keyword);

inline std::string_view text_of(const rapidjson::Value& string) {
  return {string.GetString(), string.GetStringLength()};
}
const rapidjson::Value* member(const rapidjson::Value& object, std::string_view name);  // or null
std::string json_text(const rapidjson::Value& value);                                   // compact
std::uint32_t kind_of(const rapidjson::Value& value);
// Keywords that restrict values; the rest are annotations.
bool is_constraint(std::string_view keyword);

// The kinds of value a schema speaks of: its "type" (and "nullable"), or what its other keywords
// are about, or any.
std::uint32_t kinds_of(const rapidjson::Value& schema, const std::string& path);
// Whether an enum or const value meets "type": integer, bounds and lengths of its own schema.
bool fits_simply(const rapidjson::Value& value, const rapidjson::Value& schema);

// A count such as minItems; at most 4096, which bounds the automaton.
std::size_t count_of(const rapidjson::Value& schema, std::string_view keyword, std::size_t fallback,
                     const std::string& path);
std::vector<std::string> required_of(const rapidjson::Value& schema, const std::string& path);
void check_property_counts(const rapidjson::Value& schema, std::size_t required,
                           const std::string& path);

// Adds what `from` demands to `into`, as allOf does. Fails where that needs more than putting
// keywords together.
void merge_schema(rapidjson::Value& into, const rapidjson::Value& from,
                  rapidjson::Document::AllocatorType& memory, const std::string& path);
// Whether no value fits both, as far as types, constants and required properties show.
bool exclude_each_other(const rapidjson::Value& a, const rapidjson::Value& b);

// Whether "type" asks for whole numbers.
bool schema_is_integer(const rapidjson::Value& schema);
Fragment add_schema_number(RuleNfa& nfa, const rapidjson::Value& schema, const std::string& path);
// False where any string fits: the caller has a shared rule for that.
bool add_schema_string(RuleNfa& nfa, const rapidjson::Value& schema, const std::string& path,
                       Fragment& out);

// [..] of least to most items; item(i) gives a new fragment for item i, alike from `fixed` on.
Fragment add_counted_array(RuleNfa& nfa, std::size_t least, std::size_t most, std::size_t fixed,
                           const std::function<Fragment(std::size_t)>& item);

struct ObjectPlan {
  struct Property {
    std::string key;
    RuleId value = 0;
    bool required = false;
  };
  std::vector<Property> properties;    // in this order
  std::vector<std::string> forbidden;  // keys that additional properties may not use either
  std::optional<RuleId> extra;         // value of additional properties
};
Fragment add_object(RuleNfa& nfa, const ObjectPlan& plan);

}  // namespace jevons::engine
