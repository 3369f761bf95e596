#include "router/rules.h"

#include <algorithm>

#include "router/conditions.h"

namespace jevons {
namespace {

bool applies(const Rule& rule, const DecideInput& input) {
  return std::all_of(rule.when.begin(), rule.when.end(),
                     [&input](const Condition& condition) { return matches(condition, input); });
}

// Whether the labels of a selector decide: its other keys alone would not.
bool labels_fail(const Selector& only, const Target& target) {
  Selector labels;
  labels.labels = only.labels;
  return !selects(labels, target);
}

}  // namespace

RuleEffects rules_for(const DecideInput& input) {
  RuleEffects effects;
  if (input.policy == nullptr) return effects;
  for (const Rule& rule : input.policy->rules) {
    if (!applies(rule, input)) continue;
    if (!rule.refuse.empty()) {
      effects.refuse = &rule;
      return effects;
    }
    if (input.pinned && !about_caller(rule)) continue;
    if (rule.only || rule.avoid) effects.narrowing.push_back(&rule);
    if (rule.prefer && effects.prefer == nullptr) effects.prefer = &rule;
    if (rule.floor) effects.floor = rule.floor;
    if (!rule.effort.empty()) effects.effort = rule.effort;
  }
  return effects;
}

Narrowed narrowed_by(const Rule& rule, const Target& target) {
  if (rule.only && !selects(*rule.only, target)) {
    return labels_fail(*rule.only, target) ? Narrowed::by_label : Narrowed::by_rule;
  }
  if (rule.avoid && selects(*rule.avoid, target)) {
    return rule.avoid->labels.empty() ? Narrowed::by_rule : Narrowed::by_label;
  }
  return Narrowed::no;
}

}  // namespace jevons
