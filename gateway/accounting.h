// From what an attempt did to what it cost: pure functions. Claims of an upstream are bounded by
// what we counted ourselves; what it did not report is estimated and marked so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "router/classification.h"
#include "router/target.h"
#include "router/usage.h"

namespace jevons {

// What we know of one attempt after it ended.
struct AttemptFacts {
  const Catalog* catalog = nullptr;
  const Target* target = nullptr;
  const Target* baseline = nullptr;  // null: the target is its own baseline
  const Classification* classification = nullptr;
  std::int64_t intent_unix_s = 0;  // picks the price row
  std::int64_t output_cap = 0;     // output tokens the upstream was allowed
  std::optional<Usage> claimed;    // as the upstream reported it
  std::int64_t output_bytes = 0;   // visible text and tool arguments that arrived
  std::int64_t reasoning_bytes = 0;
  bool complete = false;                 // the answer reached its own end
  bool no_output = false;                // embeddings
  std::string served_tier;               // as the upstream named it
  std::int64_t engine_microseconds = 0;  // local target
};

// Usage with every class that matters measured or estimated. A claim that no request of this size
// can have is replaced by an estimate and named in `suspicion`.
Usage settled_usage(const AttemptFacts& facts);

// The price mode of a served tier: "default", "standard", "auto" and "" are "".
std::string price_mode(const std::string& served_tier);

struct AttemptCost {
  std::optional<CostBreakdown> cost;  // empty: unpriced
  std::string price_id;               // id@from; empty: unpriced or local
  std::string mode;
  Nanodollars baseline;
};
AttemptCost attempt_cost(const AttemptFacts& facts, const Usage& usage);

// The dearest of the modes that could be served, on an estimate: what an intent writes down.
Usage estimated_usage(const Classification& classification, std::int64_t output_cap);

}  // namespace jevons
