#include "router/replay.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

constexpr std::int64_t prompt = 1'100, answer = 250;  // tokens as counted by the upstream

Usage counted() {
  Usage usage;
  usage[TokenClass::input] = {prompt, Provenance::measured};
  usage[TokenClass::output] = {answer, Provenance::measured};
  return usage;
}

Nanodollars price_of(const World& world, std::size_t target, const Usage& usage) {
  const Target& t = world.catalog.targets[target];
  if (t.local_cost_per_hour) return Nanodollars{7'000};
  const Price* price = price_at(world.catalog, t.price_id, 0);
  return cost_of(*price, price_query(t, "", 0, usage.prompt_tokens()), usage)->total;
}

// A request that went as the world decides, settled as counted.
LoggedDecision logged(World& world, std::uint64_t number = 1,
                      std::optional<double> score = std::nullopt) {
  world.snapshot.seed = number;
  const DecideInput input = world.input();
  const Decision decision = decide(input);
  LoggedDecision row;
  row.request.id.low = number;
  row.request.key = world.caller.key_name;
  row.request.difficulty = world.classification.difficulty;
  row.request.uncertainty = world.classification.uncertainty;
  row.request.decision = encode_decision(input, decision);
  row.request.target_layout = target_layout(world.catalog);
  row.attempts = {{.attempt = 1,
                   .on = "start",
                   .target = world.name(decision.target),
                   .cost = price_of(world, *decision.target, counted()),
                   .delivered = true,
                   .usage = counted()}};
  row.score = score;
  return row;
}

Policy with_objective(Policy policy, Objective objective) {
  policy.objective = objective;
  return policy;
}

}  // namespace

TEST_CASE("replay: the same policy reproduces every decision and what was paid") {
  World world;
  Replay replay(world.catalog, world.policy);
  for (std::uint64_t i = 0; i < 20; ++i) replay.add(logged(world, i), &world.policy);
  const ReplayReport report = replay.report();
  const Nanodollars each = price_of(world, sonnet, counted());
  CHECK(report.decisions == 20);
  CHECK(report.reproduced == 20);
  CHECK(report.changed == 0);
  CHECK(report.today.cost.value == 20 * each.value);
  CHECK(report.changed_policy.cost == report.today.cost);
  CHECK(report.today.input.value == 20 * prompt * 3'000);
  CHECK(report.today.output.value == 20 * answer * 15'000);
  CHECK(report.today.predicted == 0);
  CHECK(report.today.targets.at("sonnet").requests == 20);
}

TEST_CASE("replay: another target is priced with the tokens that were counted") {
  World world;
  const Policy best = with_objective(world.policy, Objective::best);
  Replay replay(world.catalog, best);
  replay.add(logged(world), &world.policy);
  const ReplayReport report = replay.report();
  CHECK(report.changed == 1);
  CHECK(report.changed_policy.predicted == 1);
  CHECK(report.changed_policy.input.value == prompt * 5'000);
  CHECK(report.changed_policy.output.value == answer * 25'000);
  CHECK(report.changed_policy.targets.at("opus").requests == 1);
}

TEST_CASE("replay: a local target is priced by the time it would have taken") {
  World world;
  Policy low = world.policy;
  low.quality_floor = 0.1;
  Replay replay(world.catalog, low);
  replay.add(logged(world), &world.policy);
  // 36 mills an hour; 60 ms and 250 tokens of 10 ms.
  CHECK(replay.report().changed_policy.cost.value == 2'560 * 10);
}

TEST_CASE("replay: escalations of a changed request cost what they were seen to cost") {
  World world;
  world.policy.quality_floor = 0;
  world.policy.escalate_on = {EscalateOn::refusal};
  world.policy.escalate_max = 1;
  world.policy.rules = {{.name = "cheap", .prefer = Selector{.target = {"mini"}}}};
  Policy dear = world.policy;
  dear.rules[0].prefer = Selector{.target = {"sonnet"}};
  struct {
    const char* when;
    int began_at_sonnet, escalated;
    std::int64_t more;
    bool unknown;
  } rows[] = {
      {"half of them escalated", 40, 20, 1, false},
      {"too few to tell", 10, 5, 0, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Replay replay(world.catalog, dear);
    World at_sonnet = world;
    at_sonnet.policy = dear;
    for (int i = 0; i < row.began_at_sonnet; ++i) {
      LoggedDecision one = logged(at_sonnet, static_cast<std::uint64_t>(i));
      if (i < row.escalated)
        one.attempts.push_back(
            {.attempt = 2, .on = "escalate", .target = "opus", .cost = Nanodollars{0}});
      replay.add(one, &world.policy);
    }
    const ReplayReport before = replay.report();
    replay.add(logged(world, 99), &world.policy);
    replay.add(logged(world, 100), &world.policy);
    const ReplayReport report = replay.report();
    const std::int64_t plain = 2 * price_of(world, sonnet, counted()).value;
    const std::int64_t opus_once = price_of(world, opus, counted()).value;
    CHECK(report.changed_policy.cost.value - before.changed_policy.cost.value ==
          plain + row.more * opus_once);
    // Under today's policy the requests seen at sonnet would begin at mini, as only two did.
    std::vector<std::string> unknown = {"mini"};
    if (row.unknown) unknown.push_back("sonnet");
    CHECK(report.unknown_escalations == unknown);
  }
}

TEST_CASE("replay: quality without enough data says so and why") {
  World world;
  struct {
    const char* when;
    int scored;
    Objective objective;
    const char* why;
  } rows[] = {
      {"no feedback", 0, Objective::cheapest, "0 requests have feedback, 50 are needed"},
      {"little feedback", 49, Objective::cheapest, "49 requests have feedback, 50 are needed"},
      {"a target never tried", 60, Objective::best,
       "100 % of its choices were never tried; `explore` would try them"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Policy changed = with_objective(world.policy, row.objective);
    Replay replay(world.catalog, changed);
    for (int i = 0; i < row.scored; ++i)
      replay.add(logged(world, static_cast<std::uint64_t>(i), 1.0), &world.policy);
    const QualityEstimate quality = replay.report().changed_policy.quality;
    CHECK_FALSE(quality.enough);
    CHECK(quality.why_not_enough == row.why);
    CHECK(quality.low <= quality.value);
    CHECK(quality.value <= quality.high);
  }
}

// Targets are truly this good, whatever P(ok) says: the estimate must find out from the scores.
TEST_CASE("replay: with exploration the interval holds the truth about another policy") {
  const double truly[] = {0.20, 0.55, 0.60, 0.95};
  World world;
  world.policy.quality_floor = 0;
  world.policy.explore_rate = 0.4;
  Policy best = with_objective(world.policy, Objective::best);
  best.explore_rate = 0;
  std::uint64_t state = 7;
  const auto uniform = [&state] {
    state = state * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
    return static_cast<double>(state >> 11) * 0x1.0p-53;
  };
  int held = 0;
  constexpr int rounds = 60;
  for (int round = 0; round < rounds; ++round) {
    Replay replay(world.catalog, best);
    for (int i = 0; i < 400; ++i) {
      const auto number = static_cast<std::uint64_t>(uniform() * 1e15);
      world.snapshot.seed = number;
      const std::size_t went = *world.decide().target;
      replay.add(logged(world, number, uniform() < truly[went] ? 1.0 : 0.0), &world.policy);
    }
    const QualityEstimate quality = replay.report().changed_policy.quality;
    REQUIRE(quality.enough);
    if (quality.low <= truly[opus] && truly[opus] <= quality.high) ++held;
    CHECK(replay.report().reproduced == 400);
  }
  CHECK(held >= rounds * 85 / 100);
}

TEST_CASE("replay: records that cannot be used are counted, not guessed") {
  World world;
  Replay replay(world.catalog, world.policy);
  LoggedDecision broken = logged(world);
  broken.request.decision = "nonsense";
  replay.add(broken, &world.policy);
  LoggedDecision foreign = logged(world);
  foreign.request.target_layout = "a\nb\nc\nd\n";
  replay.add(foreign, &world.policy);
  const ReplayReport report = replay.report();
  CHECK(report.unreadable == 1);
  CHECK(report.gone == 1);
  CHECK(report.decisions == 0);
}

TEST_CASE("replay: decisions of another policy are tried like any other") {
  World world;
  const Policy best = with_objective(world.policy, Objective::best);
  World other;
  other.policy = with_objective(world.policy, Objective::best);
  other.policy.name = "other";
  Replay replay(world.catalog, best);
  replay.add(logged(world, 1), &world.policy);  // sonnet
  replay.add(logged(other, 2), &other.policy);  // opus
  const ReplayReport report = replay.report();
  CHECK(report.decisions == 2);
  CHECK(report.reproduced == 2);
  CHECK(report.changed == 1);
  CHECK(report.today.targets.at("sonnet").requests == 1);
  CHECK(report.today.targets.at("opus").requests == 1);
  CHECK(report.changed_policy.targets.at("opus").requests == 2);
}

TEST_CASE("replay: a policy that is gone leaves what was recorded and paid") {
  World world;
  const Policy best = with_objective(world.policy, Objective::best);
  Replay replay(world.catalog, best);
  replay.add(logged(world, 1, 0.5), nullptr);
  const ReplayReport report = replay.report();
  CHECK(report.decisions == 1);
  CHECK(report.policy_gone == 1);
  CHECK(report.reproduced == 0);
  CHECK(report.changed == 1);
  CHECK(report.today.cost == price_of(world, sonnet, counted()));
  CHECK(report.today.predicted == 0);
  CHECK(report.today.quality.unsupported == 0);
}
