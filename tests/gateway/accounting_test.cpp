#include "gateway/accounting.h"

#include <doctest/doctest.h>

using namespace jevons;

namespace {

TokenCount measured(std::int64_t count) { return {.count = count, .source = Provenance::measured}; }

// A catalog of one dollar per million input tokens and ten per million output tokens; the baseline
// costs ten times that.
struct Fixture {
  Fixture() {
    for (const auto& [name, factor] : {std::pair{"cheap", 1}, std::pair{"dear", 10}}) {
      Price price;
      price.id = name;
      price.row_id = std::string(name) + "@2026-01-01";
      price.base[TokenClass::input] = Picodollars{1'000'000LL * factor};
      price.base[TokenClass::output] = Picodollars{10'000'000LL * factor};
      Rates flex;
      flex[TokenClass::input] = Picodollars{500'000LL * factor};
      price.modes["flex"] = flex;
      catalog.prices.push_back(price);
      Target target;
      target.name = name;
      target.price_id = name;
      target.max_output = 1'000;
      target.context = 200'000;
      catalog.targets.push_back(target);
    }
    classification.prompt_tokens = 100;
    classification.prompt_tokens_upper = 400;
    facts.catalog = &catalog;
    facts.target = &catalog.targets[0];
    facts.baseline = &catalog.targets[1];
    facts.classification = &classification;
    facts.intent_unix_s = 1'800'000'000;
    facts.output_cap = 500;
    facts.complete = true;
  }
  Catalog catalog;
  Classification classification;
  AttemptFacts facts;
};

Usage claim(std::int64_t input, std::int64_t output) {
  Usage usage;
  usage[TokenClass::input] = measured(input);
  usage[TokenClass::output] = measured(output);
  return usage;
}

}  // namespace

TEST_CASE("what the upstream measured is billed, what it did not report is estimated") {
  struct {
    const char* when;
    std::optional<Usage> claimed;
    std::int64_t output_bytes;
    bool complete;
    std::int64_t prompt, completion;
    bool estimated;
    const char* suspicion;
  } rows[] = {
      {"a plausible claim stands", claim(90, 50), 200, true, 90, 50, false, ""},
      {"an explicit zero is a measurement", claim(0, 0), 0, true, 0, 0, false, ""},
      {"a zero beside text is billed and flagged", claim(90, 0), 40, true, 90, 0, false,
       "no completion tokens for an answer that shows some"},
      {"no usage: our own counts", std::nullopt, 41, true, 100, 11, true, ""},
      {"a cut stream whose early count is stale", claim(90, 1), 400, false, 90, 100, true, ""},
      {"a cut stream that had counted further", claim(90, 120), 400, false, 90, 120, false, ""},
      {"more than the cap is flagged but billed", claim(90, 501), 100, true, 90, 501, false,
       "completion tokens above the cap"},
      {"an absurd completion is replaced", claim(90, 1'000'000'000), 40, true, 90, 10, true,
       "completion tokens far above the cap"},
      {"more than was sent is flagged but billed: pages that a server tool read", claim(90'000, 5),
       20, true, 90'000, 5, false, "prompt tokens above the request's size"},
      {"more than the answer shows is flagged but billed", claim(90, 400), 40, true, 90, 400, false,
       "completion tokens above what the answer shows"},
      {"an absurd prompt is replaced", claim(1'000'000'000, 5), 20, true, 100, 5, true,
       "prompt tokens far above the request's size"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Fixture f;
    f.facts.claimed = row.claimed;
    f.facts.output_bytes = row.output_bytes;
    f.facts.complete = row.complete;
    const Usage usage = settled_usage(f.facts);
    CHECK(usage.prompt_tokens() == row.prompt);
    CHECK(usage.completion_tokens() == row.completion);
    CHECK(usage.any_estimated() == row.estimated);
    CHECK(usage.suspicion == row.suspicion);
  }
}

TEST_CASE("cost and baseline price the same tokens, by the tier actually served") {
  struct {
    const char* when;
    const char* tier;
    std::optional<std::int64_t> nanodollars;
    std::int64_t baseline;
  } rows[] = {
      {"no tier named", "", 100'000 + 100'000, 2'000'000},
      {"the default tier", "default", 200'000, 2'000'000},
      {"flex has its own input rate", "flex", 150'000, 2'000'000},
      {"an unlisted tier is unknown, never the standard price", "turbo", std::nullopt, 2'000'000},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Fixture f;
    f.facts.served_tier = row.tier;
    const AttemptCost cost = attempt_cost(f.facts, claim(100, 10));
    CHECK(cost.cost.has_value() == row.nanodollars.has_value());
    if (cost.cost) CHECK(cost.cost->total.value == *row.nanodollars);
    CHECK(cost.baseline.value == row.baseline);
    CHECK(cost.price_id == "cheap@2026-01-01");
  }
}

TEST_CASE("a target that is its own baseline saves nothing") {
  Fixture f;
  f.facts.baseline = nullptr;
  const AttemptCost cost = attempt_cost(f.facts, claim(100, 10));
  CHECK(cost.baseline == cost.cost->total);
}

TEST_CASE("a local target costs its engine time at its hourly price") {
  Fixture f;
  f.catalog.targets[0].local_cost_per_hour = Nanodollars{3'600'000'000};
  f.facts.engine_microseconds = 1'500'000;
  const AttemptCost cost = attempt_cost(f.facts, claim(100, 10));
  CHECK(cost.cost->total.value == 1'500'000);
  CHECK(cost.price_id.empty());
}

TEST_CASE("embeddings have no output tokens to estimate") {
  Fixture fixture;
  fixture.facts.no_output = true;
  Usage claimed;
  claimed[TokenClass::input] = measured(100);
  fixture.facts.claimed = claimed;
  CHECK_FALSE(settled_usage(fixture.facts).any_estimated());
  fixture.facts.claimed.reset();
  const Usage estimated = settled_usage(fixture.facts);
  CHECK(estimated[TokenClass::input].count == 100);
  CHECK(estimated[TokenClass::output].source == Provenance::absent);
}

TEST_CASE("an input count that was no number is estimated, though cached ones are measured") {
  Fixture fixture;
  Usage claimed;
  claimed[TokenClass::cache_read] = measured(40);
  claimed[TokenClass::output] = measured(10);
  fixture.facts.claimed = claimed;
  const Usage usage = settled_usage(fixture.facts);
  CHECK(usage[TokenClass::input].count == 60);
  CHECK(usage[TokenClass::input].source == Provenance::estimated);
  CHECK(usage[TokenClass::cache_read].count == 40);
}
