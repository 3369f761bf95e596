#include "router/decision_record.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "router/conditions.h"
#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

RecordedRequest columns_of(const World& world) {
  RecordedRequest columns;
  columns.time_unix_ns = world.snapshot.now_unix_s * 1'000'000'000 + 7;
  columns.seed = world.snapshot.seed;
  columns.key = world.caller.key_name;
  columns.session = world.caller.session;
  columns.requested_model = world.request.requested_model;
  columns.tags = world.caller.tags;
  columns.endpoint = world.request.endpoint;
  columns.difficulty = world.classification.difficulty;
  columns.uncertainty = world.classification.uncertainty;
  return columns;
}

Condition word(std::string_view key, const std::string& value) {
  return *parse_condition(key, {value});
}

struct Case {
  const char* when;
  std::function<void(World&)> change;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {"a plain request", [](World&) {}},
      {"odd estimates",
       [](World& w) {
         w.classification.difficulty = 0.123456789;
         w.catalog.targets[mini].ttft_ms = 123.456789;
       }},
      {"live latencies",
       [](World& w) {
         w.snapshot.targets[mini] = {
             .ttft_ms_p50 = 333.33, .ttft_ms_p95 = 1'234.567, .tpot_ms = 7.7};
       }},
      {"a promise that two targets keep",
       [](World& w) {
         w.policy.quality_floor = 0;
         w.policy.fail_at_most = 0.1;
         w.snapshot.targets[mini].failures_at_most = 0.0987654321;
         w.snapshot.targets[sonnet].failures_at_most = 0.02;
       }},
      {"a promise that nobody keeps", [](World& w) { w.policy.fail_at_most = 0.1; }},
      {"an open breaker", [](World& w) { w.snapshot.targets[mini].breaker = BreakerState::open; }},
      {"a hard budget nearly spent",
       [](World& w) {
         w.snapshot.budget_left = Nanodollars{2'000'000};
         w.snapshot.budget_left_percent = 12.5;
       }},
      {"a caller's floor and cost limit",
       [](World& w) {
         w.caller.quality = 0.97;
         w.caller.max_cost = Nanodollars{30'000'000};
         w.caller.min_quality = 0.5;
       }},
      {"a warm session",
       [](World& w) {
         w.caller.session = "s";
         w.snapshot.session_target = sonnet;
         w.snapshot.session_cached_tokens = 900;
       }},
      {"inside a tool loop",
       [](World& w) {
         w.classification.in_tool_loop = true;
         w.snapshot.session_target = opus;
         w.request.tools.resize(3);
       }},
      {"a tool loop that keeps failing",
       [](World& w) {
         w.classification.in_tool_loop = true;
         w.classification.failed_tool_calls = 2;
         w.snapshot.session_target = mini;
       }},
      {"a pinned name", [](World& w) { w.pinned = sonnet; }},
      {"reasoning effort, tier, several answers, an output cap",
       [](World& w) {
         w.request.reasoning_effort = "high";
         w.request.service_tier = "flex";
         w.request.n = 3;
         w.request.max_completion_tokens = 77;
         w.request.stream = true;
       }},
      {"a rule on language and tag",
       [](World& w) {
         w.classification.language = "zh";
         w.caller.tags = {{"team", "search"}};
         Rule rule{.name = "chinese at home"};
         rule.when = {word("language", "zh"), word("tag.team", "search")};
         rule.prefer = Selector{.target = {"opus"}};
         w.policy.rules = {rule};
       }},
      {"exploration",
       [](World& w) {
         w.policy.explore_rate = 0.5;
         w.snapshot.explore_left = Nanodollars{1'000'000'000};
         w.snapshot.seed = 3;
       }},
      {"images beyond a context",
       [](World& w) {
         w.classification.needs |= bits({Capability::vision});
         w.classification.images = 2;
         w.classification.prompt_tokens = 200'000;
       }},
  };
  return all;
}

RecordedDecision recorded(const World& world) {
  const DecideInput input = world.input();
  const std::string bytes = encode_decision(input, decide(input));
  auto decoded =
      decode_decision(bytes, target_layout(world.catalog), columns_of(world), world.catalog);
  REQUIRE(decoded.has_value());
  return std::move(*decoded);
}

// All that was learned and measured since is different now.
Catalog changed(Catalog catalog) {
  for (Target& target : catalog.targets) {
    target.ability = {{"overall", 0.31}};
    target.ttft_ms *= 9;
    target.tpot_ms *= 5;
  }
  for (Price& price : catalog.prices) price.base = flat_rates("99", "999");
  return catalog;
}

}  // namespace

TEST_CASE("the same policy decides a recorded request the same, whatever was learned since") {
  for (const Case& one : cases()) {
    CAPTURE(one.when);
    World world;
    one.change(world);
    const Decision before = world.decide();
    REQUIRE(before.target.has_value());
    const RecordedDecision record = recorded(world);
    const Catalog now = changed(world.catalog);
    const Decision again = decide(record.input(now, &world.policy));
    CHECK(same_decision(again, record, now));
    CHECK(again.target == before.target);
    CHECK(again.reason == before.reason);
    CHECK(again.rule == before.rule);
    CHECK(again.propensity == before.propensity);
    CHECK(again.relaxed == before.relaxed);
    REQUIRE(again.candidates.size() == before.candidates.size());
    for (std::size_t i = 0; i < again.candidates.size(); ++i) {
      CAPTURE(i);
      CHECK(again.candidates[i].why_not == before.candidates[i].why_not);
      CHECK(again.candidates[i].p_ok == before.candidates[i].p_ok);
      if (!again.candidates[i].eligible()) continue;
      CHECK(again.candidates[i].facts == before.candidates[i].facts);
    }
  }
}

TEST_CASE("another policy can be tried on what was recorded") {
  World world;
  const RecordedDecision record = recorded(world);
  Policy best = world.policy;
  best.objective = Objective::best;
  const Decision other = decide(record.input(world.catalog, &best));
  CHECK(world.name(other.target) == "opus");
  CHECK_FALSE(same_decision(other, record, world.catalog));
}

TEST_CASE("a record outlives changes of the catalog") {
  World world;
  const DecideInput input = world.input();
  const std::string bytes = encode_decision(input, decide(input));
  const std::string layout = target_layout(world.catalog);
  CHECK(layout == "local-moe\nmini\nsonnet\nopus\n");
  Catalog now = world.catalog;
  now.targets.erase(now.targets.begin() + sonnet);
  std::swap(now.targets[0], now.targets[2]);
  const auto record = decode_decision(bytes, layout, columns_of(world), now);
  REQUIRE(record.has_value());
  CHECK(record->had_target);
  CHECK_FALSE(record->chosen.has_value());  // sonnet is gone
  CHECK(record->facts[0]->p_ok == recordable_p_ok(0.93));
  CHECK(record->facts[2]->p_ok == recordable_p_ok(0.55));
  CHECK_FALSE(same_decision(decide(record->input(now, &world.policy)), *record, now));
}

TEST_CASE("the chances of a draw are recorded for every target that could have come") {
  World world;
  world.policy.quality_floor = 0.5;
  world.policy.explore_rate = 0.3;
  const RecordedDecision record = recorded(world);
  double sum = 0;
  for (const double chance : record.propensity) sum += chance;
  CHECK(std::abs(sum - 1) < 1e-12);
  CHECK(std::count(record.propensity.begin(), record.propensity.end(), 0.7) == 1);
}

TEST_CASE("a record is small") {
  const World world;
  CHECK(encode_decision(world.input(), world.decide()).size() <= 110);
}

TEST_CASE("bytes that are no record are refused, wherever they break off") {
  World world;
  const DecideInput input = world.input();
  const std::string bytes = encode_decision(input, decide(input));
  const std::string layout = target_layout(world.catalog);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    const auto cut = decode_decision(std::string_view(bytes).substr(0, size), layout,
                                     columns_of(world), world.catalog);
    REQUIRE(cut.has_error());
    CHECK(cut.error().message() == "a recorded decision of the ledger cannot be read");
  }
  CHECK(decode_decision(bytes + "x", layout, columns_of(world), world.catalog).has_error());
  CHECK(decode_decision("\x02" + bytes.substr(1), layout, columns_of(world), world.catalog)
            .has_error());
}

TEST_CASE("a record whose bytes were changed is refused, or can be decided again") {
  World world;
  world.snapshot.session_target = mini;
  world.snapshot.session_cached_tokens = 400;
  const std::string bytes = encode_decision(world.input(), world.decide());
  const std::string layout = target_layout(world.catalog);
  int read = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);  // among them: savings on a target without a price
      const auto recorded = decode_decision(changed, layout, columns_of(world), world.catalog);
      if (recorded.has_error()) continue;
      ++read;
      const Decision again = decide(recorded->input(world.catalog, &world.policy));
      REQUIRE(again.candidates.size() == world.catalog.targets.size());
    }
  }
  CHECK(read > 256);
}

TEST_CASE("record: a bound on failures is rounded up, never down") {
  CHECK(recordable_bound(0.1) == 0.1);
  CHECK(recordable_bound(0.100001) == doctest::Approx(0.10002));
  CHECK(recordable_bound(1) == 1);
  CHECK(recordable_bound(0) == 0);
}

TEST_CASE("record: another promise can be tried on what was recorded without one") {
  World world;
  world.policy.quality_floor = 0;
  world.snapshot.targets[mini].failures_at_most = 0.07;
  world.snapshot.targets[sonnet].failures_at_most = 0.04;
  const Decision decision = world.decide();
  CHECK(world.name(decision.target) == "local-moe");
  const auto recorded =
      decode_decision(encode_decision(world.input(), decision), target_layout(world.catalog),
                      columns_of(world), world.catalog);
  REQUIRE(recorded.has_value());
  CHECK(same_decision(decide(recorded->input(world.catalog, &world.policy)), *recorded,
                      world.catalog));
  for (const auto& [rate, chosen] : {std::pair{0.1, mini}, {0.05, sonnet}, {0.03, opus}}) {
    world.policy.fail_at_most = rate;
    CHECK(decide(recorded->input(world.catalog, &world.policy)).target == chosen);
  }
}
