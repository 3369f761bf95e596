// The choice among weighed targets, and the order of the plan behind it.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "router/decision.h"
#include "router/estimate.h"

namespace jevons {

// A target with everything that a choice looks at.
struct Weighed {
  std::size_t target = 0;
  double p_ok = 0;
  std::optional<Nanodollars> cost;        // with what the session holds cached there
  std::optional<Nanodollars> fresh_cost;  // without
  Latency latency;
  std::uint32_t reasons = 0;    // bit per WhyNot; 0 = eligible
  std::uint32_t hard = 0;       // those of them that no policy changes
  double failures_at_most = 1;  // proven of it
  bool held_back = false;       // for want of that proof, and by nothing else
  bool over_caller_limit = false;
  bool preferred = false;  // by the first matching `prefer`
  bool eligible() const { return reasons == 0; }
};

struct Pick {
  std::optional<std::size_t> target;
  Reason reason = Reason::cheapest_above_floor;
  double propensity = 1.0;
  // Where the choice was drawn: every target that could have come, with its chance.
  std::vector<std::pair<std::size_t, double>> chances;
};
// `weighed` in catalog order. `relaxed`: the limits that were waived to make a choice possible.
Pick pick_target(const DecideInput& input, const std::vector<Weighed>& weighed,
                 const std::vector<Relax>& relaxed);

// start, escalate, fallback: distinct targets in this order; a hedge step, if any, is the last and
// names the target that is tried beside the first.
std::vector<PlanStep> plan_of(const DecideInput& input, const std::vector<Weighed>& weighed,
                              std::size_t start);

}  // namespace jevons
