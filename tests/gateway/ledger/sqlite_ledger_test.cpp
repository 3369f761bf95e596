#include <sqlite3.h>

#include "tests/gateway/ledger/ledger_fixture.h"

namespace jevons {
namespace {

// One value of a query on the file itself, the way a BI tool reads it.
std::string ask(const std::string& path, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr);
  REQUIRE_MESSAGE(code == SQLITE_OK, sqlite3_errmsg(database));
  std::string answer;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    if (!answer.empty()) answer += "\n";
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
      answer += std::string(i ? "|" : "") + (text ? text : "NULL");
    }
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return answer;
}

SpendQuery by(std::vector<std::string> dimensions) {
  SpendQuery query;
  query.by = std::move(dimensions);
  return query;
}

std::string summary(const Result<std::vector<SpendRow>>& rows) {
  if (!rows) return rows.error().message();
  std::string text;
  for (const SpendRow& row : *rows) {
    for (const std::string& value : row.by) text += value + " ";
    text += std::to_string(row.requests) + "r " + std::to_string(row.attempts) + "a " +
            std::to_string(row.cost.value) + "c " + std::to_string(row.overhead.value) + "o; ";
  }
  return text;
}

TEST_CASE("an attempt is open until it is settled, and the view shows what was written") {
  const TemporaryFolder folder;
  const LedgerOptions options{.path = folder.file("l.db")};
  const auto ledger = open_test_ledger(options);
  const AttemptIntent intent = test_intent(test_request(1));
  REQUIRE(intend(*ledger, intent));
  CHECK(ask(options.path,
            "SELECT state, cost_nanodollars, input_tokens, input_source, reserved_nanodollars "
            "FROM v1_attempts") == "open|NULL|100|estimated|9000");
  REQUIRE(settle(*ledger, test_settlement(intent)));
  CHECK(
      ask(options.path,
          "SELECT request_id, attempt, time, key, team, tags, session, endpoint, "
          "requested_model, policy, rule, reason, task, difficulty FROM v1_attempts") ==
      "r-00000000000019aa0000000000000001|1|1795305600000000000|ci|search|"
      R"({"env":"prod","team":"search"}|s1|chat|auto|default|NULL|cheapest_above_floor|code|0.25)");
  CHECK(ask(options.path,
            "SELECT target, provider, model, price_id, state, ended_by, outcome, status, ttft_ms, "
            "duration_ms, weights_id, cost_nanodollars, baseline_nanodollars FROM v1_attempts") ==
        "mini|openai|gpt-mini|openai/gpt-mini@2026-01-01|settled|upstream|ok|200|40|400|NULL|5000|"
        "20000");
  CHECK(ask(options.path,
            "SELECT prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens, "
            "input_source, cache_read_source, cache_write_5m_source, output_source "
            "FROM v1_requests") == "100|10|37|7|measured|measured|absent|measured");
  CHECK(ask(options.path, "SELECT attempts, state, target, duration_ms FROM v1_requests") ==
        "1|settled|mini|400");
  CHECK(*ledger->verify() == "ok: 1 requests, 1 attempts, 0 open, 0 orphaned, 0.000005 dollars");
}

TEST_CASE("settling twice is ignored and the same attempt cannot be intended twice") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  const AttemptIntent intent = test_intent(test_request(1));
  REQUIRE(intend(*ledger, intent));
  CHECK(intend(*ledger, intent).error().message() == "this attempt is in the ledger already");
  REQUIRE(settle(*ledger, test_settlement(intent, 5'000)));
  REQUIRE(settle(*ledger, test_settlement(intent, 7'000)));
  CHECK(intend(*ledger, intent).error().fault() == Fault::internal);
  CHECK(summary(ledger->spend(by({}))) == "1r 1a 5000c 0o; ");
  CHECK(ledger->verify());
}

TEST_CASE("a request is counted once, however many attempts and targets it had") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  for (const bool settle_first : {true, false}) {
    const RequestRecord request = test_request(settle_first ? 1 : 2);
    AttemptIntent first = test_intent(request), second = test_intent(request, 2);
    AttemptIntent third = test_intent(request, 3);
    second.target = "opus";
    second.provider = "anthropic";
    second.model = "claude-opus";
    AttemptSettlement failed = test_settlement(first, 100);
    failed.delivered = false;
    if (settle_first) {
      REQUIRE(intend(*ledger, first));
      REQUIRE(settle(*ledger, failed));
      REQUIRE(intend(*ledger, second));
      REQUIRE(intend(*ledger, third));
    } else {
      for (const AttemptIntent& intent : {first, second, third}) REQUIRE(intend(*ledger, intent));
      REQUIRE(settle(*ledger, failed));
    }
    REQUIRE(settle(*ledger, test_settlement(second, 1'000)));
    failed.attempt = 3;
    failed.state = AttemptState::voided;
    failed.cost.reset();
    REQUIRE(settle(*ledger, failed));
  }
  CHECK(summary(ledger->spend(by({"target"}))) == "opus 2r 2a 2000c 0o; mini 2r 4a 200c 200o; ");
  CHECK(summary(ledger->spend(by({"model", "provider"}))) ==
        "claude-opus anthropic 2r 2a 2000c 0o; gpt-mini openai 2r 4a 200c 200o; ");
  CHECK(summary(ledger->spend(by({"key"}))) == "ci 2r 6a 2200c 200o; ");
  CHECK(summary(ledger->spend(by({"session", "target"}))) ==
        "s1 opus 2r 2a 2000c 0o; s1 mini 2r 4a 200c 200o; ");
  CHECK(ledger->verify());
}

TEST_CASE("every grouping gives the same totals, from sums or from rows, at any edge") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  std::int64_t total = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    AttemptIntent intent = test_intent(test_request(i, test_day_s + static_cast<int>(i) * 211));
    intent.request.key = "key" + std::to_string(i % 3);
    intent.target = "target" + std::to_string(i % 5);
    intent.request.tags["env"] = i % 2 ? "prod" : "test";
    intent.request.session = "s" + std::to_string(i % 7);
    spend_once(*ledger, intent, static_cast<std::int64_t>(i));
    const auto at = test_day_s + static_cast<std::int64_t>(i) * 211;
    if (at >= test_day_s + 1'000 && at < test_day_s + 50'000) total += static_cast<int>(i);
  }
  for (const std::string dimension : {"model", "target", "provider", "key", "team", "tag.env",
                                      "policy", "task", "day", "session"}) {
    CAPTURE(dimension);
    for (const std::string tz : {"UTC", "Asia/Kathmandu"}) {
      for (const std::string other : {"", "key", "target", "session"}) {
        SpendQuery query = by({dimension});
        if (!other.empty()) query.by.push_back(other);
        query.tz = tz;
        query.from_unix_ns = (test_day_s + 1'000) * second_ns;
        query.until_unix_ns = (test_day_s + 50'000) * second_ns;
        const auto rows = ledger->spend(query);
        REQUIRE(rows);
        std::int64_t sum = 0, requests = 0;
        for (const SpendRow& row : *rows) {
          sum += row.cost.value;
          requests += row.requests;
        }
        CHECK(sum == total);
        CHECK(requests == 232);
      }
    }
  }
  CHECK(ledger->spend(by({"colour"})).error().message() ==
        "unknown grouping 'colour'; known: model, target, provider, key, team, tag.NAME, policy, "
        "task, day, session");
}

}  // namespace
}  // namespace jevons
