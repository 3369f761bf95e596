// Why a target lost, turned around: what would have to change for it to win. Found by deciding
// again with the change made, so that it holds.
#pragma once

#include <string>
#include <vector>

#include "router/decision.h"

namespace jevons {

struct WhatIf {
  std::vector<std::string> changes;  // all of them together; empty: it wins as it is
  bool wins = false;                 // with `facts`; false: no change of the target alone suffices
  TargetFacts facts;                 // of the target, after the changes
};

// `decision` was made from `input`. Exploration and the session's stickiness are left out: they
// are about this one draw, not about the target.
WhatIf what_would_win(const DecideInput& input, const Decision& decision, std::size_t target);

}  // namespace jevons
