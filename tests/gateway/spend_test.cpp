#include "gateway/admin/ledger_api.h"
#include "gateway/admin/spend_report.h"
#include "gateway/cli/table.h"
#include "tests/gateway/ledger/ledger_fixture.h"

namespace jevons {
namespace {

class FixedClock final : public Clock {
 public:
  std::int64_t unix_ns() const override { return (test_day_s + 3'600) * second_ns + 5; }
  std::int64_t steady_ms() const override { return 0; }
  std::int64_t steady_us() const override { return 0; }
  std::uint64_t random() override { return state_ += 0x9e3779b97f4a7c15; }

 private:
  std::uint64_t state_ = 1;
};

// Three requests: two cheap ones, of which one had a failed attempt first, and an unpriced one.
void fill(Ledger& ledger) {
  AttemptIntent cheap = test_intent(test_request(1, test_day_s + 60));
  spend_once(ledger, cheap, 41'000);
  AttemptIntent failed = test_intent(test_request(2, test_day_s + 120));
  AttemptSettlement undelivered = test_settlement(failed, 1'000);
  undelivered.delivered = false;
  undelivered.outcome = Outcome::upstream_error;
  REQUIRE(intend(ledger, failed));
  REQUIRE(settle(ledger, undelivered));
  spend_once(ledger, test_intent(failed.request, 2), 1'500'000'000);
  AttemptIntent unpriced = test_intent(test_request(3, test_day_s + 180));
  unpriced.model = "mystery";
  unpriced.priced = false;
  AttemptSettlement unknown = test_settlement(unpriced);
  unknown.cost.reset();
  unknown.baseline = {};
  unknown.usage[TokenClass::output].source = Provenance::estimated;
  REQUIRE(intend(ledger, unpriced));
  REQUIRE(settle(ledger, unknown));
}

TEST_CASE("the report's JSON has exactly the keys of the contract") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  fill(*ledger);
  FixedClock clock;
  const auto report = spend_report(*ledger, {}, clock.unix_ns());
  REQUIRE(report);
  const std::string cheap =
      R"("requests":2,"attempts":3,"tokens":{"prompt":300,"cached":30,"cache_write":0,)"
      R"("completion":111,"reasoning":21},"cost_nanodollars":1500042000,)"
      R"("baseline_nanodollars":6000164000,"savings_nanodollars":4500122000,)"
      R"("overhead_nanodollars":1000,"unpriced_requests":0,"estimated_requests":0})";
  CHECK(spend_json(*report) ==
        R"({"from":"2026-11-15T01:00:00Z","until":"2026-11-22T01:00:01Z","tz":"UTC","rows":[)"
        R"({"by":{"model":"gpt-mini"},)" +
            cheap +
            R"(,{"by":{"model":"mystery"},"requests":1,"attempts":1,"tokens":{"prompt":100,)"
            R"("cached":10,"cache_write":0,"completion":37,"reasoning":7},"cost_nanodollars":0,)"
            R"("baseline_nanodollars":0,"savings_nanodollars":0,"overhead_nanodollars":0,)"
            R"("unpriced_requests":1,"estimated_requests":1}],"total":{"requests":3,"attempts":4,)"
            R"("tokens":{"prompt":400,"cached":40,"cache_write":0,"completion":148,)"
            R"("reasoning":28},"cost_nanodollars":1500042000,"baseline_nanodollars":6000164000,)"
            R"("savings_nanodollars":4500122000,"overhead_nanodollars":1000,)"
            R"("unpriced_requests":1,"estimated_requests":1}})");
  const auto again = read_spend_json(spend_json(*report));
  REQUIRE(again);
  CHECK(spend_json(*again) == spend_json(*report));
  CHECK(spend_csv(*again) ==
        "model,requests,attempts,prompt_tokens,cached_tokens,cache_write_tokens,completion_tokens,"
        "reasoning_tokens,cost_nanodollars,baseline_nanodollars,savings_nanodollars,"
        "overhead_nanodollars,unpriced_requests,estimated_requests\r\n"
        "gpt-mini,2,3,300,30,0,111,21,1500042000,6000164000,4500122000,1000,0,0\r\n"
        "mystery,1,1,100,10,0,37,7,0,0,0,0,1,1\r\n");
  for (const char* bad :
       {"", "[]", "{}", R"({"rows":[],"total":{}})", R"({"rows":[1],"total":{}})"})
    CHECK(read_spend_json(bad).error().message() == "the gateway sent no spend report");
}

TEST_CASE("the table is aligned, has bars and totals, and says what the sums leave out") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  FixedClock clock;
  CHECK(spend_table(*spend_report(*ledger, {}, clock.unix_ns()), false, 100) ==
        "Spend from 2026-11-15T01:00:00Z until 2026-11-22T01:00:01Z\n"
        "Nothing was spent in this time.\n");
  fill(*ledger);
  CHECK(spend_table(*spend_report(*ledger, {}, clock.unix_ns()), false, 90) ==
        "Spend from 2026-11-15T01:00:00Z until 2026-11-22T01:00:01Z\n"
        "model     requests  prompt  cached  completion     cost  baseline  savings\n"
        "gpt-mini         2     300      30         111    $1.50     $6.00    $4.50  "
        "\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\n"
        "mystery          1     100      10          37  unknown     $0.00  unknown\n"
        "---------------------------------------------------------------------------------------\n"
        "total            3     400      40         148    $1.50     $6.00    $4.50\n"
        "Saved $4.50 (75.0 %) against the baseline.\n"
        "$0.0000010 of it went to attempts whose answer was not delivered.\n"
        "1 request had no price: its cost is unknown and not in the sums.\n"
        "1 request has token counts that we estimated.\n");
}

TEST_CASE("times are asked for in words, lengths or dates; ends are exclusive") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  fill(*ledger);
  FixedClock clock;
  const auto asked = [&](const std::string& since, const std::string& until,
                         const std::string& tz = "") {
    const auto report = spend_report(
        *ledger, {.by = {"day"}, .since = since, .until = until, .tz = tz}, clock.unix_ns());
    if (!report) return report.error().message();
    std::string text = std::to_string(report->total.requests);
    for (const SpendRow& row : report->rows) text += " " + row.by.front();
    return text;
  };
  CHECK(asked("today", "") == "3 2026-11-22");
  CHECK(asked("1h", "") == "3 2026-11-22");
  CHECK(asked("58m", "") == "2 2026-11-22");
  CHECK(asked("2026-11-22T00:02:00Z", "2026-11-22T00:03:00Z") == "1 2026-11-22");
  CHECK(asked("2026-11-22", "2026-11-23") == "3 2026-11-22");
  CHECK(asked("2026-11-21", "2026-11-22") == "0");
  CHECK(asked("2026-11-21", "2026-11-22", "America/New_York") == "3 2026-11-21");
  CHECK(asked("month", "now") == "3 2026-11-22");
  CHECK(asked("x", "") ==
        "'x' is not a time; write 7d, 24h, 4w, today, month, 2026-11-23 or 2026-11-23T14:05:00Z");
  CHECK(asked("today", "2d") == "the report would end before it begins");
  CHECK(asked("today", "", "Mars") ==
        "time zone 'Mars' does not exist; use a name such as Europe/Berlin or UTC");
}

// A ledger behind the admin's words.
struct Admin {
  Admin() { fill(*ledger); }
  std::string call(const std::string& method, const std::string& path,
                   const std::string& query = {}, const std::string& body = {}) {
    const auto answer =
        answer_ledger_call(api, {.method = method, .path = path, .query = query, .body = body});
    return answer ? std::to_string(answer->status) + " " + answer->body : std::string("none");
  }
  TemporaryFolder folder;
  std::unique_ptr<Ledger> ledger = open_test_ledger({.path = folder.file("l.db")});
  FixedClock clock;
  int changes = 0;
  const LedgerApi api{.ledger = *ledger,
                      .clock = clock,
                      .pepper = std::string(32, 'p'),
                      .configured_keys = {},
                      .who = "admin",
                      .keys_changed = [this] { ++changes; }};
};

TEST_CASE("the admin's words: reports and keys, with errors that have a code") {
  Admin admin;
  CHECK(admin.call("GET", "/admin/v1/spend", "by=tag.env&since=today")
            .find(R"("by":{"tag.env":"prod"})") != std::string::npos);
  CHECK(
      admin.call("GET", "/admin/v1/spend", "by=colour") ==
      R"(400 {"error":{"message":"unknown grouping 'colour'; known: model, target, provider, key, )"
      R"(team, tag.NAME, policy, task, day, session",)"
      R"("type":"invalid_request_error","param":"by","code":"invalid_value"}})");
  CHECK(admin.call("GET", "/admin/v1/spend", "bye=x") ==
        R"(400 {"error":{"message":"unknown parameter 'bye'",)"
        R"("type":"invalid_request_error","param":"query","code":"invalid_value"}})");
  CHECK(admin.call("DELETE", "/admin/v1/keys") == "none");
  const std::string made = admin.call(
      "POST", "/admin/v1/keys", "", R"({"name":"ci","tags":{"team":"a"},"expires":"2027-01-01"})");
  CHECK(made.starts_with(R"(200 {"name":"ci","id":")"));
  CHECK(made.find(R"("key":"jv-)") != std::string::npos);
  CHECK(made.find(R"("hash":"hmac-sha256:)") != std::string::npos);
  const std::string listed = admin.call("GET", "/admin/v1/keys");
  CHECK(listed.find(R"("state":"active","source":"ledger","policies":[],"models":[])") !=
        std::string::npos);
  CHECK(listed.find("hmac") == std::string::npos);
  CHECK(listed.find(R"("expires":"2027-01-01T00:00:00Z","revoked":null)") != std::string::npos);
  CHECK(admin.call("POST", "/admin/v1/keys/rotate", "", R"({"name":"ci","overlap_s":60})")
            .starts_with(R"(200 {"name":"ci",)"));
  CHECK(admin.call("POST", "/admin/v1/keys/revoke", "", R"({"name":"ci"})")
            .find(R"("state":"revoked")") != std::string::npos);
  CHECK(admin.changes == 3);
  CHECK(admin.call("POST", "/admin/v1/keys/revoke", "", R"({"name":"ci"})") ==
        R"(404 {"error":{"message":"there is no key 'ci'; `jevons keys list` shows all",)"
        R"("type":"invalid_request_error","param":null,"code":"not_found"}})");
  CHECK(admin.call("POST", "/admin/v1/keys", "", R"({"name":"x","rights":"all"})") ==
        R"(400 {"error":{"message":"unknown member 'rights'",)"
        R"("type":"invalid_request_error","param":"rights","code":"invalid_value"}})");
  CHECK(admin.call("POST", "/admin/v1/keys", "", "[]") ==
        R"(400 {"error":{"message":"the body is not a JSON object",)"
        R"("type":"invalid_request_error","param":null,"code":"invalid_json"}})");
  CHECK(admin.call("POST", "/admin/v1/keys", "", R"({"name":"x","min_quality":2})") ==
        R"(400 {"error":{"message":"'min_quality' must be a number from 0 to 1",)"
        R"("type":"invalid_request_error","param":"min_quality","code":"invalid_value"}})");
}

TEST_CASE("the admin's words: audit, verify, backup and export") {
  Admin admin;
  REQUIRE(admin.call("POST", "/admin/v1/keys", "", R"({"name":"ci"})").starts_with("200 "));
  REQUIRE(admin.ledger->flush());
  CHECK(admin.call("GET", "/admin/v1/audit").find(R"("what":"keys.create")") != std::string::npos);
  CHECK(admin.call("GET", "/admin/v1/ledger/verify") ==
        R"(200 {"result":"ok: 3 requests, 4 attempts, 0 open, 0 orphaned, 1.500042 dollars"})");
  const std::string file = admin.folder.file("copy.db");
  CHECK(admin.call("POST", "/admin/v1/ledger/backup", "", R"({"file":")" + file + R"("})") ==
        "200 {\"file\":\"" + file + "\"}");
  CHECK(admin.call("POST", "/admin/v1/ledger/backup", "", R"({"file":")" + file + R"("})")
            .starts_with("400 "));
  CHECK(admin.call("POST", "/admin/v1/ledger/backup", "", R"({"file":"copy.db"})") ==
        R"(400 {"error":{"message":"the backup's file name must be absolute",)"
        R"("type":"invalid_request_error","param":"file","code":"invalid_value"}})");
  const std::string csv = admin.call("GET", "/admin/v1/ledger/export");
  CHECK(csv.starts_with("200 request_id,attempt,time,key,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 5);
  CHECK(csv.find(R"("{""env"":""prod"",""team"":""search""}")") != std::string::npos);
}

TEST_CASE("queries are decoded, cells are quoted, stored text cannot steer a terminal") {
  const auto pairs = query_pairs("a=1&b=x%20y+z&c&&d=%zz&" + query_pair("e=&", "\xc3\xa4 %"));
  REQUIRE(pairs.size() == 5);
  CHECK(pairs[1].second == "x y z");
  CHECK(pairs[2] == std::pair<std::string, std::string>("c", ""));
  CHECK(pairs[3].second == "%zz");
  CHECK(pairs[4] == std::pair<std::string, std::string>("e=&", "\xc3\xa4 %"));
  CHECK(csv_field("a,\"b\"\n") == "\"a,\"\"b\"\"\n\"");
  CHECK(printable("a\x1b[2J\n") == "a?[2J?");
  CHECK(grouped(-1'234'567) == "-1,234,567");
  CHECK(grouped(123) == "123");
  CHECK(bar(0, 10, 5) == "");
  CHECK(bar(10, 10, 2) == "\u2588\u2588");
  CHECK(bar(1, 1'000'000, 10) == "\u258f");
}

}  // namespace
}  // namespace jevons
