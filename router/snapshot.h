// The state of the world, copied before deciding: what keeps `decide` pure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/learned.h"
#include "router/money.h"

namespace jevons {

enum class BreakerState : std::uint8_t { closed, open, half_open };

struct TargetState {
  BreakerState breaker = BreakerState::closed;
  bool at_limit = false;                           // max_in_flight of its provider reached
  std::optional<double> ttft_ms_p50, ttft_ms_p95;  // live statistics, absent until measured
  std::optional<double> tpot_ms;
  double error_rate = 0;
  std::optional<double> failures_at_most;  // proven whatever was learned: for policy tests
};

struct Snapshot {
  std::int64_t now_unix_s = 0;
  std::uint64_t seed = 0;            // randomness of this decision
  std::vector<TargetState> targets;  // same order as Catalog::targets; empty = all defaults
  // Least that all matching hard budgets could still afford beside what is reserved; absent = no
  // hard budget.
  std::optional<Nanodollars> budget_left;
  std::optional<Nanodollars> budget_unspent;  // the same if nothing were reserved
  std::optional<double> budget_left_percent;
  // What exploration may still cost today; absent = the policy sets no limit.
  std::optional<Nanodollars> explore_left;
  // Session stickiness: target index that served this session last, and the prompt tokens it holds
  // cached there.
  std::optional<std::size_t> session_target;
  std::int64_t session_cached_tokens = 0;
  // What outcomes have taught; null: the catalog's abilities alone.
  std::shared_ptr<const Learned> learned;
};

}  // namespace jevons
