#include "router/efforts.h"

#include <doctest/doctest.h>

#include <functional>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

// mini's row with two arms, as the loader makes them: "mini:low" and "mini:high" come last.
constexpr std::size_t mini_low = 4, mini_high = 5;

World with_arms() {
  World world;
  Target& row = world.catalog.targets[mini];
  row.efforts = {"low", "high"};
  row.labels["effort"] = {"stated"};
  for (const auto& [effort, ability] : {std::pair("low", 0.75), std::pair("high", 0.92)}) {
    Target arm = world.catalog.targets[mini];
    arm.name = std::string("mini:") + effort;
    arm.labels["effort"] = {effort};
    arm.ability = {{"overall", ability}};
    world.catalog.targets.push_back(arm);
  }
  world.snapshot.targets.resize(6);
  return world;
}

}  // namespace

TEST_CASE("efforts: an arm is known by its name and label together") {
  const World world = with_arms();
  const auto& targets = world.catalog.targets;
  CHECK(effort_of(targets[mini_low]) == "low");
  CHECK(row_name(targets[mini_low]) == "mini");
  CHECK(effort_of(targets[mini]).empty());
  CHECK(row_name(targets[mini]) == "mini");
  CHECK(has_arms(targets[mini]));
  CHECK_FALSE(has_arms(targets[mini_low]));
  Target plain;
  plain.name = "qwen:low";
  CHECK(effort_of(plain).empty());
  plain.name = "low";
  plain.labels["effort"] = {"low"};
  CHECK(effort_of(plain).empty());
  CHECK_FALSE(has_arms(plain));
}

TEST_CASE("efforts: arms serve what states no effort, the row what does") {
  struct {
    const char* when;
    std::function<void(World&)> change;
    std::string verdicts, chosen;
  } rows[] = {
      {"an easy floor: the low effort is enough", [](World& w) { w.policy.quality_floor = 0.8; },
       "local-moe:quality_floor mini:capability sonnet opus mini:low mini:high", "mini:low"},
      {"a high floor: more effort is cheaper than another model",
       [](World& w) { w.policy.quality_floor = 0.95; },
       "local-moe:quality_floor mini:capability sonnet:quality_floor opus mini:low:quality_floor "
       "mini:high",
       "mini:high"},
      {"the client states an effort",
       [](World& w) {
         w.policy.quality_floor = 0.8;
         w.request.reasoning_effort = "high";
       },
       "local-moe:quality_floor mini sonnet opus mini:low:capability mini:high:capability", "mini"},
      {"the client states a budget of thinking",
       [](World& w) {
         w.policy.quality_floor = 0.8;
         w.request.thinking = R"({"type":"enabled","budget_tokens":2000})";
       },
       "local-moe:quality_floor mini sonnet opus mini:low:capability mini:high:capability", "mini"},
      {"a rule orders an effort",
       [](World& w) {
         w.policy.quality_floor = 0.8;
         w.policy.rules = {{.name = "think", .effort = "high"}};
       },
       "local-moe:quality_floor mini:capability sonnet opus mini:low:rule mini:high", "mini:high"},
      {"a rule orders an effort that no arm has",
       [](World& w) {
         w.policy.quality_floor = 0.8;
         w.policy.rules = {{.name = "think", .effort = "medium"}};
       },
       "local-moe:quality_floor mini:capability sonnet opus mini:low mini:high", "mini:low"},
      {"the client names the row", [](World& w) { w.pinned = mini; },
       "local-moe:rule mini sonnet:rule opus:rule mini:low:rule mini:high:rule", "mini"},
      {"the client names an arm", [](World& w) { w.pinned = mini_high; },
       "local-moe:rule mini:capability sonnet:rule opus:rule mini:low:rule mini:high", "mini:high"},
      {"a rule and a key that name the row mean its arms",
       [](World& w) {
         w.policy.quality_floor = 0;
         w.policy.rules = {{.name = "r", .only = Selector{.target = {"mini"}}}};
         w.caller.allowed_models = {"mini", "opus"};
       },
       "local-moe:allow_list mini:capability sonnet:allow_list opus:rule mini:low mini:high",
       "mini:low"},
      {"a rule by effort",
       [](World& w) {
         w.policy.quality_floor = 0;
         w.policy.rules = {
             {.name = "r",
              .only = Selector{.target = {"mini*"}, .labels = {{"effort", {"high"}}}}}};
       },
       "local-moe:label mini:capability sonnet:label opus:label mini:low:label mini:high",
       "mini:high"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world = with_arms();
    row.change(world);
    CHECK(world.verdicts() == row.verdicts);
    CHECK(world.chosen() == row.chosen);
  }
}

TEST_CASE("efforts: more effort is expected to think longer, cost more and begin later") {
  const World world = with_arms();
  const auto& targets = world.catalog.targets;
  const auto tokens = [&](std::size_t arm) {
    return expected_usage(world.request, world.classification, targets[arm], 0);
  };
  CHECK(tokens(mini_low)[TokenClass::output].count == tokens(mini_high)[TokenClass::output].count);
  const auto visible = static_cast<double>(tokens(mini_low)[TokenClass::output].count);
  CHECK(static_cast<double>(tokens(mini_low)[TokenClass::reasoning].count) ==
        doctest::Approx(0.7 * visible).epsilon(0.01));
  CHECK(static_cast<double>(tokens(mini_high)[TokenClass::reasoning].count) ==
        doctest::Approx(3 * visible).epsilon(0.01));
  const DecideInput input = world.input();
  CHECK(expected_cost(input, targets[mini_low], 0)->value <
        expected_cost(input, targets[mini_high], 0)->value);
  const auto first_token = [&](std::size_t arm, const TargetState& state) {
    return latency_of(targets[arm], state, world.classification).ttft_ms;
  };
  CHECK(first_token(mini_low, {}) == doctest::Approx(400 + 0.7 * 200 * 8));
  CHECK(first_token(mini_high, {}) == doctest::Approx(400 + 3 * 200 * 8));
  CHECK(first_token(mini_high, {.ttft_ms_p50 = 900}) == 900);
}

TEST_CASE("efforts: a fault is not answered by another effort of the same model, weakness may be") {
  World world = with_arms();
  world.policy.quality_floor = 0.8;
  CHECK(world.plan() == "start mini:low, fallback sonnet, fallback opus");
  world.policy.escalate_on = {EscalateOn::refusal};
  world.policy.escalate_max = 1;
  CHECK(world.plan() == "start mini:low, escalate mini:high, fallback sonnet, fallback opus");
}
