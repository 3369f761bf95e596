#include "router/what_if.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace jevons {
namespace {

constexpr int search_steps = 50;

std::uint32_t bit(WhyNot why) { return 1u << static_cast<unsigned>(why); }

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string dollars(std::int64_t nanodollars) {
  return "$" + dollars_text(Nanodollars{nanodollars});
}

class Trial {
 public:
  Trial(const DecideInput& input, const Decision& decision, std::size_t target)
      : in_(input), target_(target), snapshot_(input.snapshot) {
    if (input.policy != nullptr) policy_ = *input.policy;
    policy_.explore_rate = 0;
    policy_.session_sticky = false;
    for (const Candidate& candidate : decision.candidates) facts_.emplace_back(candidate.facts);
    result_.facts = *facts_[target];
  }

  WhatIf run() {
    if (!wins()) {
      lift_hard_limits();
      if (reasons() & (bit(WhyNot::rule) | bit(WhyNot::label))) {
        result_.changes.push_back("the policy's rules would have to let it in");
        return std::move(result_);
      }
      lift_soft_limits();
      if (!wins()) beat_the_others();
    }
    result_.wins = wins();
    result_.facts = facts();
    return std::move(result_);
  }

 private:
  TargetFacts& facts() { return *facts_[target_]; }
  const Target& target() const { return in_.catalog.targets[target_]; }

  Decision decide_again() const {
    return decide({.catalog = in_.catalog,
                   .policy = in_.policy == nullptr ? nullptr : &policy_,
                   .pinned = in_.pinned,
                   .request = in_.request,
                   .classification = in_.classification,
                   .caller = in_.caller,
                   .snapshot = snapshot_,
                   .recorded = &facts_});
  }
  bool wins() const { return decide_again().target == target_; }
  // Against the limits as they are: what was relaxed for others is not given to this target.
  std::uint32_t reasons() const { return decide_again().candidates[target_].reasons; }

  void lift_hard_limits() {
    const std::uint32_t hard = facts().hard;
    const auto lift = [&](WhyNot why, std::string change) {
      if (hard & bit(why)) result_.changes.push_back(std::move(change));
    };
    lift(WhyNot::context, "a context of at least " + std::to_string(room_needed()) +
                              " tokens (now " + std::to_string(target().context) + ")");
    lift(WhyNot::capability, "the capabilities " + missing_capabilities());
    lift(WhyNot::allow_list, "a key whose `models` allow it");
    lift(WhyNot::budget, "a larger budget");
    lift(WhyNot::breaker, "its breaker closed and its provider below max_in_flight");
    facts().hard = 0;
    if (!facts().cost && (reasons() & bit(WhyNot::price_unknown))) {
      result_.changes.push_back("a price in prices.yaml");
      facts().cost = facts().fresh_cost = Nanodollars{0};
    }
  }

  // The prompt and the shortest useful answer, as decide() asks.
  std::int64_t room_needed() const {
    const Classification& c = in_.classification;
    return c.prompt_tokens + std::min<std::int64_t>(c.completion_tokens_p50, 16);
  }

  std::string missing_capabilities() const {
    std::string names;
    const Capabilities missing = in_.classification.needs & ~target().can;
    for (std::uint32_t one = 1; one <= static_cast<std::uint32_t>(Capability::embeddings);
         one <<= 1) {
      if (missing & one)
        names.append(names.empty() ? "" : ", ").append(capability_name(Capability{one}));
    }
    return names;
  }

  // Finds the value nearest to `now` at which `good` holds, between `now` and `best`.
  template <class Good>
  static double nearest(double now, double best, Good good) {
    for (int i = 0; i < search_steps; ++i) {
      const double middle = now + (best - now) / 2;
      (good(middle) ? best : now) = middle;
    }
    return best;
  }

  void set_p_ok(double p_ok) { facts().p_ok = p_ok; }
  void set_cost(double nanodollars) {
    facts().cost = facts().fresh_cost = Nanodollars{std::llround(std::floor(nanodollars))};
  }
  void set_total(double ms) { facts().total_ms = ms; }

  void lift_soft_limits() {
    if (reasons() & bit(WhyNot::sla_ttft)) {
      result_.changes.push_back("a first token (p95) within " + fixed(*policy_.ttft_p95_ms, 0) +
                                " ms (now " + fixed(facts().ttft_p95_ms, 0) + ")");
      facts().ttft_p95_ms = *policy_.ttft_p95_ms;
    }
    if (reasons() & bit(WhyNot::sla_total)) {
      result_.changes.push_back("an answer (p95) within " + fixed(*policy_.total_p95_ms, 0) +
                                " ms (now " + fixed(facts().total_p95_ms, 0) + ")");
      facts().total_p95_ms = *policy_.total_p95_ms;
    }
    if (reasons() & bit(WhyNot::max_cost))
      cheaper([this] { return (reasons() & bit(WhyNot::max_cost)) == 0; });
    if (reasons() & bit(WhyNot::quality_floor)) prove();
    if (reasons() & bit(WhyNot::quality_floor))
      better([this] { return (reasons() & bit(WhyNot::quality_floor)) == 0; });
  }

  void prove() {
    if (!policy_.fail_at_most || facts().failures_at_most <= *policy_.fail_at_most) return;
    const double now = facts().failures_at_most;
    result_.changes.push_back("outcomes that prove it fails at most " +
                              fixed(*policy_.fail_at_most * 100, 1) + " % of the time (now " +
                              (now < 1 ? fixed(now * 100, 1) + " %)" : "nothing is proven)"));
    facts().failures_at_most = *policy_.fail_at_most;
  }

  // Applies the smallest change that makes `good` hold; false where even the largest does not.
  template <class Good>
  bool cheaper(Good good) {
    const std::int64_t now = facts().cost ? facts().cost->value : 0;
    const auto with = [&](double cost) { return set_cost(cost), good(); };
    if (!with(0)) return set_cost(static_cast<double>(now)), false;
    // Settled to whole nanodollars, the last that was seen to do.
    set_cost(nearest(static_cast<double>(now), 0, with));
    result_.changes.push_back("a cost of at most " + dollars(facts().cost->value) + " (now " +
                              dollars(now) + ")");
    return true;
  }

  template <class Good>
  bool better(Good good) {
    const double now = facts().p_ok;
    const auto with = [&](double p_ok) { return set_p_ok(p_ok), good(); };
    if (!with(1)) return set_p_ok(now), false;
    const double least = nearest(now, 1, with);
    set_p_ok(std::min(1.0, std::ceil(least * 10'000 - 1e-6) / 10'000));
    result_.changes.push_back("P(ok) of at least " + fixed(facts().p_ok, 4) + " (now " +
                              fixed(now, 4) + ")");
    return true;
  }

  template <class Good>
  bool faster(Good good) {
    const double now = facts().total_ms;
    const auto with = [&](double ms) { return set_total(ms), good(); };
    if (!with(0)) return set_total(now), false;
    set_total(std::floor(nearest(now, 0, with)));
    result_.changes.push_back("an answer within " + fixed(facts().total_ms, 0) + " ms (now " +
                              fixed(now, 0) + ")");
    return true;
  }

  void beat_the_others() {
    const auto good = [this] { return wins(); };
    bool done = false;
    switch (policy_.objective) {
      case Objective::cheapest:
        done = cheaper(good) || better(good);
        break;
      case Objective::best:
        done = better(good) || cheaper(good);
        break;
      case Objective::fastest:
        done = faster(good);
        break;
      case Objective::value:
        done = cheaper(good) || better(good);
        break;
    }
    if (!done) result_.changes.push_back("no change of this target alone: a rule prefers another");
  }

  const DecideInput& in_;
  std::size_t target_;
  Snapshot snapshot_;
  Policy policy_;
  std::vector<std::optional<TargetFacts>> facts_;
  WhatIf result_;
};

}  // namespace

WhatIf what_would_win(const DecideInput& input, const Decision& decision, std::size_t target) {
  return Trial(input, decision, target).run();
}

}  // namespace jevons
