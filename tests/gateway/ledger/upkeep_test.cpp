// Opening, migrating, keeping, copying and checking the file.
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "gateway/ledger/files.h"
#include "gateway/ledger/schema.h"
#include "gateway/ledger/spill.h"
#include "tests/gateway/ledger/ledger_fixture.h"

namespace jevons {
namespace {

namespace fs = std::filesystem;

std::int64_t cost_of(Ledger& ledger, std::vector<std::string> by = {}) {
  SpendQuery query;
  query.by = std::move(by);
  std::int64_t sum = 0;
  const auto rows = ledger.spend(query);
  REQUIRE(rows);
  for (const SpendRow& row : *rows) sum += row.cost.value;
  return sum;
}

TEST_CASE("attempts that were in flight at a crash are settled as estimates within their reserve") {
  const TemporaryFolder folder;
  const std::string path = folder.file("l.db");
  {
    const auto ledger = open_test_ledger({.path = path});
    AttemptIntent usual = test_intent(test_request(1));
    AttemptIntent beyond = test_intent(test_request(2)), negative = test_intent(test_request(3));
    beyond.estimated = {20'000};
    negative.estimated = {-5};
    AttemptIntent unpriced = test_intent(test_request(4));
    unpriced.priced = false;
    for (const AttemptIntent& intent : {usual, beyond, negative, unpriced})
      REQUIRE(intend(*ledger, intent));
    spend_once(*ledger, test_intent(test_request(5)));
  }
  const auto ledger = open_test_ledger({.path = path});
  CHECK(ledger->orphans_resolved() == 4);
  SpendQuery query;
  const auto rows = ledger->spend(query);
  REQUIRE(rows);
  CHECK(rows->front().cost.value == 4'000 + 9'000 + 0 + 5'000);
  CHECK(rows->front().overhead.value == 4'000 + 9'000);
  CHECK(rows->front().baseline.value == 20'000);
  CHECK(rows->front().unpriced_requests == 1);
  CHECK(rows->front().estimated_requests == 4);
  CHECK(*ledger->verify() == "ok: 5 requests, 5 attempts, 0 open, 4 orphaned, 0.000018 dollars");
  CHECK(intend(*ledger, test_intent(test_request(1))).has_error());
  REQUIRE(settle(*ledger, test_settlement(test_intent(test_request(1)))));  // too late: ignored
  CHECK(cost_of(*ledger) == 18'000);
}

TEST_CASE("one ledger has one owner, and the file is private") {
  const TemporaryFolder folder;
  const std::string path = folder.file("l.db");
  auto ledger = open_test_ledger({.path = path});
  CHECK(open_sqlite_ledger({.path = path}).error().message() ==
        "the ledger " + path +
            " is in use by another Jevons; stop that one or name another file under `ledger:`");
  CHECK_FALSE(running_gateway(path).has_value());
  REQUIRE(write_run_file(path, {.pid = 123, .admin_url = "http://127.0.0.1:8081"}));
  REQUIRE(running_gateway(path));
  CHECK(running_gateway(path)->pid == 123);
  CHECK(running_gateway(path)->admin_url == "http://127.0.0.1:8081");
  CHECK(open_sqlite_ledger({.path = path}).error().message().find("(process 123)") !=
        std::string::npos);
  for (const char* part : {"", "-wal", ".lock", ".run", ".spill"}) {
    CAPTURE(part);
    struct stat status {};
    REQUIRE(::stat((path + part).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
  ledger.reset();
  CHECK_FALSE(running_gateway(path).has_value());  // a stale file: nobody holds the lock
  remove_run_file(path);
  CHECK_FALSE(fs::exists(path + ".run"));
  CHECK(ledger_path_of("sqlite:jevons.db", "/etc/jevons") == "/etc/jevons/jevons.db");
  CHECK(ledger_path_of("sqlite:/var/lib/l.db", "/etc/jevons") == "/var/lib/l.db");
}

TEST_CASE("migrations run forward after a copy, and refuse newer and foreign files") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.db");
  Database database(path, Database::Mode::read_write);
  database.run("PRAGMA journal_mode=WAL");
  const char* first = "CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES(7);";
  REQUIRE(migrate(database, path, {first}));
  CHECK(database.integer("PRAGMA user_version") == 1);
  CHECK_FALSE(fs::exists(path + ".bak-v0"));
  const MigrationSteps two = {first, "ALTER TABLE a ADD COLUMN y INTEGER DEFAULT 9;"};
  REQUIRE(migrate(database, path, two));
  CHECK(database.integer("SELECT x + y FROM a") == 16);
  const Database copy(path + ".bak-v1", Database::Mode::read_only);
  CHECK(copy.integer("PRAGMA user_version") == 1);
  CHECK(copy.integer("SELECT x FROM a") == 7);
  CHECK(migrate(database, path, {first}).error().message() ==
        path +
            " was written by a newer Jevons (ledger version 2, this one knows 1); run the newer "
            "Jevons or restore " +
            path + ".bak-v1");
  // A step that fails leaves the file as it was.
  CHECK_THROWS_AS((void)migrate(database, path, {first, first, "CREATE TABLE b(x); NONSENSE;"}),
                  SqliteFailure);
  CHECK(database.integer("PRAGMA user_version") == 2);
  CHECK(database.integer("SELECT count(*) FROM sqlite_schema WHERE name = 'b'") == 0);
  const std::string other = folder.file("other.db");
  Database foreign(other, Database::Mode::read_write);
  foreign.run("CREATE TABLE t(x)");
  CHECK(open_sqlite_ledger({.path = other}).error().message() ==
        other + " is a database of another program; name another file under `ledger:`");
}

TEST_CASE("old rows are removed, their sums stay, and the books still balance") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  for (std::uint64_t i = 0; i < 100; ++i)
    spend_once(*ledger, test_intent(test_request(i, test_day_s + static_cast<int>(i) * 60)));
  REQUIRE(intend(*ledger, test_intent(test_request(1'000, test_day_s))));
  const auto removed = ledger->retain_from((test_day_s + 50 * 60) * second_ns);
  REQUIRE(removed);
  CHECK(*removed == 45);  // whole quarter hours, and never what is open
  CHECK(cost_of(*ledger) == 100 * 5'000);
  CHECK(cost_of(*ledger, {"key"}) == 100 * 5'000);
  CHECK(cost_of(*ledger, {"session"}) == 55 * 5'000);  // only rows know it
  REQUIRE(settle(*ledger, test_settlement(test_intent(test_request(1'000)))));
  CHECK(cost_of(*ledger) == 101 * 5'000);
  CHECK(ledger->verify().has_value());
  CHECK(*ledger->retain_from((test_day_s + 50 * 60) * second_ns) == 1);
  CHECK(cost_of(*ledger) == 101 * 5'000);
  const auto verdict = ledger->verify();
  CHECK(verdict.has_value());
  if (!verdict) MESSAGE(verdict.error().message());
  // New rows never take the number of removed ones.
  spend_once(*ledger, test_intent(test_request(2'000, test_day_s + 99 * 60)));
  CHECK(ledger->verify().has_value());
}

TEST_CASE("a backup taken while it is written is a whole ledger") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  for (std::uint64_t i = 0; i < 300; ++i) spend_once(*ledger, test_intent(test_request(i)));
  std::thread writer([&] {
    for (std::uint64_t i = 300; i < 500; ++i) spend_once(*ledger, test_intent(test_request(i)));
  });
  REQUIRE(ledger->backup(folder.file("copy.db")));
  writer.join();
  CHECK_FALSE(fs::exists(folder.file("copy.db.part")));
  const auto copy = open_test_ledger({.path = folder.file("copy.db")});
  const auto verdict = copy->verify();
  REQUIRE(verdict);
  CHECK(verdict->starts_with("ok: "));
  CHECK(cost_of(*copy) >= 300 * 5'000 - 4'000);
  CHECK(ledger->backup(folder.file("l.db/copy.db")).error().fault() == Fault::ledger_unavailable);
  spend_once(*ledger, test_intent(test_request(900)));
}

TEST_CASE("balances are rebuilt from slices: by minute where it matters, by sums elsewhere") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  std::map<std::int64_t, std::int64_t> expected;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const std::int64_t at = test_day_s + static_cast<std::int64_t>(i) * 47;
    AttemptIntent intent = test_intent(test_request(i, at));
    intent.request.session = "s" + std::to_string(i % 3);
    spend_once(*ledger, intent, 10);
    expected[at] += 10;
  }
  for (const std::int64_t since : {test_day_s, test_day_s + 1'000, test_day_s + 9'000,
                                   test_day_s + 900, test_day_s + 100'000}) {
    CAPTURE(since);
    std::int64_t wanted = 0;
    for (const auto& [at, cost] : expected) wanted += at >= since ? cost : 0;
    for (const bool sessions : {true, false}) {
      const auto slices = ledger->spend_since(since, sessions);
      REQUIRE(slices);
      std::int64_t sum = 0;
      for (const SpendSlice& slice : *slices) {
        sum += slice.cost.value;
        CHECK(slice.key == "ci");
        CHECK(slice.tags.at("env") == "prod");
        CHECK(slice.session.empty() == !sessions);
      }
      CHECK(sum == wanted);
    }
  }
}

TEST_CASE("balances keep what was reserved for an answer of unknown price") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  spend_once(*ledger, test_intent(test_request(1)), 10);
  AttemptIntent intent = test_intent(test_request(2));
  intent.request.session = "s";
  REQUIRE(intend(*ledger, intent));
  AttemptSettlement unknown = test_settlement(intent);
  unknown.cost.reset();
  REQUIRE(settle(*ledger, unknown));
  AttemptIntent void_one = test_intent(test_request(3));
  REQUIRE(intend(*ledger, void_one));
  AttemptSettlement voided = test_settlement(void_one, 0);
  voided.state = AttemptState::voided;
  REQUIRE(settle(*ledger, voided));
  for (const bool sessions : {true, false}) {
    const auto slices = ledger->spend_since(test_day_s, sessions);
    REQUIRE(slices);
    REQUIRE(slices->size() == 2);
    CHECK((*slices)[0].cost.value == 10);
    CHECK((*slices)[1].cost.value == intent.reserved.value);
    CHECK((*slices)[1].key == "ci");
    CHECK((*slices)[1].tags.at("env") == "prod");
    CHECK((*slices)[1].session == (sessions ? "s" : ""));
  }
  CHECK(ledger->spend_since(test_day_s + 86'400, true)->empty());
}

TEST_CASE("feedback: replaced by source, refused for other keys and unknown requests") {
  const TemporaryFolder folder;
  const std::string path = folder.file("l.db");
  const auto ledger = open_test_ledger({.path = path});
  spend_once(*ledger, test_intent(test_request(1)));
  const auto give = [&](std::uint64_t number, const char* key, double score) {
    std::promise<Result<void>> promise;
    Feedback feedback;
    feedback.request = test_request(number).id;
    feedback.key = key;
    feedback.score = score;
    feedback.source = "tests";
    ledger->feedback(feedback, [&](Result<void> done) { promise.set_value(done); });
    const auto done = promise.get_future().get();
    return done ? std::string("ok") : std::string(fault_code(done.error().fault()));
  };
  CHECK(give(1, "ci", 0.25) == "ok");
  CHECK(give(1, "ci", 0.75) == "ok");
  CHECK(give(1, "other", 1) == "not_found");
  CHECK(give(2, "ci", 1) == "not_found");
  const Database database(path, Database::Mode::read_only);
  CHECK(database.integer("SELECT count(*) FROM feedback") == 1);
  CHECK(database.integer("SELECT CAST(score * 100 AS INTEGER) FROM feedback") == 75);
}

TEST_CASE("the spill file gives back what it took, and stops at the first damaged record") {
  const TemporaryFolder folder;
  AttemptIntent intent = test_intent(test_request(1));
  AttemptSettlement one = test_settlement(intent), two = test_settlement(intent, 77);
  one.usage.suspicion = "prompt tokens far above the request's size";
  one.usage.reported_cost = Nanodollars{-3};
  one.error_code = "upstream_error";
  two.cost.reset();
  two.attempt = 2;
  {
    Spill spill(folder.file("s"), 4'096);
    REQUIRE(spill.open());
    CHECK(spill.read().empty());
    CHECK(spill.append({&one, &two}));
    std::vector<const AttemptSettlement*> many(100, &one);
    CHECK_FALSE(spill.append(many));  // no room: nothing of it is written
  }
  Spill spill(folder.file("s"), 4'096);
  REQUIRE(spill.open());
  const auto found = spill.read();
  REQUIRE(found.size() == 2);
  CHECK(settlement_bytes(found[0]) == settlement_bytes(one));
  CHECK(settlement_bytes(found[1]) == settlement_bytes(two));
  CHECK(found[0].usage == one.usage);
  CHECK_FALSE(found[1].cost.has_value());
  // Every truncation and every flipped bit is seen.
  const std::string bytes = settlement_bytes(one);
  AttemptSettlement out;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    CHECK_FALSE(read_settlement(bytes.substr(0, i), out));
  CHECK_FALSE(read_settlement(bytes + "x", out));
  {
    std::fstream file(folder.file("s"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(8 + bytes.size() + 8 + 20));
    file.put('\x7f');
  }
  CHECK(spill.read().size() == 1);
  CHECK(spill.append({&two}));
  CHECK(spill.read().size() == 2);
  CHECK(spill.clear());
  CHECK(spill.read().empty());
}

}  // namespace
}  // namespace jevons
