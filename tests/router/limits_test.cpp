#include <doctest/doctest.h>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

std::optional<std::int64_t> reserved(const World& w, std::size_t target, std::int64_t cap) {
  const auto amount = reservation_of(w.catalog, w.catalog.targets[target], w.classification, cap,
                                     w.request, w.snapshot.now_unix_s);
  if (!amount) return std::nullopt;
  return amount->value;
}

}  // namespace

TEST_CASE("output cap: the request's, else the target's, within its context") {
  struct {
    std::string when;
    std::optional<std::int64_t> asked;
    std::int64_t prompt, cap;
  } rows[] = {
      {"the target's own", {}, 100, 2'048},
      {"the request's", 300, 100, 300},
      {"never more than the target writes", 100'000, 100, 2'048},
      {"what the context leaves", {}, 8'000, 192},
      {"at least one token", {}, 9'000, 1},
      {"zero warms a cache", 0, 100, 0},
      {"a negative claim is nothing", -5, 100, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.request.max_completion_tokens = row.asked;
    world.classification.prompt_tokens = row.prompt;
    CHECK(output_cap(world.request, world.classification, world.catalog.targets[local_moe]) ==
          row.cap);
  }
}

TEST_CASE("reservation: the whole cap and the upper bound of the input") {
  World world;
  // 4,000 tokens at 0.25 and 1,000 at 2 dollars a million
  CHECK(reserved(world, mini, 1'000) == 3'000'000);
  CHECK(reserved(world, mini, 0) == 1'000'000);
  world.request.n = 3;
  CHECK(reserved(world, mini, 1'000) == 7'000'000);
}

TEST_CASE("reservation: each image at the target's own bound") {
  World world;
  world.classification.images = 2;
  world.classification.prompt_tokens_upper = 4'000 + 2 * image_tokens_upper_default;
  world.catalog.targets[mini].image_tokens_max = 3'000;
  CHECK(reserved(world, mini, 0) == 2'500'000);  // 4,000 + 2 * 3,000 tokens
  world.catalog.targets[mini].image_tokens_max = 0;
  CHECK(reserved(world, mini, 0) == 1'000'000);
}

TEST_CASE("reservation: the dearest that may be served") {
  struct {
    std::string when;
    void (*change)(World&);
    std::optional<std::int64_t> nanodollars;
  } rows[] = {
      {"standard", [](World&) {}, 3'000'000},
      {"priority where the provider may choose it",
       [](World& w) { w.catalog.prices[0].modes["priority"] = flat_rates("0.5", "4"); }, 6'000'000},
      {"not where the client said default",
       [](World& w) {
         w.catalog.prices[0].modes["priority"] = flat_rates("0.5", "4");
         w.request.service_tier = "default";
       },
       3'000'000},
      {"flex may fall back to standard",
       [](World& w) {
         w.catalog.prices[0].modes["flex"] = flat_rates("0.125", "1");
         w.request.service_tier = "flex";
       },
       3'000'000},
      {"a mode that the price does not list is unknown",
       [](World& w) { w.request.service_tier = "flex"; }, std::nullopt},
      {"fast mode by its parameter",
       [](World& w) {
         w.catalog.prices[0].modes["fast"] = flat_rates("1.5", "12");
         w.request.extra = {{"speed", "\"fast\""}};
       },
       18'000'000},
      {"a cache write is dearer than input",
       [](World& w) {
         w.catalog.prices[0].base[TokenClass::cache_write_1h] = Picodollars{500'000};
       },
       4'000'000},
      {"the tier of the upper bound",
       [](World& w) {
         w.catalog.prices[0].tiers = {{.from_tokens = 4'000, .rates = flat_rates("1", "4")}};
       },
       8'000'000},
      {"a cliff above the bound is out of reach",
       [](World& w) {
         w.catalog.prices[0].tiers = {{.from_tokens = 4'001, .rates = flat_rates("1", "4")}};
       },
       3'000'000},
      {"a middle tier may be the dearest",
       [](World& w) {
         w.catalog.prices[0].tiers = {{.from_tokens = 1'000, .rates = flat_rates("1", "4")},
                                      {.from_tokens = 3'000, .rates = flat_rates("0.1", "1")}};
       },
       8'000'000},
      {"no price", [](World& w) { w.catalog.prices.clear(); }, std::nullopt},
      {"a search without a cap",
       [](World& w) { w.request.tools = {{.raw = R"({"type":"web_search_20250305"})"}}; },
       std::nullopt},
      {"a search with a cap",
       [](World& w) {
         w.catalog.prices[0].base.web_search = Picodollars{10'000'000'000};
         w.request.tools = {{.raw = R"({"type":"web_search_20250305","max_uses":5})"}};
       },
       53'000'000},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    row.change(world);
    CHECK(reserved(world, mini, 1'000) == row.nanodollars);
  }
}

TEST_CASE("reservation: no mix of token classes within the bound costs more") {
  World world;
  Price& price = world.catalog.prices[0];
  price.base[TokenClass::cache_write_5m] = Picodollars{312'500};
  price.base[TokenClass::reasoning] = Picodollars{3'000'000};
  price.modes["priority"] = flat_rates("0.5", "3.6");
  price.tiers = {{.from_tokens = 3'500, .rates = flat_rates("0.4", "2.5")}};
  const std::int64_t bound = *reserved(world, mini, 1'000);
  std::uint64_t state = 7;
  const auto below = [&state](std::int64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(n + 1));
  };
  for (int round = 0; round < 2'000; ++round) {
    Usage usage;
    std::int64_t left = 4'000, out = 1'000;
    for (const TokenClass c :
         {TokenClass::input, TokenClass::cache_read, TokenClass::cache_write_5m}) {
      left -= usage[c].count = below(left);
    }
    for (const TokenClass c : {TokenClass::output, TokenClass::reasoning}) {
      out -= usage[c].count = below(out);
    }
    const PriceQuery query{.mode = round % 2 ? "priority" : "",
                           .total_input = usage.prompt_tokens()};
    CHECK(cost_of(price, query, usage)->total.value <= bound);
  }
}

TEST_CASE("reservation: absurd sizes are unknown, not small") {
  World world;
  world.classification.prompt_tokens_upper = INT64_MAX;
  CHECK_FALSE(reserved(world, mini, INT64_MAX).has_value());
}
