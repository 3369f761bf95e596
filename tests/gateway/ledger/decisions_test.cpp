#include <doctest/doctest.h>

#include "gateway/admin/decisions_report.h"
#include "gateway/ledger/sqlite.h"
#include "tests/gateway/ledger/ledger_fixture.h"

using namespace jevons;

namespace {

void spend_decided(Ledger& ledger, std::uint64_t number) {
  RequestRecord request = test_request(number, test_day_s + static_cast<std::int64_t>(number));
  request.decision = std::string("\x01\x00\xff facts", 9);
  request.target_layout = "mini\nopus\n";
  request.weights_id = "w1-abc";
  request.difficulty = 0.1 + 0.2;
  const AttemptIntent intent = test_intent(request);
  std::promise<bool> done;
  ledger.intend(intent, [](Result<void>) {});
  ledger.settle(test_settlement(intent, 5'000),
                [&done](Result<void> settled) { done.set_value(settled.has_value()); });
  REQUIRE(done.get_future().get());
}

}  // namespace

TEST_CASE("decisions are read back page by page, as they were written") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  for (std::uint64_t i = 1; i <= 5; ++i) spend_decided(*ledger, i);
  std::promise<bool> scored;
  ledger->feedback({.request = {.high = 0x19aa, .low = 2},
                    .key = "ci",
                    .score = 0.25,
                    .source = "test",
                    .label = {},
                    .time_unix_ns = 1},
                   [&scored](Result<void> done) { scored.set_value(done.has_value()); });
  REQUIRE(scored.get_future().get());
  DecisionQuery query{.from_unix_ns = (test_day_s + 2) * second_ns,
                      .until_unix_ns = (test_day_s + 5) * second_ns,
                      .after = 0,
                      .limit = 2};
  std::vector<LoggedDecision> rows;
  for (int page = 0; page < 2; ++page) {
    const auto read = ledger->decisions(query);
    REQUIRE(read.has_value());
    // What the admin answers and the command reads is the same page.
    const auto again = read_decisions_json(decisions_json(*read));
    REQUIRE(again.has_value());
    CHECK(again->more == (page == 0));
    CHECK(again->first == read->first);
    CHECK(again->last == read->last);
    for (const LoggedDecision& row : again->rows) rows.push_back(row);
    query.after = rows.back().seq;
  }
  REQUIRE(rows.size() == 3);
  const LoggedDecision& row = rows[0];
  CHECK(row.request.id == RequestId{.high = 0x19aa, .low = 2});
  CHECK(row.request.decision == std::string("\x01\x00\xff facts", 9));
  CHECK(row.request.target_layout == "mini\nopus\n");
  CHECK(row.request.weights_id == "w1-abc");
  CHECK(row.request.difficulty == 0.1 + 0.2);
  CHECK(row.request.tags.at("team") == "search");
  CHECK(row.request.policy == "default");
  CHECK(row.request.session == "s1");
  CHECK(row.score == 0.25);
  CHECK_FALSE(rows[1].score.has_value());
  REQUIRE(row.attempts.size() == 1);
  CHECK(row.attempts[0].target == "mini");
  CHECK(row.attempts[0].on == "start");
  CHECK(row.attempts[0].cost == Nanodollars{5'000});
}

TEST_CASE("one decision is found by its request's id") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  for (std::uint64_t i = 1; i <= 3; ++i) spend_decided(*ledger, i);
  const auto query = decision_query({{"request", "r-00000000000019aa0000000000000002"}});
  REQUIRE(query.has_value());
  const auto page = ledger->decisions(*query);
  REQUIRE(page.has_value());
  REQUIRE(page->rows.size() == 1);
  CHECK(page->rows[0].request.id == RequestId{.high = 0x19aa, .low = 2});
  CHECK(page->rows[0].attempts.size() == 1);
  DecisionQuery unknown;
  unknown.request = RequestId{.high = 1, .low = 2};
  CHECK(ledger->decisions(unknown)->rows.empty());
  CHECK(decision_query({{"request", "r-1"}}).error().message() == "'request' must be a request id");
}

TEST_CASE("removed rows take their decisions along") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  spend_decided(*ledger, 1);
  REQUIRE(ledger->retain_from((test_day_s + 86'400) * second_ns));
  const auto page = ledger->decisions({});
  REQUIRE(page.has_value());
  CHECK(page->rows.empty());
  const Database database(folder.file("l.db"), Database::Mode::read_only);
  CHECK(database.integer("SELECT count(*) FROM decisions") == 0);
}

TEST_CASE("a query for decisions says what is wrong with it") {
  CHECK(decision_query({{"since", "1"}}).error().message() == "unknown parameter 'since'");
  CHECK(decision_query({{"limit", "-1"}}).error().message() == "'limit' must be a number from 0");
  CHECK(decision_query({{"from", "x"}}).error().message() == "'from' must be a number from 0");
  CHECK(read_decisions_json("[]").error().message() ==
        "the gateway's list of decisions cannot be read");
}
