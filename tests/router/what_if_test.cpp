#include "router/what_if.h"

#include <doctest/doctest.h>

#include <functional>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

std::string joined(const WhatIf& what) {
  std::string text;
  for (const std::string& change : what.changes) text += (text.empty() ? "" : " and ") + change;
  return text;
}

}  // namespace

TEST_CASE("what if: each loser is told what would make it win") {
  struct {
    const char* when;
    std::size_t target;
    std::function<void(World&)> change;
    std::string expected;
  } rows[] = {
      {"dearer than the winner", opus, [](World&) {},
       "a cost of at most $0.007335000 (now $0.012225000)"},
      {"below the floor", mini, [](World&) {}, "P(ok) of at least 0.8370 (now 0.7800)"},
      {"without what the request needs", local_moe,
       [](World& w) {
         w.classification.needs |= bits({Capability::tools, Capability::vision});
       },
       "the capabilities tools, vision and P(ok) of at least 0.8370 (now 0.5500)"},
      {"beyond its context", local_moe, [](World& w) { w.classification.prompt_tokens = 9'000; },
       "a context of at least 9016 tokens (now 8192) and P(ok) of at least 0.8370 (now 0.5500)"},
      {"its breaker is open", mini,
       [](World& w) {
         w.policy.quality_floor = 0.5;
         w.catalog.targets.erase(w.catalog.targets.begin());
         w.snapshot.targets.resize(3);
         w.snapshot.targets[0].breaker = BreakerState::open;
       },
       "its breaker closed and its provider below max_in_flight"},
      {"the best wins", sonnet, [](World& w) { w.policy.objective = Objective::best; },
       "P(ok) of at least 0.9300 (now 0.8600)"},
      {"the fastest wins", opus,
       [](World& w) {
         w.policy.objective = Objective::fastest;
         w.policy.quality_floor = 0.9;
       },
       "an answer within 3499 ms (now 6200)"},
      {"a rule keeps it out", opus,
       [](World& w) { w.policy.rules = {{.name = "r", .avoid = Selector{.target = {"opus"}}}}; },
       "the policy's rules would have to let it in"},
      {"its outcomes prove too little", mini,
       [](World& w) {
         w.policy.quality_floor = 0;
         w.policy.fail_at_most = 0.05;
         w.snapshot.targets[mini].failures_at_most = 0.125;
       },
       "outcomes that prove it fails at most 5.0 % of the time (now 12.5 %)"},
      {"too slow for the SLA", opus, [](World& w) { w.policy.ttft_p95_ms = 1'000; },
       "a first token (p95) within 1000 ms (now 1200) and "
       "a cost of at most $0.007335000 (now $0.012225000)"},
  };
  for (auto& row : rows) {
    CAPTURE(row.when);
    World world;
    row.change(world);
    const std::size_t target =
        std::string(row.when) == "its breaker is open" ? row.target - 1 : row.target;
    const Decision decision = world.decide();
    REQUIRE(decision.target != target);
    const WhatIf what = what_would_win(world.input(), decision, target);
    CHECK(joined(what) == row.expected);
    if (!what.wins) continue;
    // It holds: with the change made, and nothing else, the decision is for this target.
    std::vector<std::optional<TargetFacts>> facts;
    for (const Candidate& candidate : decision.candidates) facts.emplace_back(candidate.facts);
    facts[target] = what.facts;
    DecideInput again{.catalog = world.catalog,
                      .policy = &world.policy,
                      .pinned = world.pinned,
                      .request = world.request,
                      .classification = world.classification,
                      .caller = world.caller,
                      .snapshot = world.snapshot,
                      .recorded = &facts};
    CHECK(decide(again).target == target);
  }
}

TEST_CASE("what if: the winner needs no change") {
  World world;
  const Decision decision = world.decide();
  const WhatIf what = what_would_win(world.input(), decision, *decision.target);
  CHECK(what.wins);
  CHECK(what.changes.empty());
}
