#include "gateway/budgets.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "tests/gateway/show_result.h"

namespace jevons {
namespace {

constexpr std::int64_t noon = 1'795'348'800;  // 2026-11-22T12:00:00Z, a Sunday
constexpr std::int64_t day_s = 86'400;
constexpr std::int64_t dollar = 1'000'000'000;

Budget daily(std::string name, std::int64_t limit) {
  Budget budget;
  budget.name = std::move(name);
  budget.limit = {limit};
  budget.window = Window::day;
  return budget;
}

BudgetSubject subject(std::string key, std::string session = {}, std::string team = {}) {
  BudgetSubject made;
  made.key = std::move(key);
  made.session = std::move(session);
  if (!team.empty()) made.tags["team"] = std::move(team);
  return made;
}

void configure(BudgetBook& book, std::vector<Budget> budgets,
               const std::vector<SpendSlice>& slices = {}, std::int64_t now = noon) {
  const auto done = book.configure(std::move(budgets), slices, now);
  if (!done) FAIL(done.error().message());
}

// "granted 5" or the error's code.
std::string asked(BudgetBook& book, const BudgetSubject& who, std::int64_t wanted,
                  std::int64_t minimum, std::int64_t now = noon) {
  const auto grant = book.reserve(who, {wanted}, {minimum}, now);
  if (grant) return "granted " + std::to_string(grant->amount.value);
  return std::string(fault_code(grant.error().fault()));
}

std::int64_t spent(BudgetBook& book, const std::string& name, std::int64_t now = noon) {
  for (const BudgetStatus& status : book.statuses(now))
    if (status.name == name) return status.spent.value;
  return -1;
}

TEST_CASE("less than wanted is granted before a request is refused") {
  BudgetBook book;
  configure(book, {daily("all", 100)});
  const auto first = book.reserve(subject("a"), {70}, {10}, noon);
  REQUIRE(first);
  CHECK(first->amount.value == 70);
  CHECK(asked(book, subject("b"), 70, 10) == "granted 30");
  CHECK(asked(book, subject("c"), 70, 10) == "budget_busy");
  CHECK(book.settle(first->id, {50}).value == 0);
  CHECK(asked(book, subject("c"), 70, 10) == "granted 20");
  CHECK(asked(book, subject("c"), 70, 51) == "budget_exceeded");
  CHECK(asked(book, subject("c"), 0, 0) == "granted 0");  // what costs nothing is never refused
  CHECK(book.find_leak() == "");
}

TEST_CASE("the refusal says who spent how much of what and until when") {
  struct Row {
    const char* name;
    Budget budget;
    std::int64_t spent;
    std::string message;
  };
  Budget key = daily("ci-day", 5 * dollar);
  key.match_key = "ci-bot";
  Budget team = daily("teams", 500 * dollar);
  team.per = "tag.team";
  team.window = Window::month;
  Budget session = daily("runs", 20'000'000);
  session.per = "session";
  session.window = Window::hour;
  Budget all = daily("all", 10 * dollar);
  all.window = Window::week;
  all.tz = "Europe/Berlin";
  Budget tag = daily("prod", 1'500'000);
  tag.match_tags = {{"env", "prod"}};
  tag.window = Window::minute;
  const Row rows[] = {
      {"key", key, 4'989'000'000,
       "key 'ci-bot' has spent $4.98 of its $5.00 daily budget; it resets at 00:00 UTC"},
      {"team", team, 500 * dollar,
       "team 'search' has spent $500.00 of its $500.00 monthly budget; it resets on 2026-12-01 "
       "00:00 UTC"},
      {"session", session, 19'990'000,
       "session 's1' has spent $0.01999 of its $0.02 hourly budget; it resets at 13:00 UTC"},
      {"everything", all, 10 * dollar,
       "all keys together have spent $10.00 of their $10.00 weekly budget; it resets on Monday "
       "2026-11-23 00:00 Europe/Berlin"},
      {"tag", tag, 1'499'999,
       "tag env 'prod' has spent $0.001499999 of its $0.0015 per-minute budget; it resets at 12:01 "
       "UTC"},
  };
  BudgetSubject who = subject("ci-bot", "s1", "search");
  who.tags["env"] = "prod";
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    BudgetBook book;
    configure(book, {row.budget});
    const auto grant = book.reserve(who, {row.spent}, {row.spent}, noon);
    REQUIRE(grant);
    book.settle(grant->id, {row.spent});
    const Nanodollars least{std::min<std::int64_t>(20'000'000, row.budget.limit.value)};
    const auto refused = book.reserve(who, {dollar}, least, noon);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message() == row.message);
    CHECK(refused.error().fault() == Fault::budget_exceeded);
    CHECK_FALSE(refused.error().retryable());
  }
}

TEST_CASE("a request that no window could pay is told so") {
  Budget key = daily("key", 6'000'000);
  key.per = "key";
  Budget all = daily("all", 2 * dollar);
  const struct {
    Budget budget;
    std::int64_t least;
    const char* message;
  } rows[] = {
      {key, 11'050'000,
       "even a short answer to this request may cost $0.01105, more than the whole $0.006 daily "
       "budget of key 'ci-bot'; send a shorter prompt"},
      {all, 3 * dollar,
       "even a short answer to this request may cost $3.00, more than the whole $2.00 daily budget "
       "of all keys together; send a shorter prompt"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    BudgetBook book;
    configure(book, {row.budget});
    const auto refused = book.reserve(subject("ci-bot"), {row.least}, {row.least}, noon);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message() == row.message);
    CHECK(refused.error().fault() == Fault::budget_exceeded);
  }
}

TEST_CASE("what is left counts reservations, what is unspent does not") {
  BudgetBook book;
  configure(book, {daily("all", 100)});
  REQUIRE(book.reserve(subject("k"), {70}, {70}, noon));
  const BudgetLeft left = book.left(subject("k"), noon);
  CHECK(left.left->value == 30);
  CHECK(left.unspent->value == 100);
}

TEST_CASE("all matching budgets reserve together or none") {
  Budget key = daily("key", 100), team = daily("team", 50), other = daily("other", 1);
  key.per = "key";
  team.match_tags = {{"team", "search"}};
  other.match_key = "other";
  BudgetBook book;
  configure(book, {key, team, other});
  const BudgetSubject who = subject("a", "", "search");
  CHECK(asked(book, who, 80, 60) == "budget_exceeded");
  CHECK(book.find_leak() == "");
  const auto grant = book.reserve(who, {80}, {1}, noon);
  REQUIRE(grant);
  CHECK(grant->amount.value == 50);
  for (const BudgetStatus& status : book.statuses(noon))
    CHECK(status.reserved.value == (status.name == "other" ? 0 : 50));
  CHECK(asked(book, subject("a"), 80, 1) == "granted 50");  // without the tag
  CHECK(asked(book, subject("b"), 80, 1) == "granted 80");  // each key its own
  CHECK(book.left(who, noon).left->value == 0);
  book.settle(grant->id, {20});
  CHECK(book.left(who, noon).left->value == 30);
  CHECK(*book.left(who, noon).percent == doctest::Approx(30.0));
  CHECK_FALSE(BudgetBook().left(who, noon).left.has_value());
}

TEST_CASE("spend lands in the window of its reservation, and a clock set back opens none again") {
  BudgetBook book;
  configure(book, {daily("day", 100)});
  const auto late = book.reserve(subject("a"), {90}, {90}, noon);
  REQUIRE(late);
  CHECK(asked(book, subject("a"), 100, 100, noon + day_s) == "granted 100");
  book.settle(late->id, {90});
  CHECK(spent(book, "day", noon + day_s) == 0);
  CHECK(asked(book, subject("a"), 100, 100, noon) == "budget_busy");  // still tomorrow's window
  CHECK(book.stamp((noon - 10 * day_s) * dollar) == (noon + day_s) * dollar);
  CHECK(book.find_leak() == "");
}

TEST_CASE("reservations grow while the answer runs, and shrink") {
  BudgetBook book;
  configure(book, {daily("day", 100)});
  const auto grant = book.reserve(subject("a"), {40}, {40}, noon);
  const auto other = book.reserve(subject("b"), {30}, {30}, noon);
  REQUIRE(grant);
  REQUIRE(other);
  CHECK(book.extend(grant->id, {20}, {20}, noon)->value == 20);
  CHECK(book.extend(grant->id, {20}, {1}, noon)->value == 10);
  CHECK(book.extend(grant->id, {20}, {1}, noon).error().fault() == Fault::budget_busy);
  book.shrink(other->id, {10});
  CHECK(book.extend(grant->id, {50}, {1}, noon)->value == 20);
  CHECK(book.settle(grant->id, {90}).value == 0);
  CHECK(book.extend(other->id, {11}, {11}, noon).error().fault() == Fault::budget_exceeded);
  CHECK(book.extend(grant->id, {5}, {5}, noon).error().message() == "this reservation has ended");
  CHECK(book.settle(other->id, {25}).value == 15);  // an upstream billed past the cut
  CHECK(book.find_leak() == "");
}

TEST_CASE("who waits is served as soon as enough is free, in order, or told that it is gone") {
  BudgetBook book;
  configure(book, {daily("day", 100)});
  const auto holder = book.reserve(subject("a"), {100}, {100}, noon);
  REQUIRE(holder);
  std::string events;
  const auto wait = [&](const char* name, std::int64_t minimum) {
    return book.reserve_or_wait(
        subject("b"), {minimum}, {minimum}, noon, [&events, name](Result<BudgetGrant> grant) {
          events += std::string(name) + " " +
                    (grant ? std::to_string(grant->amount.value)
                           : std::string(fault_code(grant.error().fault())));
          events += "; ";
        });
  };
  const auto first = wait("first", 30), second = wait("second", 80), third = wait("third", 20);
  CHECK(first != 0);
  CHECK(events == "");
  CHECK(book.stop_waiting(first));
  CHECK_FALSE(book.stop_waiting(first));
  book.settle(holder->id, {50});
  CHECK(events == "second budget_exceeded; third 20; ");
  CHECK_FALSE(book.stop_waiting(second));
  CHECK_FALSE(book.stop_waiting(third));
  CHECK(wait("at once", 30) == 0);
  CHECK(events == "second budget_exceeded; third 20; at once 30; ");
}

TEST_CASE("soft budgets never refuse and alert once a threshold and window") {
  Budget soft = daily("soft", 100);
  soft.hard = false;
  soft.alert_at = {0.5, 1.0};
  BudgetBook book;
  std::string alerts;
  book.on_alert([&](const BudgetAlert& alert) {
    alerts += alert.budget.name + " " + alert.scope + " " +
              std::to_string(static_cast<int>(100 * alert.share)) + "% " +
              std::to_string(alert.spent.value) + "; ";
  });
  configure(book, {soft});
  for (const std::int64_t cost : {49, 1, 40, 20, 30}) {
    const auto grant = book.reserve(subject("a"), {cost}, {cost}, noon);
    REQUIRE(grant);
    CHECK(book.settle(grant->id, {cost}).value == 0);
  }
  CHECK(alerts == "soft all 50% 50; soft all 100% 110; ");
  CHECK_FALSE(book.left(subject("a"), noon).left.has_value());
}

TEST_CASE("balances come from the ledger's slices, and a reload keeps what is in flight") {
  Budget key = daily("key", 100);
  key.per = "key";
  const std::vector<SpendSlice> slices = {
      {.time_unix_s = noon - 60, .key = "a", .session = {}, .tags = {}, .cost = {30}},
      {.time_unix_s = noon - day_s, .key = "a", .session = {}, .tags = {}, .cost = {99}},
      {.time_unix_s = noon - 120, .key = "b", .session = {}, .tags = {}, .cost = {100}}};
  CHECK(*BudgetBook::slices_from({key}, noon) == noon - day_s / 2);
  BudgetBook book;
  configure(book, {key}, slices);
  CHECK(asked(book, subject("b"), 1, 1) == "budget_exceeded");
  const auto grant = book.reserve(subject("a"), {70}, {70}, noon);
  const auto settled_meanwhile = book.reserve(subject("c"), {60}, {60}, noon);
  REQUIRE(grant);
  REQUIRE(settled_meanwhile);
  CHECK(book.compare(slices, noon) == "");
  book.begin_reload();
  book.settle(settled_meanwhile->id, {60});
  key.limit = {120};
  configure(book, {key, daily("all", 400)}, slices);
  CHECK(asked(book, subject("a"), 50, 1) == "granted 20");
  CHECK(asked(book, subject("c"), 99, 1) == "granted 60");
  CHECK(spent(book, "all") == 190);
  CHECK(book.compare(slices, noon) ==
        "budget 'key' (key c) counts 60 nanodollars, the ledger has 0");
  book.settle(grant->id, {70});
  CHECK(spent(book, "all") == 260);
  CHECK(book.find_leak() == "");
  CHECK(book.configure({[] {
                         Budget b = daily("x", 1);
                         b.tz = "Mars";
                         return b;
                       }()},
                       {}, noon)
            .error()
            .message() ==
        "time zone 'Mars' does not exist; use a name such as Europe/Berlin or UTC");
}

// Against a model that knows only sums: no interleaving of requests, extensions, ends and clock
// jumps overshoots, leaks, or refuses for good what the settled spend would allow.
TEST_CASE("property: hard budgets overshoot by zero and leak nothing, whatever the order") {
  struct Open {
    std::uint64_t id = 0;
    std::int64_t amount = 0;
  };
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto pick = [&](int below) {
      return static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(below));
    };
    Budget key = daily("key", 50 + pick(200)), team = daily("team", 50 + pick(400));
    Budget session = daily("session", 30 + pick(100)), all = daily("all", 100 + pick(600));
    key.per = "key";
    team.per = "tag.team";
    session.per = "session";
    session.window = Window::hour;
    all.window = Window::week;
    BudgetBook book;
    std::int64_t now = noon;
    configure(book, {key, team, session, all}, {}, now);
    std::vector<Open> open;
    for (int step = 0; step < 400; ++step) {
      const std::int64_t action = pick(10);
      if (action < 5 || open.empty()) {
        const std::string number = std::to_string(pick(3));
        const BudgetSubject who =
            subject("k" + number, "s" + std::to_string(pick(4)), pick(2) == 0 ? "t" : "");
        const std::int64_t minimum = pick(20), wanted = minimum + pick(60);
        const auto grant = book.reserve(who, {wanted}, {minimum}, now);
        if (grant) {
          CHECK(grant->amount.value >= minimum);
          CHECK(grant->amount.value <= wanted);
          open.push_back({grant->id, grant->amount.value});
        }
      } else if (action < 7) {
        Open& one = open[static_cast<std::size_t>(pick(static_cast<int>(open.size())))];
        if (const auto more = book.extend(one.id, {pick(30)}, {pick(10)}, now))
          one.amount += more->value;
      } else if (action < 9) {
        const auto at = open.begin() + pick(static_cast<int>(open.size()));
        const bool voided = pick(4) == 0;
        if (voided)
          book.release(at->id);
        else
          CHECK(book.settle(at->id, {pick(static_cast<int>(at->amount) + 1)}).value == 0);
        open.erase(at);
      } else {
        now += pick(3) == 0 ? -pick(2 * day_s) : pick(4'000);
      }
      for (const BudgetStatus& status : book.statuses(now))
        CHECK(status.spent.value + status.reserved.value <= status.limit.value);
    }
    CHECK(book.find_leak() == "");
    CHECK(book.open_reservations() == static_cast<std::int64_t>(open.size()));
    for (const Open& one : open) book.release(one.id);
    CHECK(book.open_reservations() == 0);
    for (const BudgetStatus& status : book.statuses(now)) CHECK(status.reserved.value == 0);
  }
}

TEST_CASE("1000 requests race for a budget of 37: 37 get in, every time, and none is lost") {
  constexpr int admitted_max = 37, threads = 8, each = 125;
  for (int round = 0; round < 20; ++round) {
    BudgetBook book;
    configure(book, {daily("all", 10 * admitted_max)});
    std::atomic<int> admitted{0}, refused{0}, waited{0};
    std::vector<std::thread> crowd;
    for (int t = 0; t < threads; ++t) {
      crowd.emplace_back([&, t] {
        for (int i = 0; i < each; ++i) {
          // First-ever use of each key included.
          const BudgetSubject who = subject("k" + std::to_string(t * each + i));
          book.reserve_or_wait(who, {10}, {10}, noon, [&](Result<BudgetGrant> grant) {
            if (!grant) {
              ++refused;
              return;
            }
            ++admitted;
            book.settle(grant->id, {10});
          });
        }
      });
    }
    for (std::thread& one : crowd) one.join();
    CHECK(admitted == admitted_max);
    CHECK(admitted + refused + waited == threads * each);
    CHECK(spent(book, "all") == 10 * admitted_max);
    CHECK(book.open_reservations() == 0);
    CHECK(book.find_leak() == "");
  }
}

TEST_CASE("a hundred thousand requests that end in every way leave nothing reserved") {
  Budget key = daily("key", 1'000 * dollar);
  key.per = "key";
  BudgetBook book;
  configure(book, {key, daily("all", 1'000 * dollar)});
  std::vector<std::thread> crowd;
  for (int t = 0; t < 4; ++t) {
    crowd.emplace_back([&book, t] {
      for (int i = 0; i < 25'000; ++i) {
        const auto grant = book.reserve(subject("k" + std::to_string(i % 5)), {1'000}, {10}, noon);
        if (!grant) continue;
        switch ((i + t) % 4) {
          case 0:
            book.settle(grant->id, {100});
            break;
          case 1:
            book.release(grant->id);
            break;
          case 2:
            if (book.extend(grant->id, {500}, {1}, noon)) book.shrink(grant->id, {200});
            book.settle(grant->id, {200});
            break;
          default:
            book.settle(grant->id, {50});
            book.settle(grant->id, {50});  // twice: the second does nothing
            book.release(grant->id);
        }
      }
    });
  }
  for (std::thread& one : crowd) one.join();
  CHECK(book.find_leak() == "");
  CHECK(book.open_reservations() == 0);
  CHECK(spent(book, "all") == 25'000 * (100 + 200 + 50));
}

}  // namespace
}  // namespace jevons
