// decide: filter the catalog, weigh what is left, order a plan. The steps stand in run().
#include <algorithm>
#include <cmath>

#include "router/choose.h"
#include "router/decision_record.h"
#include "router/efforts.h"
#include "router/estimate.h"
#include "router/rules.h"

namespace jevons {
namespace {

// An answer of fewer tokens than this is none: below it a budget excludes the target, above it the
// output cap is lowered instead (contract.md 10).
constexpr std::int64_t useful_output_tokens = 16;

std::uint32_t bit(WhyNot why) { return 1u << static_cast<unsigned>(why); }

std::uint32_t bit(Relax relax) {
  switch (relax) {
    case Relax::sla_ttft:
      return bit(WhyNot::sla_ttft);
    case Relax::sla_total:
      return bit(WhyNot::sla_total);
    case Relax::max_cost:
      return bit(WhyNot::max_cost);
    case Relax::quality_floor:
      return bit(WhyNot::quality_floor);
  }
  return 0;
}

WhyNot first_of(std::uint32_t reasons) {
  for (unsigned i = 1; i <= static_cast<unsigned>(WhyNot::quality_floor); ++i) {
    if (reasons & (1u << i)) return static_cast<WhyNot>(i);
  }
  return WhyNot::none;
}

class Decider {
 public:
  explicit Decider(const DecideInput& input)
      : in_(input), rules_(rules_for(input)), weighed_(input.catalog.targets.size()) {}

  Decision run() {
    decision_.policy = in_.policy;
    decision_.pinned = in_.pinned.has_value();
    if (rules_.refuse != nullptr) return refuse();
    decision_.effort = rules_.effort;
    for (std::size_t i = 0; i < weighed_.size(); ++i) weigh(i);
    relax();
    report_candidates();
    set_baseline();
    choose();
    return std::move(decision_);
  }

 private:
  const Target& target(std::size_t i) const { return in_.catalog.targets[i]; }

  TargetState state(std::size_t i) const {
    return i < in_.snapshot.targets.size() ? in_.snapshot.targets[i] : TargetState{};
  }

  bool pinned_here(std::size_t i) const { return in_.pinned == i; }

  // Inside a tool loop the target of the session stays, whatever latency or quality say.
  bool held_by_loop(std::size_t i) const {
    return sticky() && in_.classification.in_tool_loop && in_.snapshot.session_target == i &&
           !may_step_up();
  }

  // A loop whose tool calls keep failing may go to a stronger target: then the floor counts again.
  // Not past thinking blocks that only the session's provider can check.
  bool may_step_up() const {
    constexpr std::int64_t failures_in_a_row = 2;
    return in_.classification.failed_tool_calls >= failures_in_a_row &&
           !in_.classification.signed_thinking;
  }

  bool sticky() const {
    return in_.policy != nullptr && in_.policy->session_sticky && !in_.pinned &&
           in_.snapshot.session_target.has_value() &&
           *in_.snapshot.session_target < weighed_.size();
  }

  Decision refuse() {
    decision_.rule = rules_.refuse->name;
    decision_.reason = Reason::rule;
    decision_.refuse_message = rules_.refuse->refuse;
    for (std::size_t i = 0; i < weighed_.size(); ++i) {
      weigh(i);
      weighed_[i].reasons |= bit(WhyNot::rule);
    }
    report_candidates();
    set_baseline();
    return std::move(decision_);
  }

  void weigh(std::size_t i) {
    Weighed& w = weighed_[i];
    w.target = i;
    const TargetState now = state(i);
    if (const TargetFacts* facts = recorded(i)) {
      recall(w, *facts);
    } else {
      const std::int64_t cached =
          in_.snapshot.session_target == i ? in_.snapshot.session_cached_tokens : 0;
      w.p_ok = recordable_p_ok(p_ok_of(in_, target(i)));
      w.cost = expected_cost(in_, target(i), cached);
      w.fresh_cost = cached > 0 ? expected_cost(in_, target(i), 0) : w.cost;
      w.latency = recordable(latency_of(target(i), now, answered_by(in_, target(i))));
      w.failures_at_most = recordable_bound(failures_at_most(in_, target(i), now));
      add_facts(w, now);
    }
    add_policy_reasons(w);
    add_soft_reasons(w);
    w.preferred = rules_.prefer != nullptr && selects(*rules_.prefer->prefer, target(i));
  }

  const TargetFacts* recorded(std::size_t i) const {
    if (in_.recorded == nullptr || i >= in_.recorded->size()) return nullptr;
    return (*in_.recorded)[i] ? &*(*in_.recorded)[i] : nullptr;
  }

  static void recall(Weighed& w, const TargetFacts& facts) {
    w.p_ok = facts.p_ok;
    w.cost = facts.cost;
    w.fresh_cost = facts.fresh_cost;
    w.latency = {.ttft_ms = facts.ttft_ms,
                 .ttft_p95_ms = facts.ttft_p95_ms,
                 .total_ms = facts.total_ms,
                 .total_p95_ms = facts.total_p95_ms};
    w.failures_at_most = facts.failures_at_most;
    w.hard = facts.hard;
    w.reasons |= facts.hard;
  }

  // What excludes the target under any policy.
  void add_facts(Weighed& w, const TargetState& now) {
    const Target& t = target(w.target);
    const auto exclude_if = [&w](bool excluded, WhyNot why) {
      if (excluded) w.hard |= bit(why);
    };
    exclude_if(!fits_context(t), WhyNot::context);
    // A parameter that a pinned target cannot take is dropped by its adapter, or refused by it when
    // the policy is strict.
    Capabilities needs = in_.classification.needs;
    if (in_.pinned == w.target) needs &= ~static_cast<Capabilities>(Capability::logprobs);
    exclude_if((needs & ~t.can) != 0 || for_others(t), WhyNot::capability);
    exclude_if(!allowed(t), WhyNot::allow_list);
    exclude_if(!affordable(t, w.cost), WhyNot::budget);
    exclude_if(now.breaker == BreakerState::open || now.at_limit, WhyNot::breaker);
    w.reasons |= w.hard;
  }

  void add_policy_reasons(Weighed& w) {
    const Target& t = target(w.target);
    const auto exclude_if = [&w](bool excluded, WhyNot why) {
      if (excluded) w.reasons |= bit(why);
    };
    for (const Rule* rule : rules_.narrowing) {
      const Narrowed narrowed = narrowed_by(*rule, t);
      exclude_if(narrowed == Narrowed::by_label, WhyNot::label);
      exclude_if(narrowed == Narrowed::by_rule, WhyNot::rule);
      // Of several rules that narrow, the first in the file is named.
      if (narrowed != Narrowed::no && (narrowing_rule_ == nullptr || rule < narrowing_rule_)) {
        narrowing_rule_ = rule;
      }
    }
    exclude_if(another_effort(t), WhyNot::rule);
    const bool others_may_serve = in_.policy != nullptr && in_.policy->fallback_pinned;
    exclude_if(in_.pinned && !pinned_here(w.target) && !others_may_serve, WhyNot::rule);
    exclude_if(!w.cost && !unpriced_allowed(), WhyNot::price_unknown);
  }

  // Requests that state an effort are for the target itself, all others for its arms.
  bool for_others(const Target& t) const {
    if (in_.pinned && &target(*in_.pinned) == &t) return false;
    return states_effort(in_.request) ? !effort_of(t).empty() : has_arms(t);
  }

  // A rule orders an effort, and a sibling has it.
  bool another_effort(const Target& t) const {
    const std::string_view effort = effort_of(t);
    if (rules_.effort.empty() || effort.empty() || effort == rules_.effort) return false;
    return in_.catalog.find(std::string(row_name(t)) + ":" + rules_.effort) != nullptr;
  }

  bool fits_context(const Target& t) const {
    const Classification& c = in_.classification;
    return c.prompt_tokens +
               std::min<std::int64_t>(c.completion_tokens_p50, useful_output_tokens) <=
           t.context;
  }

  bool allowed(const Target& t) const {
    const auto& globs = in_.caller.allowed_models;
    return globs.empty() || std::any_of(globs.begin(), globs.end(), [&t](const std::string& glob) {
             return glob_match(glob, t.name) || glob_match(glob, row_name(t));
           });
  }

  // A hard budget cannot hold what has no price.
  bool unpriced_allowed() const {
    return in_.policy != nullptr && in_.policy->allow_unpriced && !in_.snapshot.budget_left;
  }

  bool affordable(const Target& t, const std::optional<Nanodollars>& cost) const {
    if (!in_.snapshot.budget_left || !cost) return true;
    const std::int64_t cap =
        std::min(output_cap(in_.request, in_.classification, t), useful_output_tokens);
    const auto least = reservation_of(in_.catalog, t, in_.classification, cap, in_.request,
                                      in_.snapshot.now_unix_s);
    return least && *least <= *in_.snapshot.budget_left;
  }

  // Limits that a policy may relax. A pinned name is held to its caller's own cost limit only.
  void add_soft_reasons(Weighed& w) {
    if (in_.caller.max_cost && (!w.cost || *w.cost > *in_.caller.max_cost)) {
      w.reasons |= bit(WhyNot::max_cost);
      w.over_caller_limit = true;
    }
    const Policy* policy = in_.policy;
    if (policy == nullptr || in_.pinned || held_by_loop(w.target)) return;
    if (policy->ttft_p95_ms && w.latency.ttft_p95_ms > *policy->ttft_p95_ms) {
      w.reasons |= bit(WhyNot::sla_ttft);
    }
    if (policy->total_p95_ms && w.latency.total_p95_ms > *policy->total_p95_ms) {
      w.reasons |= bit(WhyNot::sla_total);
    }
    if (policy->max_cost && (!w.cost || *w.cost > *policy->max_cost)) {
      w.reasons |= bit(WhyNot::max_cost);
    }
  }

  // What stands against a target once `relaxed` is waived; a caller's own limit never is.
  std::uint32_t remaining(const Weighed& w, std::uint32_t relaxed) const {
    std::uint32_t reasons = w.reasons & ~relaxed;
    if (w.over_caller_limit) reasons |= bit(WhyNot::max_cost);
    return reasons;
  }

  double floor_value() const {
    double floor = in_.policy != nullptr ? in_.policy->quality_floor : 0;
    if (rules_.floor) floor = *rules_.floor;
    if (in_.caller.quality) floor = *in_.caller.quality;
    return std::max(floor, in_.caller.min_quality);
  }

  // Least P(ok) to be eligible; relative floors look at the best that nothing else excludes.
  double least_p_ok(std::uint32_t relaxed) const {
    if (in_.pinned || (relaxed & bit(WhyNot::quality_floor))) return 0;
    if (in_.policy != nullptr && !in_.policy->floor_relative) return floor_value();
    return floor_value() * best_p_ok(relaxed);
  }

  double best_p_ok(std::uint32_t relaxed) const {
    double best = 0;
    for (const Weighed& w : weighed_) {
      if (remaining(w, relaxed) == 0) best = std::max(best, w.p_ok);
    }
    return best;
  }

  bool below(const Weighed& w, double least) const {
    constexpr double rounding = 1e-12;  // a floor of exactly the best must admit the best
    return w.p_ok < least - rounding && !held_by_loop(w.target);
  }

  // Least P(ok) that needs no proof. The best that nothing else excludes serves without one,
  // because something must; so where the floor is feasible, it is with proofs too.
  double least_unproven(std::uint32_t relaxed) const {
    const bool asks = in_.policy != nullptr && in_.policy->fail_at_most && !in_.pinned;
    return asks && (relaxed & bit(WhyNot::quality_floor)) == 0 ? best_p_ok(relaxed) : 0;
  }

  bool unproven(const Weighed& w, double least) const {
    return below(w, least) && w.failures_at_most > *in_.policy->fail_at_most;
  }

  bool feasible(std::uint32_t relaxed) const {
    const double least = least_p_ok(relaxed);
    return std::any_of(weighed_.begin(), weighed_.end(), [&](const Weighed& w) {
      return remaining(w, relaxed) == 0 && !below(w, least);
    });
  }

  // Waives limits in the policy's order until something is eligible, then takes back those that
  // made no difference: the answer names only what it cost the caller.
  void relax() {
    if (feasible(0) || in_.policy == nullptr || in_.policy->refuse_infeasible) return;
    std::vector<Relax> waived;
    std::uint32_t mask = 0;
    for (const Relax limit : in_.policy->relax) {
      waived.push_back(limit);
      mask |= bit(limit);
      if (feasible(mask)) break;
    }
    if (!feasible(mask)) return;
    for (std::size_t i = 0; i < waived.size();) {
      const std::uint32_t without = mask & ~bit(waived[i]);
      if (!feasible(without)) {
        ++i;
        continue;
      }
      mask = without;
      waived.erase(waived.begin() + static_cast<std::ptrdiff_t>(i));
    }
    decision_.relaxed = std::move(waived);
    relaxed_ = mask;
  }

  void report_candidates() {
    const double least = least_p_ok(relaxed_), unproven_from = least_unproven(relaxed_);
    decision_.candidates.reserve(weighed_.size());
    for (Weighed& w : weighed_) {
      w.reasons = remaining(w, relaxed_);
      const bool lacks_proof = unproven(w, unproven_from);
      w.held_back = lacks_proof && w.reasons == 0 && !below(w, least);
      if (lacks_proof || below(w, least)) w.reasons |= bit(WhyNot::quality_floor);
      Candidate candidate{.target = w.target};
      candidate.reasons = w.reasons;
      candidate.why_not = first_of(w.reasons);
      candidate.facts = facts_of(w);
      constexpr std::uint32_t never = (1u << static_cast<unsigned>(WhyNot::context)) |
                                      (1u << static_cast<unsigned>(WhyNot::capability)) |
                                      (1u << static_cast<unsigned>(WhyNot::label)) |
                                      (1u << static_cast<unsigned>(WhyNot::allow_list));
      if ((w.reasons & never) == 0) {
        candidate.p_ok = w.p_ok;
        candidate.expected_cost = w.cost;
        candidate.expected_ttft_ms = w.latency.ttft_ms;
        candidate.expected_total_ms = w.latency.total_ms;
      }
      decision_.candidates.push_back(candidate);
    }
  }

  static TargetFacts facts_of(const Weighed& w) {
    return {.hard = w.hard,
            .p_ok = w.p_ok,
            .cost = w.cost,
            .fresh_cost = w.fresh_cost,
            .ttft_ms = w.latency.ttft_ms,
            .ttft_p95_ms = w.latency.ttft_p95_ms,
            .total_ms = w.latency.total_ms,
            .total_p95_ms = w.latency.total_p95_ms,
            .failures_at_most = w.failures_at_most};
  }

  // What would have served without routing, with a prompt cache as warm as the session's is.
  void set_baseline() {
    decision_.baseline = in_.pinned;
    if (!in_.pinned && in_.policy != nullptr && !in_.policy->baseline.empty()) {
      if (const Target* found = in_.catalog.find(in_.policy->baseline)) {
        decision_.baseline = static_cast<std::size_t>(found - in_.catalog.targets.data());
      }
    }
    if (!decision_.baseline) return;
    decision_.baseline_cost =
        expected_cost(in_, target(*decision_.baseline), in_.snapshot.session_cached_tokens);
  }

  void choose() {
    const Pick choice = pick_target(in_, weighed_, decision_.relaxed);
    if (!choice.target) return;
    decision_.target = choice.target;
    decision_.reason = choice.reason;
    decision_.propensity = choice.propensity;
    for (const auto& [target, chance] : choice.chances)
      decision_.candidates[target].propensity = chance;
    if (choice.chances.empty()) decision_.candidates[*choice.target].propensity = 1;
    name_rule(choice);
    decision_.plan = plan_of(in_, weighed_, *choice.target);
    set_hedge();
  }

  void name_rule(const Pick& choice) {
    if (in_.pinned) return;
    if (rules_.prefer != nullptr && weighed_[*choice.target].preferred) {
      decision_.rule = rules_.prefer->name;
    } else if (narrowing_rule_ != nullptr) {
      decision_.rule = narrowing_rule_->name;
    }
  }

  void set_hedge() {
    const bool planned = !decision_.plan.empty() && decision_.plan.back().on == PlanOn::hedge;
    if (!planned) return;
    decision_.hedge_after_ms = in_.policy->hedge_after_ttft_p95
                                   ? weighed_[*decision_.target].latency.ttft_p95_ms
                                   : in_.policy->hedge_after_ms;
  }

  const DecideInput& in_;
  RuleEffects rules_;
  std::vector<Weighed> weighed_;
  Decision decision_;
  std::uint32_t relaxed_ = 0;
  const Rule* narrowing_rule_ = nullptr;
};

}  // namespace

Decision decide(const DecideInput& input) { return Decider(input).run(); }

}  // namespace jevons
