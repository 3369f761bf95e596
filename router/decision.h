// decide: classification + policy + snapshot -> an ordered plan with reasons. Pure: no clock, no
// log, no lock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/chat.h"
#include "router/classification.h"
#include "router/error.h"
#include "router/policy.h"
#include "router/snapshot.h"
#include "router/target.h"

namespace jevons {

// Why a target cannot serve: the first that holds, in this order (contract.md 6).
enum class WhyNot : std::uint8_t {
  none,
  context,
  capability,
  label,
  allow_list,
  rule,
  price_unknown,
  budget,
  breaker,
  sla_ttft,
  sla_total,
  max_cost,
  quality_floor
};
std::string_view why_not_name(WhyNot why);

enum class Reason : std::uint8_t {
  cheapest_above_floor,
  best,
  fastest,
  best_value,
  rule,
  pinned_model,
  session_sticky,
  only_eligible,
  relaxed,
  explore,
  best_until_proven  // a target that ranks before it lacks the proof that the policy asks for
};
std::string_view reason_name(Reason reason);

// sample: the first target asked a second time, to compare. Never in a plan that is shown.
enum class PlanOn : std::uint8_t { start, retry, escalate, fallback, hedge, sample };
std::string_view plan_on_name(PlanOn on);

// What a decision knew about one target whatever the policy says: enough to decide again later,
// under this or another policy, without asking what was learned or measured since.
struct TargetFacts {
  std::uint32_t hard = 0;  // bit per WhyNot: context, capability, allow_list, budget, breaker
  double p_ok = 0;
  std::optional<Nanodollars> cost;        // with what the session holds cached there
  std::optional<Nanodollars> fresh_cost;  // without
  double ttft_ms = 0, ttft_p95_ms = 0, total_ms = 0, total_p95_ms = 0;
  double failures_at_most = 1;  // proven for requests like this (guarantee.h); 1: nothing is
  bool operator==(const TargetFacts&) const = default;
};

struct Candidate {
  std::size_t target = 0;  // index into Catalog::targets
  std::optional<double> p_ok;
  std::optional<Nanodollars> expected_cost;
  std::optional<double> expected_ttft_ms, expected_total_ms;
  WhyNot why_not = WhyNot::none;
  std::uint32_t reasons = 0;  // every WhyNot that holds, bit per enumerator; why_not is the first
  double propensity = 0;      // chance that this decision's draw had of choosing it
  TargetFacts facts;
  bool eligible() const { return why_not == WhyNot::none; }
  bool excluded_only_by(WhyNot why) const { return reasons == 1u << static_cast<unsigned>(why); }
};

struct PlanStep {
  std::size_t target = 0;
  PlanOn on = PlanOn::start;
};

struct Decision {
  std::optional<std::size_t> target;  // empty: infeasible
  const Policy* policy = nullptr;     // null for a pinned model without policy
  std::string rule;                   // name of the rule that ordered or narrowed, empty: none
  Reason reason = Reason::cheapest_above_floor;
  std::vector<Relax> relaxed;
  std::vector<Candidate> candidates;  // every target of the catalog, in catalog order
  std::optional<std::size_t> baseline;
  std::optional<Nanodollars> baseline_cost;  // expected, of the baseline target
  std::vector<PlanStep> plan;
  std::string effort;                    // reasoning effort ordered by a rule, empty: the client's
  double propensity = 1.0;               // of the chosen target under exploration
  std::optional<double> hedge_after_ms;  // when the plan's hedge step may start; empty: never
  bool pinned = false;                   // the client named the target itself
  std::string refuse_message;            // a rule refused: 403 refused_by_policy
};

// What the caller (key, headers) allows and asks, besides the body.
struct Caller {
  std::string key_name;                     // "anonymous" when no keys are configured
  std::vector<std::string> allowed_models;  // globs on target names, empty = all
  double min_quality = 0.0;
  std::optional<double> quality;            // x-jevons-quality
  std::optional<Nanodollars> max_cost;      // x-jevons-max-cost-usd
  std::string session;                      // x-jevons-session
  std::map<std::string, std::string> tags;  // merged, the key's own win
};

struct DecideInput {
  const Catalog& catalog;
  const Policy* policy = nullptr;     // null only when pinned without policy
  std::optional<std::size_t> pinned;  // exact name or alias
  const ChatRequest& request;
  const Classification& classification;
  const Caller& caller;
  const Snapshot& snapshot;
  // By target index, of a recorded decision: used instead of what is known now. A target without
  // an entry is judged afresh. Null: all are.
  const std::vector<std::optional<TargetFacts>>* recorded = nullptr;
};

// Never fails: infeasible is a Decision without target whose candidates say why.
Decision decide(const DecideInput& input);

// The error for an infeasible decision (contract.md 8: the first reason that alone excludes).
Error infeasible_error(const Decision& decision, const Catalog& catalog);

// What a requested model name means: exact target or alias -> pinned; else a policy that serves it.
struct Resolution {
  std::optional<std::size_t> pinned;
  const Policy* policy = nullptr;
};
// `allowed` are the key's policies in its order; `named` is x-jevons-policy (empty: none).
// Errors: model_not_found, policy_not_allowed, and for an unknown policy name invalid_value.
Result<Resolution> resolve_model(const Catalog& catalog, const std::vector<Policy>& policies,
                                 const std::vector<std::string>& allowed, std::string_view named,
                                 std::string_view requested_model, Endpoint endpoint);

// Task, difficulty and predicted lengths from the request alone; linear in its size, no allocation
// per token. Cannot fail: without evidence it says so by uncertainty 1 and difficulty 0.5.
Classification classify(const ChatRequest& request);
// The same with other weights than the built-in ones; null: the static rule alone.
class Brain;
Classification classify(const ChatRequest& request, const Brain* brain);
// Which weights classify uses: "w1-<hash>", or "static" without usable weights. For the ledger.
std::string_view weights_id();

// Output tokens to allow: the request's own cap, else the target's max_output, within context.
std::int64_t output_cap(const ChatRequest& request, const Classification& classification,
                        const Target& target);

// The upper bound that a hard budget reserves for one attempt: upper-bound input and the whole
// output cap at the dearest mode the target may serve. Empty: price unknown.
std::optional<Nanodollars> reservation_of(const Catalog& catalog, const Target& target,
                                          const Classification& classification,
                                          std::int64_t output_cap, const ChatRequest& request,
                                          std::int64_t unix_s);

}  // namespace jevons
