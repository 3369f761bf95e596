#include "gateway/explore_book.h"

#include <doctest/doctest.h>

#include "router/decision_record.h"
#include "tests/gateway/ledger/ledger_fixture.h"
#include "tests/router/decision_world.h"

using namespace jevons;

namespace {

constexpr std::int64_t a_day = 86'400;

ExploreHold hold_of(std::int64_t held, std::int64_t unix_s = test_day_s, std::int64_t greedy = 0) {
  return {.policy = "default", .unix_s = unix_s, .held = {held}, .greedy = {greedy}};
}

// The first seed whose draw explores, or does not.
Decision drawn(test::World& world, bool explores, std::uint64_t from = 1) {
  for (world.snapshot.seed = from;; ++world.snapshot.seed) {
    Decision decision = world.decide();
    if ((decision.reason == Reason::explore) == explores) return decision;
  }
}

test::World exploring_world(double rate) {
  test::World world;
  world.policy.quality_floor = 0;
  world.policy.explore_rate = rate;
  return world;
}

void record(Ledger& ledger, std::uint64_t number, const test::World& world,
            const Decision& decision, std::int64_t unix_s, std::int64_t cost) {
  RequestRecord request = test_request(number, unix_s);
  request.reason = reason_name(decision.reason);
  request.decision = encode_decision(world.input(), decision);
  request.target_layout = target_layout(world.catalog);
  const AttemptIntent intent = test_intent(request);
  ledger.intend(intent, [](Result<void>) {});
  ledger.settle(test_settlement(intent, cost), {});
}

}  // namespace

TEST_CASE("exploration: what is held counts, what was paid replaces it, a new day begins at 0") {
  ExploreBook book;
  const Nanodollars per_day{100};
  CHECK(book.left("default", per_day, test_day_s) == per_day);
  CHECK(book.hold(hold_of(60), per_day));
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{40});
  CHECK_FALSE(book.hold(hold_of(41), per_day));
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{40});
  CHECK(book.left("another", per_day, test_day_s) == per_day);
  book.settle(hold_of(60, test_day_s, 10), Nanodollars{35});
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{75});
  // Cheaper than the choice without exploration: nothing is earned by it.
  CHECK(book.hold(hold_of(0), per_day));
  book.settle(hold_of(0, test_day_s, 50), Nanodollars{5});
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{75});
  // Dearer than expected: more is spent than there was, and nothing is left.
  CHECK(book.hold(hold_of(75), per_day));
  book.settle(hold_of(75), Nanodollars{500});
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{0});
  CHECK_FALSE(book.hold(hold_of(1), per_day));
  CHECK(book.hold(hold_of(0), per_day));
  CHECK(book.left("default", per_day, test_day_s + a_day - 1) == Nanodollars{0});
  CHECK(book.left("default", per_day, test_day_s + a_day) == per_day);
  book.settle(hold_of(0), Nanodollars{40});  // of the day before
  CHECK(book.left("default", per_day, test_day_s + a_day) == per_day);
  // A clock set back stays in the later day.
  CHECK(book.hold(hold_of(30), per_day));
  CHECK(book.left("default", per_day, test_day_s) == Nanodollars{70});
}

TEST_CASE("exploration: only the first reading of the ledger counts") {
  ExploreBook book;
  CHECK_FALSE(book.restored());
  book.restore({{"default", Nanodollars{30}}}, test_day_s);
  book.restore({{"default", Nanodollars{30}}}, test_day_s);
  CHECK(book.restored());
  CHECK(book.left("default", Nanodollars{100}, test_day_s) == Nanodollars{70});
}

TEST_CASE("exploration: the cost of the choice that was not made") {
  for (const double rate : {0.1, 0.5, 0.75, 0.9, 1.0}) {
    CAPTURE(rate);
    test::World world = exploring_world(rate);
    const auto cheapest = world.decide().candidates[test::local_moe].expected_cost;
    for (std::uint64_t seed = 1; seed < 400; seed += 40)
      CHECK(greedy_cost(drawn(world, true, seed)) == cheapest);
  }
  // The best of the choice is the dearest target here: it is recognised by its chance.
  test::World world = exploring_world(0.2);
  world.policy.objective = Objective::best;
  const Decision decision = drawn(world, true);
  CHECK(greedy_cost(decision) == decision.candidates[test::opus].expected_cost);
}

TEST_CASE("exploration: what the day has cost is read back from the ledger") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  test::World world = exploring_world(0.5);
  const Decision explored = drawn(world, true);
  const std::int64_t greedy = greedy_cost(explored).value;
  record(*ledger, 1, world, explored, test_day_s - 1, greedy + 1'000);  // yesterday
  record(*ledger, 2, world, explored, test_day_s, greedy + 20);
  record(*ledger, 3, world, explored, test_day_s + 50, greedy + 300);
  record(*ledger, 4, world, explored, test_day_s + 60, greedy / 2);  // cheaper than expected
  record(*ledger, 5, world, drawn(world, false), test_day_s + 70, greedy + 4'000);
  REQUIRE(ledger->flush().has_value());
  const auto spent = explore_spend_since(*ledger, world.catalog, test_day_s);
  REQUIRE(spent.has_value());
  CHECK(*spent == ExploreSpend{{"default", Nanodollars{320}}});
  // A catalog without these targets: what cannot be told apart counts whole.
  const auto blind = explore_spend_since(*ledger, Catalog{}, test_day_s);
  REQUIRE(blind.has_value());
  CHECK(*blind == ExploreSpend{{"default", Nanodollars{2 * greedy + 320 + greedy / 2}}});
}
