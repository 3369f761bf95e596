// The grammar of plain JSON, which schema rules call for whatever a schema leaves open. Internal to
// the grammar files.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "local_engine/grammar_automaton.h"

namespace jevons::engine {

// Kinds of JSON values, as bits.
enum JsonKind : std::uint32_t {
  kNullKind = 1,
  kBooleanKind = 2,
  kNumberKind = 4,
  kStringKind = 8,
  kArrayKind = 16,
  kObjectKind = 32,
  kAnyKind = 63,
};

// The rules of a grammar in the making. References stay valid while rules are added.
class RuleSet {
 public:
  RuleId add(std::string name);
  RuleNfa& at(RuleId rule) { return rules_[rule]; }
  std::size_t size() const { return rules_.size(); }
  std::vector<RuleNfa> take_rules();
  std::vector<std::string> take_names() { return std::move(names_); }
  std::size_t node_count() const;

  RuleId any_value();
  RuleId any_string();
  RuleId any_object();
  RuleId any_array();

  // Optional white space: nothing, one space, or a newline and up to 16 blanks. Bounded, so that a
  // model cannot fill its answer with blanks.
  static Fragment blank(RuleNfa& nfa);
  // open [item {, item}] close with blanks between; `item` comes to stand in a loop.
  static Fragment bracketed(RuleNfa& nfa, char open, Fragment item, char close);
  static Fragment key_and_value(RuleNfa& nfa, Fragment key, Fragment value);

 private:
  std::deque<RuleNfa> rules_;
  std::vector<std::string> names_;
  std::optional<RuleId> value_, string_, object_, array_;
};

}  // namespace jevons::engine
