// The rules of a policy that match a request, read top to bottom once (contract.md 5).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "router/decision.h"

namespace jevons {

struct RuleEffects {
  std::vector<const Rule*> narrowing;  // every matching `only` and `avoid`
  const Rule* prefer = nullptr;        // the first
  const Rule* refuse = nullptr;        // ends the reading
  std::optional<double> floor;         // the last
  std::string effort;                  // the last
};

// A pinned name keeps its target whatever the rules prefer; but rules that refuse, and rules about
// who asks (key, tags), bind it too: naming a model is no way around "restricted data stays home".
RuleEffects rules_for(const DecideInput& input);

enum class Narrowed : std::uint8_t { no, by_label, by_rule };
Narrowed narrowed_by(const Rule& rule, const Target& target);

}  // namespace jevons
