#include "router/choose.h"

#include <algorithm>
#include <cmath>

#include "router/efforts.h"

namespace jevons {
namespace {

// Quality or speed must gain this much before a session gives up a warm prompt cache.
constexpr double p_ok_worth_a_switch = 0.02;
constexpr double speed_worth_a_switch = 0.8;  // of the time

constexpr std::int64_t cost_unknown = INT64_MAX;

std::int64_t amount(const std::optional<Nanodollars>& cost) {
  return cost ? cost->value : cost_unknown;
}

// A better target has a smaller rank; ties fall to the next number, then to catalog order.
struct Rank {
  bool second_choice = false;  // not what the rule prefers
  double first = 0, second = 0;
  std::size_t order = 0;
  auto operator<=>(const Rank&) const = default;
};

class Ranking {
 public:
  Ranking(const Policy* policy, bool floor_waived)
      : objective_(policy != nullptr ? policy->objective : Objective::cheapest),
        value_(policy != nullptr && policy->value_per_success ? policy->value_per_success->value
                                                              : 0) {
    // Where nothing reaches the floor, the nearest to it serves, not the cheapest of the rest.
    if (floor_waived && objective_ == Objective::cheapest) objective_ = Objective::best;
  }

  Objective objective() const { return objective_; }

  Rank of(const Weighed& w, const std::optional<Nanodollars>& at_cost) const {
    const auto cost = static_cast<double>(amount(at_cost));
    Rank rank{.second_choice = !w.preferred, .order = w.target};
    switch (objective_) {
      case Objective::cheapest:
        rank.first = cost, rank.second = -w.p_ok;
        break;
      case Objective::best:
        rank.first = -w.p_ok, rank.second = cost;
        break;
      case Objective::fastest:
        rank.first = w.latency.total_ms, rank.second = cost;
        break;
      case Objective::value:
        rank.first = cost - w.p_ok * static_cast<double>(value_);
        rank.second = -w.p_ok;
        break;
    }
    return rank;
  }
  Rank of(const Weighed& w) const { return of(w, w.cost); }
  Rank fresh(const Weighed& w) const { return of(w, w.fresh_cost); }

  Reason reason() const {
    switch (objective_) {
      case Objective::cheapest:
        return Reason::cheapest_above_floor;
      case Objective::best:
        return Reason::best;
      case Objective::fastest:
        return Reason::fastest;
      case Objective::value:
        return Reason::best_value;
    }
    return Reason::cheapest_above_floor;
  }

 private:
  Objective objective_;
  std::int64_t value_;
};

bool contains(const std::vector<Relax>& relaxed, Relax limit) {
  return std::find(relaxed.begin(), relaxed.end(), limit) != relaxed.end();
}

// SplitMix64: decisions draw from the snapshot's seed, so they can be replayed.
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

double uniform(std::uint64_t x) { return static_cast<double>(x >> 11) * 0x1.0p-53; }

constexpr std::uint32_t by_rules =
    (1u << static_cast<unsigned>(WhyNot::rule)) | (1u << static_cast<unsigned>(WhyNot::label));

class Chooser {
 public:
  Chooser(const DecideInput& input, const std::vector<Weighed>& weighed,
          const std::vector<Relax>& relaxed)
      : in_(input),
        relaxed_(!relaxed.empty()),
        ranking_(input.policy, contains(relaxed, Relax::quality_floor)) {
    for (const Weighed& w : weighed) {
      if (w.eligible()) eligible_.push_back(w);
      if (w.reasons != 0 && (w.reasons & ~by_rules) == 0) ruled_out_.push_back(w);
      if (w.held_back) held_back_.push_back(w);
    }
  }

  Pick run() {
    Pick choice;
    if (in_.pinned) return pinned();
    if (eligible_.empty()) return choice;
    const Weighed& winner = best([this](const Weighed& w) { return ranking_.fresh(w); });
    choice.target = winner.target;
    choice.reason = reason_for(winner);
    if (const Weighed* held = held_by_session(winner)) {
      choice.target = held->target;
      choice.reason = Reason::session_sticky;
      return choice;
    }
    explore(winner, choice);
    return choice;
  }

 private:
  Pick pinned() const {
    Pick choice{.reason = Reason::pinned_model};
    for (const Weighed& w : eligible_) {
      if (w.target == *in_.pinned) choice.target = w.target;
    }
    if (choice.target || eligible_.empty()) return choice;
    // Only a policy with `fallback: {pinned: true}` leaves others eligible.
    choice.target = best([this](const Weighed& w) { return ranking_.of(w); }).target;
    choice.reason = ranking_.reason();
    return choice;
  }

  template <class RankOf>
  const Weighed& best(RankOf rank_of) const {
    return *std::min_element(
        eligible_.begin(), eligible_.end(),
        [&](const Weighed& a, const Weighed& b) { return rank_of(a) < rank_of(b); });
  }

  Reason reason_for(const Weighed& winner) const {
    if (relaxed_) return Reason::relaxed;
    if (winner.preferred || ruled(winner)) return Reason::rule;
    if (awaits_proof(winner)) return Reason::best_until_proven;
    if (eligible_.size() == 1) return Reason::only_eligible;
    return ranking_.reason();
  }

  // It serves as the best, without proof; another that would have won lacks the proof.
  bool awaits_proof(const Weighed& winner) const {
    return std::any_of(held_back_.begin(), held_back_.end(), [&](const Weighed& w) {
      return winner.failures_at_most > *in_.policy->fail_at_most &&
             ranking_.fresh(w) < ranking_.fresh(winner);
    });
  }

  // Without the rules another target would have won, or at least had a chance.
  bool ruled(const Weighed& winner) const {
    if (ruled_out_.empty()) return false;
    if (eligible_.size() == 1) return true;
    return std::any_of(ruled_out_.begin(), ruled_out_.end(), [&](const Weighed& w) {
      return ranking_.fresh(w) < ranking_.fresh(winner);
    });
  }

  // The session's target where it should stay: always inside a tool loop, else unless the winner
  // gains more than the warm cache is worth.
  const Weighed* held_by_session(const Weighed& winner) const {
    if (in_.policy == nullptr || !in_.policy->session_sticky) return nullptr;
    for (const Weighed& w : eligible_) {
      if (in_.snapshot.session_target != w.target || w.target == winner.target) continue;
      return in_.classification.in_tool_loop || !worth_a_switch(w, winner) ? &w : nullptr;
    }
    return nullptr;
  }

  bool worth_a_switch(const Weighed& held, const Weighed& winner) const {
    if (winner.preferred != held.preferred) return true;
    switch (ranking_.objective()) {
      case Objective::best:
        return winner.p_ok > held.p_ok + p_ok_worth_a_switch;
      case Objective::fastest:
        return winner.latency.total_ms < held.latency.total_ms * speed_worth_a_switch;
      case Objective::cheapest:
      case Objective::value:
        return ranking_.of(winner).first < ranking_.of(held).first;
    }
    return false;
  }

  // With probability `rate` another target is tried, uniformly among those that exploration can
  // still pay for; those that lack a proof are among them, or they could never earn it. The
  // propensity of what was drawn goes into the ledger.
  void explore(const Weighed& winner, Pick& choice) const {
    const double rate = in_.policy == nullptr ? 0 : in_.policy->explore_rate;
    if (rate <= 0 || in_.classification.in_tool_loop) return;
    std::vector<const Weighed*> others;
    for (const Weighed& w : eligible_) {
      if (w.target != winner.target && can_explore(w, winner)) others.push_back(&w);
    }
    for (const Weighed& w : held_back_) {
      if (can_explore(w, winner)) others.push_back(&w);
    }
    if (others.empty()) return;
    const double chance = rate / static_cast<double>(others.size());
    choice.chances.emplace_back(winner.target, 1.0 - rate);
    for (const Weighed* other : others) choice.chances.emplace_back(other->target, chance);
    const std::uint64_t draw = mixed(in_.snapshot.seed);
    if (uniform(draw) >= rate) {
      choice.propensity = 1.0 - rate;
      return;
    }
    choice.target = others[mixed(draw) % others.size()]->target;
    choice.reason = Reason::explore;
    choice.propensity = chance;
  }

  bool can_explore(const Weighed& w, const Weighed& winner) const {
    if (!w.cost || !winner.cost) return false;
    return !in_.snapshot.explore_left || *w.cost - *winner.cost <= *in_.snapshot.explore_left;
  }

  const DecideInput& in_;
  bool relaxed_;
  Ranking ranking_;
  std::vector<Weighed> eligible_;
  std::vector<Weighed> ruled_out_;  // by rules alone
  std::vector<Weighed> held_back_;  // for want of a proof alone
};

bool in_plan(const std::vector<PlanStep>& plan, std::size_t target) {
  return std::any_of(plan.begin(), plan.end(),
                     [target](const PlanStep& step) { return step.target == target; });
}

// Another effort of a model that failed is no way out of the fault.
bool sibling_in_plan(const Catalog& catalog, const std::vector<PlanStep>& plan,
                     std::size_t target) {
  const std::string_view row = row_name(catalog.targets[target]);
  return std::any_of(plan.begin(), plan.end(), [&](const PlanStep& step) {
    return row_name(catalog.targets[step.target]) == row;
  });
}

bool may_escalate(const Policy& policy, const Target& target) {
  return !policy.escalate_to || selects(*policy.escalate_to, target);
}

// Targets that could serve, the best first; behind them those below the floor, the nearest first,
// where the policy would rather relax the floor than fail.
std::vector<const Weighed*> ordered(const DecideInput& input, const std::vector<Weighed>& weighed) {
  const Ranking ranking(input.policy, false);
  std::vector<const Weighed*> order, below_floor;
  constexpr std::uint32_t floor_only = 1u << static_cast<unsigned>(WhyNot::quality_floor);
  for (const Weighed& w : weighed) {
    if (w.eligible()) order.push_back(&w);
    if (w.reasons == floor_only) below_floor.push_back(&w);
  }
  std::sort(order.begin(), order.end(), [&ranking](const Weighed* a, const Weighed* b) {
    return ranking.of(*a) < ranking.of(*b);
  });
  std::stable_sort(below_floor.begin(), below_floor.end(),
                   [](const Weighed* a, const Weighed* b) { return a->p_ok > b->p_ok; });
  if (contains(input.policy->relax, Relax::quality_floor)) {
    order.insert(order.end(), below_floor.begin(), below_floor.end());
  }
  return order;
}

}  // namespace

Pick pick_target(const DecideInput& input, const std::vector<Weighed>& weighed,
                 const std::vector<Relax>& relaxed) {
  return Chooser(input, weighed, relaxed).run();
}

std::vector<PlanStep> plan_of(const DecideInput& input, const std::vector<Weighed>& weighed,
                              std::size_t start) {
  std::vector<PlanStep> plan = {{.target = start, .on = PlanOn::start}};
  if (input.policy == nullptr || (input.pinned && !input.policy->fallback_pinned)) return plan;
  const Policy& policy = *input.policy;
  const auto order = ordered(input, weighed);
  int escalations = policy.escalate_on.empty() || input.pinned ? 0 : policy.escalate_max;
  for (const Weighed* w : order) {
    if (escalations == 0) break;
    if (!w->eligible() || in_plan(plan, w->target)) continue;
    if (w->p_ok <= weighed[start].p_ok) continue;
    if (!may_escalate(policy, input.catalog.targets[w->target])) continue;
    plan.push_back({.target = w->target, .on = PlanOn::escalate});
    --escalations;
  }
  int fallbacks = policy.fallback_attempts - 1;
  std::optional<std::size_t> beside;
  for (const Weighed* w : order) {
    if (fallbacks <= 0) break;
    if (in_plan(plan, w->target) || sibling_in_plan(input.catalog, plan, w->target)) continue;
    if (!beside && w->eligible()) beside = w->target;
    plan.push_back({.target = w->target, .on = PlanOn::fallback});
    --fallbacks;
  }
  const bool hedges = policy.hedge_at_most > 0 &&
                      (policy.hedge_after_ttft_p95 || policy.hedge_after_ms.has_value());
  if (hedges && beside && !input.pinned) plan.push_back({.target = *beside, .on = PlanOn::hedge});
  return plan;
}

}  // namespace jevons
