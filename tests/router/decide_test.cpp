#include <doctest/doctest.h>

#include <functional>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

struct FilterRow {
  std::string when;
  void (*change)(World&);
  std::string verdicts;
};

Rule rule_with(std::string name, Selector only) {
  Rule rule;
  rule.name = std::move(name);
  rule.only = std::move(only);
  return rule;
}

}  // namespace

TEST_CASE("decide: the first reason that holds excludes a target") {
  const FilterRow rows[] = {
      {"nothing but the floor, relative to the best", [](World&) {},
       "local-moe:quality_floor mini:quality_floor sonnet opus"},
      {"an easier request brings the weaker targets back",
       [](World& w) { w.classification.difficulty = 0.1; },
       "local-moe:quality_floor mini sonnet opus"},
      {"a prompt longer than the context", [](World& w) { w.classification.prompt_tokens = 8'190; },
       "local-moe:context mini:quality_floor sonnet opus"},
      {"images need vision", [](World& w) { w.classification.needs |= bits({Capability::vision}); },
       "local-moe:capability mini:capability sonnet opus"},
      {"the key's allow-list",
       [](World& w) {
         w.caller.allowed_models = {"mini", "son*"};
       },
       "local-moe:allow_list mini sonnet opus:allow_list"},
      {"a rule about labels",
       [](World& w) {
         w.policy.rules = {rule_with("eu only", {.labels = {{"region", {"eu"}}}})};
       },
       "local-moe:label mini:label sonnet:label opus"},
      {"a rule about tiers",
       [](World& w) { w.policy.rules = {rule_with("no premium", {.tier = {Tier::budget}})}; },
       "local-moe:rule mini sonnet:rule opus:rule"},
      {"a price that nobody knows", [](World& w) { w.catalog.prices.pop_back(); },
       "local-moe:quality_floor mini sonnet opus:price_unknown"},
      {"a budget that is nearly spent",
       [](World& w) { w.snapshot.budget_left = Nanodollars{5'000'000}; },
       "local-moe:quality_floor mini sonnet:budget opus:budget"},
      {"an open breaker", [](World& w) { w.snapshot.targets[opus].breaker = BreakerState::open; },
       "local-moe:quality_floor mini sonnet opus:breaker"},
      {"a provider at its limit", [](World& w) { w.snapshot.targets[sonnet].at_limit = true; },
       "local-moe:quality_floor mini:quality_floor sonnet:breaker opus"},
      {"a half-open breaker may be tried",
       [](World& w) { w.snapshot.targets[opus].breaker = BreakerState::half_open; },
       "local-moe:quality_floor mini:quality_floor sonnet opus"},
      {"time to first token, by the prior", [](World& w) { w.policy.ttft_p95_ms = 1'000; },
       "local-moe:quality_floor mini sonnet opus:sla_ttft"},
      {"time to first token, as measured",
       [](World& w) {
         w.policy.ttft_p95_ms = 1'000;
         w.snapshot.targets[sonnet].ttft_ms_p95 = 1'001;
         w.snapshot.targets[opus].ttft_ms_p95 = 999;
       },
       "local-moe:quality_floor mini:quality_floor sonnet:sla_ttft opus"},
      {"the whole answer in time", [](World& w) { w.policy.total_p95_ms = 10'000; },
       "local-moe:quality_floor mini sonnet opus:sla_total"},
      {"a cost limit of the policy", [](World& w) { w.policy.max_cost = Nanodollars{10'000'000}; },
       "local-moe:quality_floor mini sonnet opus:max_cost"},
      {"a cost limit of the caller", [](World& w) { w.caller.max_cost = Nanodollars{1'000'000}; },
       "local-moe:quality_floor mini sonnet:max_cost opus:max_cost"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    row.change(world);
    CHECK(world.verdicts() == row.verdicts);
  }
}

TEST_CASE("decide: reasons stand in the contract's order") {
  World world;
  world.classification.prompt_tokens = 10'000;
  world.classification.needs |= bits({Capability::vision});
  world.caller.allowed_models = {"none"};
  world.policy.rules = {rule_with("nowhere", {.target = {"x"}, .labels = {{"region", {"x"}}}})};
  world.catalog.prices.clear();
  for (auto& state : world.snapshot.targets) state.breaker = BreakerState::open;
  CHECK(world.verdicts() == "local-moe:context mini:capability sonnet:label opus:label");
  world.policy.rules = {rule_with("nowhere", {.target = {"x"}})};
  CHECK(world.verdicts() == "local-moe:context mini:capability sonnet:allow_list opus:allow_list");
  world.caller.allowed_models.clear();
  CHECK(world.verdicts() == "local-moe:context mini:capability sonnet:rule opus:rule");
  world.policy.rules.clear();
  CHECK(world.verdicts() ==
        "local-moe:context mini:capability sonnet:price_unknown opus:price_unknown");
}

TEST_CASE("decide: numbers are null only where a target could never serve") {
  struct {
    std::string when;
    void (*change)(World&);
    bool has_p_ok;
  } rows[] = {
      {"context", [](World& w) { w.catalog.targets[sonnet].context = 10; }, false},
      {"capability", [](World& w) { w.catalog.targets[sonnet].can = 0; }, false},
      {"label",
       [](World& w) {
         w.policy.rules = {rule_with("eu", {.labels = {{"region", {"eu"}}}})};
       },
       false},
      {"allow_list", [](World& w) { w.caller.allowed_models = {"opus"}; }, false},
      {"rule", [](World& w) { w.policy.rules = {rule_with("x", {.target = {"opus"}})}; }, true},
      {"price_unknown", [](World& w) { w.catalog.prices[1].id = "other"; }, true},
      {"budget", [](World& w) { w.snapshot.budget_left = Nanodollars{0}; }, true},
      {"breaker", [](World& w) { w.snapshot.targets[sonnet].breaker = BreakerState::open; }, true},
      {"sla_ttft", [](World& w) { w.policy.ttft_p95_ms = 1; }, true},
      {"sla_total", [](World& w) { w.policy.total_p95_ms = 1; }, true},
      {"max_cost", [](World& w) { w.caller.max_cost = Nanodollars{0}; }, true},
      {"quality_floor",
       [](World& w) {
         w.policy.floor_relative = false;
         w.policy.quality_floor = 0.99;
       },
       true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    row.change(world);
    const Candidate candidate = world.decide().candidates[sonnet];
    CHECK(why_not_name(candidate.why_not) == row.when);
    CHECK(candidate.p_ok.has_value() == row.has_p_ok);
    CHECK(candidate.expected_ttft_ms.has_value() == row.has_p_ok);
    CHECK(candidate.expected_cost.has_value() == (row.has_p_ok && row.when != "price_unknown"));
  }
}

TEST_CASE("decide: P(ok) follows ability and difficulty") {
  World world;
  const auto p_ok = [&world](std::size_t target) {
    return *world.decide().candidates[target].p_ok;
  };
  CHECK(p_ok(mini) == doctest::Approx(0.78));
  world.classification.difficulty = 1.0;
  // sigmoid(logit(0.78) - 2)
  CHECK(p_ok(mini) == doctest::Approx(0.324232));
  world.classification.difficulty = 0.0;
  CHECK(p_ok(mini) == doctest::Approx(0.963238));
  world.classification.difficulty = 0.5;
  CHECK(p_ok(sonnet) == doctest::Approx(0.86));
  world.classification.task = Task::code;
  CHECK(p_ok(sonnet) == doctest::Approx(0.88));
  world.catalog.targets[sonnet].ability.clear();
  CHECK(p_ok(sonnet) == doctest::Approx(0.5));
}

TEST_CASE("decide: each objective has its winner") {
  struct {
    std::string when;
    Objective objective;
    double floor;
    std::string chosen, reason;
  } rows[] = {
      {"the cheapest above the floor", Objective::cheapest, 0.9, "sonnet", "cheapest_above_floor"},
      {"with a lower floor a cheaper one", Objective::cheapest, 0.8, "mini",
       "cheapest_above_floor"},
      {"with none the cheapest of all", Objective::cheapest, 0, "local-moe",
       "cheapest_above_floor"},
      {"the best", Objective::best, 0, "opus", "best"},
      {"the fastest", Objective::fastest, 0.8, "mini", "fastest"},
      {"a success worth a tenth of a cent", Objective::value, 0, "local-moe", "best_value"},
      {"only one above the floor", Objective::cheapest, 0.99, "opus", "only_eligible"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.policy.objective = row.objective;
    world.policy.quality_floor = row.floor;
    world.policy.value_per_success = Nanodollars{1'000'000};
    const Decision decision = world.decide();
    CHECK(world.name(decision.target) == row.chosen);
    CHECK(reason_name(decision.reason) == row.reason);
  }
  World world;
  world.policy.objective = Objective::value;
  world.policy.quality_floor = 0;
  world.policy.value_per_success = Nanodollars{1'000'000'000};
  CHECK(world.chosen() == "opus");  // a dollar a success: the difference is worth the price
}

TEST_CASE("decide: floors, header over rule over policy, never below the key's") {
  struct {
    std::string when;
    double policy;
    std::optional<double> rule, header;
    double key;
    std::string chosen;
  } rows[] = {
      {"the policy's", 0.9, {}, {}, 0, "sonnet"},
      {"a rule's", 0.9, 0.8, {}, 0, "mini"},
      {"the header's over both", 0.8, 0.9, 0.5, 0, "local-moe"},
      {"the header may raise it", 0.5, {}, 0.99, 0, "opus"},
      {"the key's is the least", 0.5, {}, 0.1, 0.8, "mini"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.policy.quality_floor = row.policy;
    if (row.rule) {
      Rule rule;
      rule.name = "floor";
      rule.floor = row.rule;
      world.policy.rules = {rule};
    }
    world.caller.quality = row.header;
    world.caller.min_quality = row.key;
    CHECK(world.chosen() == row.chosen);
  }
}

TEST_CASE("decide: an absolute floor is held to the letter") {
  World world;
  world.policy.floor_relative = false;
  world.policy.quality_floor = 0.86;
  CHECK(world.verdicts() == "local-moe:quality_floor mini:quality_floor sonnet opus");
  world.policy.quality_floor = 0.95;
  CHECK(world.chosen() == "none");
}

TEST_CASE("decide: the baseline is priced beside the choice, eligible or not") {
  World world;
  Decision decision = world.decide();
  CHECK(decision.baseline == opus);
  CHECK(decision.baseline_cost == decision.candidates[opus].expected_cost);
  world.snapshot.targets[opus].breaker = BreakerState::open;
  decision = world.decide();
  CHECK(world.name(decision.target) == "mini");
  CHECK(decision.baseline == opus);
  CHECK(decision.baseline_cost.has_value());
  world.policy.baseline.clear();
  CHECK_FALSE(world.decide().baseline.has_value());
}

TEST_CASE("decide: an unpriced target serves only where the policy allows it without hard budget") {
  World world;
  world.catalog.prices.clear();
  world.caller.allowed_models = {"opus"};
  CHECK(world.chosen() == "none");
  world.policy.allow_unpriced = true;
  CHECK(world.chosen() == "opus");
  CHECK_FALSE(world.decide().candidates[opus].expected_cost.has_value());
  world.snapshot.budget_left = nanodollars_max;
  CHECK(world.chosen() == "none");
}

TEST_CASE("decide: the same input gives the same decision") {
  World world;
  world.policy.explore_rate = 0.5;
  world.snapshot.seed = 99;
  const Decision a = world.decide(), b = world.decide();
  CHECK(a.target == b.target);
  CHECK(a.propensity == b.propensity);
  CHECK(a.candidates.size() == b.candidates.size());
}

TEST_CASE("decide: an empty catalog is infeasible, not a crash") {
  World world;
  world.catalog = {};
  world.snapshot.targets.clear();
  const Decision decision = world.decide();
  CHECK_FALSE(decision.target.has_value());
  CHECK(infeasible_error(decision, world.catalog).fault() == Fault::no_eligible_target);
}

namespace {

// All targets above the plain floor; three of them with what their outcomes have proven.
World promised(std::optional<double> of_local, std::optional<double> of_mini) {
  World world;
  world.policy.quality_floor = 0;
  world.policy.fail_at_most = 0.1;
  world.snapshot.targets[local_moe].failures_at_most = of_local;
  world.snapshot.targets[mini].failures_at_most = of_mini;
  return world;
}

}  // namespace

TEST_CASE("decide: a promise lets a cheaper target serve only once its outcomes prove it") {
  struct {
    const char* when;
    std::optional<double> of_local, of_mini;
    std::function<void(World&)> change;
    std::string verdicts, chosen, reason;
  } rows[] = {
      {"nothing is proven: the best serves",
       {},
       {},
       [](World&) {},
       "local-moe:quality_floor mini:quality_floor sonnet:quality_floor opus",
       "opus",
       "best_until_proven"},
      {"the cheapest is not proven, the next is", 0.2, 0.08, [](World&) {},
       "local-moe:quality_floor mini sonnet:quality_floor opus", "mini", "cheapest_above_floor"},
      {"proven to the last", 0.1, 0.1, [](World&) {}, "local-moe mini sonnet:quality_floor opus",
       "local-moe", "cheapest_above_floor"},
      {"no promise is asked for", 0.9, 0.9, [](World& w) { w.policy.fail_at_most.reset(); },
       "local-moe mini sonnet opus", "local-moe", "cheapest_above_floor"},
      {"the best is away: the best of the rest serves",
       {},
       {},
       [](World& w) { w.snapshot.targets[opus].breaker = BreakerState::open; },
       "local-moe:quality_floor mini:quality_floor sonnet opus:breaker",
       "sonnet",
       "best_until_proven"},
      {"proven, but below the plain floor", 0.05, 0.05,
       [](World& w) { w.policy.quality_floor = 0.8; },
       "local-moe:quality_floor mini sonnet:quality_floor opus", "mini", "cheapest_above_floor"},
      {"the floor had to be relaxed, and the promise with it",
       {},
       {},
       [](World& w) {
         w.policy.floor_relative = false;
         w.policy.quality_floor = 0.99;
         w.policy.relax = {Relax::quality_floor};
       },
       "local-moe mini sonnet opus",
       "opus",
       "relaxed"},
      {"the objective is the best anyway",
       {},
       {},
       [](World& w) { w.policy.objective = Objective::best; },
       "local-moe:quality_floor mini:quality_floor sonnet:quality_floor opus",
       "opus",
       "only_eligible"},
      {"the client named its target",
       {},
       {},
       [](World& w) { w.pinned = mini; },
       "local-moe:rule mini sonnet:rule opus:rule",
       "mini",
       "pinned_model"},
      {"a rule left only one",
       {},
       {},
       [](World& w) { w.policy.rules = {{.name = "r", .only = Selector{.tier = {Tier::budget}}}}; },
       "local-moe:rule mini sonnet:rule opus:rule",
       "mini",
       "rule"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world = promised(row.of_local, row.of_mini);
    row.change(world);
    CHECK(world.verdicts() == row.verdicts);
    CHECK(world.chosen() == row.chosen);
    CHECK(reason_name(world.decide().reason) == row.reason);
  }
}

TEST_CASE("decide: what a key's own outcomes prove counts for that key, where the policy learns") {
  World world = promised({}, {});
  world.catalog.targets[opus].ability = {{"overall", 0.999}};  // outcomes make none look better
  TargetOutcomes outcomes;
  for (std::uint64_t i = 1; i <= 60; ++i)
    outcomes.learn({.id = i,
                    .key = "ci",
                    .input = head_input(world.catalog.targets[mini], world.classification),
                    .score = 1});
  auto learned = std::make_shared<Learned>();
  learned->targets["mini"] = std::make_shared<const TargetHeads>(outcomes.heads());
  world.snapshot.learned = learned;
  Decision decision = world.decide();
  CHECK(world.name(decision.target) == "mini");
  CHECK(decision.candidates[mini].facts.failures_at_most == doctest::Approx(0.0739).epsilon(0.01));
  world.policy.fail_at_most = 0.05;
  CHECK(world.chosen() != "mini");
  world.policy.fail_at_most = 0.1;
  world.classification.difficulty = 0.6;  // harder than anything that it was tried on
  CHECK(world.chosen() != "mini");
  world.classification.difficulty = 0.4;
  CHECK(world.chosen() == "mini");
  world.caller.key_name = "other";
  CHECK(world.chosen() == "opus");
  world.caller.key_name = "ci";
  world.policy.learn = Learn::none;
  CHECK(world.chosen() == "opus");
}
