#include "router/choose.h"

#include <doctest/doctest.h>

#include "router/conditions.h"
#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

void say(World& world, std::string_view key, std::string word, Rule rule) {
  rule.when = {*parse_condition(key, {std::move(word)})};
  world.policy.rules.push_back(std::move(rule));
}

std::string relaxed(const Decision& decision) {
  std::string text;
  for (const Relax limit : decision.relaxed) text.append(relax_name(limit)).append(" ");
  return text;
}

// A session that sonnet holds, with mini about to win on price.
World in_session(std::int64_t cached) {
  World world;
  world.policy.quality_floor = 0.8;
  world.classification.prompt_tokens = 10'000;
  world.snapshot.session_target = sonnet;
  world.snapshot.session_cached_tokens = cached;
  return world;
}

}  // namespace

TEST_CASE("rules: the first preference orders, among what is eligible") {
  World world;
  say(world, "task", "chat", {.name = "chat to opus", .prefer = Selector{.target = {"opus"}}});
  say(world, "task", "chat", {.name = "chat to sonnet", .prefer = Selector{.target = {"sonnet"}}});
  Decision decision = world.decide();
  CHECK(world.name(decision.target) == "opus");
  CHECK(decision.rule == "chat to opus");
  CHECK(decision.reason == Reason::rule);
  world.snapshot.targets[opus].breaker = BreakerState::open;
  decision = world.decide();
  CHECK(world.name(decision.target) == "mini");
  CHECK(decision.reason == Reason::cheapest_above_floor);
  CHECK(decision.rule.empty());
}

TEST_CASE("rules: every narrowing rule holds, the last effort and floor win, a refusal ends it") {
  World world;
  world.policy.quality_floor = 0;
  say(world, "task", "chat", {.name = "no opus", .avoid = Selector{.target = {"opus"}}});
  say(world, "task", "chat", {.name = "remote", .avoid = Selector{.tier = {Tier::local}}});
  say(world, "task", "chat", {.name = "low", .floor = 0.1, .effort = "low"});
  say(world, "task", "chat", {.name = "high", .floor = 0.95, .effort = "high"});
  Decision decision = world.decide();
  CHECK(world.name(decision.target) == "sonnet");
  CHECK(decision.effort == "high");
  CHECK(decision.rule == "no opus");
  say(world, "task", "chat", {.name = "closed", .refuse = "no chat on Sundays"});
  decision = world.decide();
  CHECK_FALSE(decision.target.has_value());
  CHECK(decision.refuse_message == "no chat on Sundays");
  const Error error = infeasible_error(decision, world.catalog);
  CHECK(error.fault() == Fault::refused_by_policy);
  CHECK(error.message() == "no chat on Sundays");
}

TEST_CASE("rules: a narrowed choice is the rule's where it changed the winner") {
  World world;
  world.policy.quality_floor = 0;
  world.caller.tags = {{"data", "restricted"}};
  say(world, "tag.data", "restricted",
      {.name = "restricted data stays home", .only = Selector{.tier = {Tier::local}}});
  CHECK(world.decide().reason == Reason::rule);
  CHECK(world.decide().rule == "restricted data stays home");
  world.policy.rules[0].only = Selector{.tier = {Tier::local, Tier::budget}};
  CHECK(world.decide().reason == Reason::cheapest_above_floor);  // local wins with or without it
  world.policy.rules[0].only = Selector{.tier = {Tier::budget, Tier::premium}};
  CHECK(world.decide().reason == Reason::rule);
  CHECK(world.chosen() == "mini");
  world.caller.tags.clear();
  CHECK(world.chosen() == "local-moe");
}

TEST_CASE("relaxing: in the policy's order, naming only what made the difference") {
  struct {
    std::string when;
    void (*change)(World&);
    std::string chosen, relaxed;
  } rows[] = {
      {"nothing to relax", [](World&) {}, "sonnet", ""},
      {"nobody is fast enough", [](World& w) { w.policy.ttft_p95_ms = 10; }, "sonnet",
       "sla.ttft_p95 "},
      {"nobody is good enough: the nearest serves, not the cheapest",
       [](World& w) {
         w.policy.floor_relative = false;
         w.policy.quality_floor = 0.99;
       },
       "opus", "quality.floor "},
      {"the first relaxation does not help and is taken back",
       [](World& w) {
         w.policy.floor_relative = false;
         w.policy.quality_floor = 0.99;
         w.policy.ttft_p95_ms = 5'000;
       },
       "opus", "quality.floor "},
      {"both are needed",
       [](World& w) {
         w.policy.floor_relative = false;
         w.policy.quality_floor = 0.99;
         w.policy.ttft_p95_ms = 10;
       },
       "opus", "sla.ttft_p95 quality.floor "},
      {"what is not listed is never relaxed", [](World& w) { w.policy.max_cost = Nanodollars{1}; },
       "none", ""},
      {"a caller's own limit is never relaxed",
       [](World& w) {
         w.policy.relax = {Relax::max_cost};
         w.caller.max_cost = Nanodollars{1};
       },
       "none", ""},
      {"a refusing policy refuses",
       [](World& w) {
         w.policy.refuse_infeasible = true;
         w.policy.ttft_p95_ms = 10;
       },
       "none", ""},
      {"breakers are facts, not wishes",
       [](World& w) {
         for (auto& state : w.snapshot.targets) state.breaker = BreakerState::open;
       },
       "none", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.policy.relax = {Relax::sla_ttft, Relax::quality_floor};
    row.change(world);
    const Decision decision = world.decide();
    CHECK(world.name(decision.target) == row.chosen);
    CHECK(relaxed(decision) == row.relaxed);
    if (!row.relaxed.empty()) CHECK(decision.reason == Reason::relaxed);
  }
}

TEST_CASE("pinned: the named target serves, or nobody") {
  World world;
  world.pinned = opus;
  world.policy.quality_floor = 1;
  world.policy.ttft_p95_ms = 1;
  Decision decision = world.decide();
  CHECK(world.name(decision.target) == "opus");
  CHECK(decision.reason == Reason::pinned_model);
  CHECK(decision.baseline == opus);
  CHECK(decision.baseline_cost == decision.candidates[opus].expected_cost);
  CHECK(world.plan() == "start opus");
  CHECK(world.verdicts() == "local-moe:rule mini:rule sonnet:rule opus");
  world.snapshot.targets[opus].breaker = BreakerState::open;
  CHECK(world.chosen() == "none");
  CHECK(infeasible_error(world.decide(), world.catalog).fault() == Fault::no_target_available);
  world.policy.fallback_pinned = true;
  CHECK(world.chosen() == "local-moe");
  world.snapshot.targets[opus].breaker = BreakerState::closed;
  CHECK(world.plan() == "start opus, fallback local-moe, fallback mini");
  CHECK(world.decide().reason == Reason::pinned_model);
}

TEST_CASE("pinned: without a policy it still has limits") {
  World world;
  world.pinned = sonnet;
  DecideInput input = world.input();
  input.policy = nullptr;
  CHECK(decide(input).target == sonnet);
  world.caller.max_cost = Nanodollars{1};
  CHECK_FALSE(decide(input).target.has_value());
}

TEST_CASE("pinned: rules that choose do not bind it, rules about the caller do") {
  World world;
  world.pinned = opus;
  say(world, "task", "chat", {.name = "save", .avoid = Selector{.tier = {Tier::premium}}});
  CHECK(world.chosen() == "opus");
  world.caller.tags = {{"data", "restricted"}};
  say(world, "tag.data", "restricted", {.name = "home", .only = Selector{.tier = {Tier::local}}});
  CHECK(world.chosen() == "none");
  CHECK(world.decide().candidates[opus].why_not == WhyNot::rule);
}

TEST_CASE("sessions: a switch must earn back the prompt cache it loses") {
  struct {
    std::string when;
    std::int64_t cached;
    bool sticky, in_tool_loop;
    std::string chosen, reason;
  } rows[] = {
      {"nothing cached: the cheaper wins", 0, true, false, "mini", "cheapest_above_floor"},
      {"a little cached: still", 1'000, true, false, "mini", "cheapest_above_floor"},
      {"inside a tool loop it never switches", 0, true, true, "sonnet", "session_sticky"},
      {"unless the policy is not sticky", 9'000, false, true, "mini", "cheapest_above_floor"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world = in_session(row.cached);
    world.policy.session_sticky = row.sticky;
    world.classification.in_tool_loop = row.in_tool_loop;
    const Decision decision = world.decide();
    CHECK(world.name(decision.target) == row.chosen);
    CHECK(reason_name(decision.reason) == row.reason);
  }
  // Opus against sonnet: the session's cache on opus makes the dearer list price the cheaper call.
  World world = in_session(9'900);
  world.policy.quality_floor = 0.9;
  world.snapshot.session_target = opus;
  CHECK(world.chosen() == "opus");
  CHECK(world.decide().reason == Reason::session_sticky);
  world.snapshot.session_cached_tokens = 1'000;
  CHECK(world.chosen() == "sonnet");
}

TEST_CASE("sessions: a loop outlasts the floor and latency, not a fact") {
  World world = in_session(0);
  world.classification.in_tool_loop = true;
  world.snapshot.session_target = local_moe;
  world.classification.prompt_tokens = 1'000;
  world.policy.ttft_p95_ms = 10;
  CHECK(world.chosen() == "local-moe");
  world.snapshot.targets[local_moe].breaker = BreakerState::open;
  world.policy.ttft_p95_ms.reset();
  CHECK(world.chosen() == "mini");
}

TEST_CASE("sessions: quality must gain visibly before a warm cache is left") {
  World world = in_session(9'000);
  world.policy.objective = Objective::best;
  world.catalog.targets[opus].ability = {{"overall", 0.87}};
  CHECK(world.chosen() == "sonnet");
  world.catalog.targets[opus].ability = {{"overall", 0.93}};
  CHECK(world.chosen() == "opus");
}

TEST_CASE("exploring: at its rate, with its propensity, within its budget") {
  World world;
  world.policy.quality_floor = 0;
  world.policy.explore_rate = 0.2;
  int explored = 0, counts[4] = {};
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    world.snapshot.seed = seed;
    const Decision decision = world.decide();
    ++counts[*decision.target];
    if (decision.reason == Reason::explore) {
      ++explored;
      CHECK(decision.propensity == doctest::Approx(0.2 / 3));
    } else {
      CHECK(decision.propensity == doctest::Approx(0.8));
    }
  }
  CHECK(explored > 700);
  CHECK(explored < 900);
  for (const std::size_t other : {mini, sonnet, opus}) CHECK(counts[other] > 200);
  world.snapshot.explore_left = Nanodollars{0};
  world.snapshot.seed = 0;
  CHECK(world.decide().propensity == 1.0);
  CHECK(world.chosen() == "local-moe");
}

TEST_CASE("exploration tries what lacks a proof, and nothing below the plain floor") {
  World world;
  world.policy.quality_floor = 0.8;  // of opus: local-moe is below it
  world.policy.fail_at_most = 0.1;
  world.policy.explore_rate = 0.5;
  int counts[4] = {};
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    world.snapshot.seed = seed;
    const Decision decision = world.decide();
    ++counts[*decision.target];
    CHECK(decision.reason ==
          (decision.target == opus ? Reason::best_until_proven : Reason::explore));
  }
  CHECK(counts[local_moe] == 0);
  CHECK(counts[mini] > 60);
  CHECK(counts[sonnet] > 60);
  CHECK(counts[opus] > 150);
}

TEST_CASE("plans: start, escalate, fallback, hedge; distinct targets") {
  World world;
  world.policy.quality_floor = 0.8;
  CHECK(world.plan() == "start mini, fallback sonnet, fallback opus");
  world.policy.escalate_on = {EscalateOn::refusal};
  world.policy.escalate_to = Selector{.tier = {Tier::premium}};
  world.policy.escalate_max = 1;
  CHECK(world.plan() == "start mini, escalate sonnet, fallback opus");
  world.policy.escalate_max = 5;
  CHECK(world.plan() == "start mini, escalate sonnet, escalate opus");
  world.policy.escalate_max = 0;
  world.policy.fallback_attempts = 1;
  CHECK(world.plan() == "start mini");
  world.policy.fallback_attempts = 3;
  world.policy.hedge_at_most = 0.05;
  world.policy.hedge_after_ttft_p95 = true;
  CHECK(world.plan() == "start mini, fallback sonnet, fallback opus, hedge sonnet");
  CHECK(world.decide().hedge_after_ms == doctest::Approx(400));
  world.policy.hedge_after_ttft_p95 = false;
  world.policy.hedge_after_ms = 2'000;
  CHECK(world.decide().hedge_after_ms == doctest::Approx(2'000));
}

TEST_CASE("plans: below the floor only where the policy would rather relax it") {
  World world;
  CHECK(world.plan() == "start sonnet, fallback opus");
  world.policy.relax = {Relax::quality_floor};
  CHECK(world.plan() == "start sonnet, fallback opus, fallback mini");
}

TEST_CASE("choose: a tool loop stays where it is, and steps up when its calls keep failing") {
  struct {
    const char* when;
    std::int64_t failed;
    bool signed_thinking;
    const char* chosen;
  } rows[] = {
      {"no call failed", 0, false, "mini"},
      {"one call failed", 1, false, "mini"},
      {"two in a row", 2, false, "sonnet"},
      {"two in a row, behind signed thinking", 2, true, "mini"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.classification.in_tool_loop = true;
    world.classification.failed_tool_calls = row.failed;
    world.classification.signed_thinking = row.signed_thinking;
    world.snapshot.session_target = mini;  // below the floor for this question
    CHECK(world.chosen() == row.chosen);
  }
}
