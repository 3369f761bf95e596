#include "local_engine/grammar_json_rules.h"

#include <iterator>

#include "local_engine/grammar_numbers.h"
#include "local_engine/grammar_regex.h"

namespace jevons::engine {

RuleId RuleSet::add(std::string name) {
  rules_.emplace_back();
  names_.push_back(std::move(name));
  return static_cast<RuleId>(rules_.size() - 1);
}

std::vector<RuleNfa> RuleSet::take_rules() {
  return {std::make_move_iterator(rules_.begin()), std::make_move_iterator(rules_.end())};
}

std::size_t RuleSet::node_count() const {
  std::size_t count = 0;
  for (const RuleNfa& rule : rules_) count += rule.size();
  return count;
}

Fragment RuleSet::blank(RuleNfa& nfa) {
  const Fragment made{nfa.add_node(), nfa.add_node()};
  nfa.add_empty(made.begin, made.end);
  nfa.add_bytes(made.begin, ' ', ' ', made.end);
  NfaNode at = nfa.add_node();
  nfa.add_bytes(made.begin, '\n', '\n', at);
  for (int i = 0; i < 16; ++i) {
    nfa.add_empty(at, made.end);
    const NfaNode next = nfa.add_node();
    nfa.add_bytes(at, ' ', ' ', next);
    nfa.add_bytes(at, '\t', '\t', next);
    at = next;
  }
  nfa.add_empty(at, made.end);
  return made;
}

Fragment RuleSet::bracketed(RuleNfa& nfa, char open, Fragment item, char close) {
  const Fragment more = nfa.sequence(nfa.literal(","), blank(nfa));
  nfa.add_empty(item.end, more.begin);
  nfa.add_empty(more.end, item.begin);
  const Fragment items = nfa.sequence(item, blank(nfa));
  const Fragment begin = nfa.sequence(nfa.literal(std::string(1, open)), blank(nfa));
  return nfa.sequence(nfa.sequence(begin, nfa.optional(items)), nfa.literal(std::string(1, close)));
}

Fragment RuleSet::key_and_value(RuleNfa& nfa, Fragment key, Fragment value) {
  const Fragment colon = nfa.sequence(nfa.literal(":"), blank(nfa));
  return nfa.sequence(nfa.sequence(key, colon), value);
}

RuleId RuleSet::any_string() {
  if (string_) return *string_;
  string_ = add("any string");
  RuleNfa& nfa = at(*string_);
  const std::pair<char32_t, char32_t> all(0, 0x10ffff);
  const Fragment character = add_string_character(nfa, std::span(&all, 1), true);
  const Fragment body = nfa.optional(nfa.repeated(character));
  nfa.finish(nfa.sequence(nfa.sequence(nfa.literal("\""), body), nfa.literal("\"")));
  return *string_;
}

RuleId RuleSet::any_object() {
  if (object_) return *object_;
  object_ = add("any object");
  const RuleId key = any_string(), value = any_value();
  RuleNfa& nfa = at(*object_);
  nfa.finish(bracketed(nfa, '{', key_and_value(nfa, nfa.call(key), nfa.call(value)), '}'));
  return *object_;
}

RuleId RuleSet::any_array() {
  if (array_) return *array_;
  array_ = add("any array");
  const RuleId value = any_value();
  RuleNfa& nfa = at(*array_);
  nfa.finish(bracketed(nfa, '[', nfa.call(value), ']'));
  return *array_;
}

RuleId RuleSet::any_value() {
  if (value_) return *value_;
  value_ = add("any value");
  const RuleId string = any_string(), object = any_object(), array = any_array();
  RuleNfa& nfa = at(*value_);
  Fragment number;
  add_number(nfa, {}, number);
  const Fragment parts[] = {nfa.call(string),    nfa.call(object),     nfa.call(array),    number,
                            nfa.literal("true"), nfa.literal("false"), nfa.literal("null")};
  nfa.finish(nfa.any_of(parts));
  return *value_;
}

}  // namespace jevons::engine
