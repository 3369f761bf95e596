// What a target would do with a request: chance of a good answer, cost and latency.
#pragma once

#include <optional>
#include <string>

#include "router/decision.h"

namespace jevons {

// Chance of a good answer (contract.md 3): sigmoid(logit(ability in the task, else overall) +
// 4 (0.5 - difficulty)).
double p_ok_of(const Target& target, const Classification& classification);
// The same before outcomes, as outcomes have corrected it for this caller since. A policy that does
// not learn uses the first.
double p_ok_of(const DecideInput& input, const Target& target);
// What this caller's own outcomes prove of the target for requests like this: no larger share
// fails, with the confidence of QualityProof. 1: nothing is proven.
double failures_at_most(const DecideInput& input, const Target& target, const TargetState& state);
// What a head of that target looks at.
HeadInput head_input(const Target& target, const Classification& classification);

// The price mode a request asks for: "" (standard), "batch", "flex", "priority", "fast", ...
std::string price_mode(const ChatRequest& request);

// The query that prices this target at a time.
PriceQuery price_query(const Target& target, std::string mode, std::int64_t unix_s,
                       std::int64_t total_input);

// The classification as it is for answers of that target: predicted completion tokens as its own
// answers have corrected them for this caller, within the request's cap. A policy that does not
// learn gets them unchanged.
Classification answered_by(const DecideInput& input, const Target& target);
// The completion tokens, reasoning included, that are predicted for that target before its answers
// are known and without the request's cap; 0: nothing is predicted.
double typical_completion(const ChatRequest& request, const Classification& classification,
                          const Target& target);

// Tokens by class as expected: the cached share, what is written to the cache, the mean of the
// predicted completion, and reasoning where the request asks for it.
Usage expected_usage(const ChatRequest& request, const Classification& classification,
                     const Target& target, std::int64_t cached_tokens);

struct Latency {
  double ttft_ms = 0, ttft_p95_ms = 0;
  double total_ms = 0, total_p95_ms = 0;
};
Latency latency_of(const Target& target, const TargetState& state,
                   const Classification& classification);

// Empty: price unknown.
std::optional<Nanodollars> expected_cost(const DecideInput& input, const Target& target,
                                         std::int64_t cached_tokens);

}  // namespace jevons
