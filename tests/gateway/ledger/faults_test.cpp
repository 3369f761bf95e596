// What happens to money when the disk is full, lies, stalls, loses power, or the process is killed.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <charconv>
#include <cstring>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "tests/gateway/ledger/fault_vfs.h"
#include "tests/gateway/ledger/ledger_fixture.h"

namespace jevons {
namespace {

namespace fs = std::filesystem;

// Counts from the environment make the same test long: JEVONS_KILLS=1000, JEVONS_POWER_CUTS=10000.
int rounds(const char* name, int usual) {
  const char* wanted = std::getenv(name);
  int count = usual;
  if (wanted) std::from_chars(wanted, wanted + std::strlen(wanted), count);
  return count;
}

struct Faults {
  Faults() { disk.reset(); }
  ~Faults() { disk.reset(); }
  FaultDisk& disk = FaultDisk::instance();
};

LedgerOptions faulty(const std::string& path) {
  LedgerOptions options;
  options.path = path;
  options.vfs = FaultDisk::name;
  return options;
}

const std::string unavailable =
    "the ledger cannot record new spend at the moment; try again shortly";

SpendRow total(Ledger& ledger) {
  const auto rows = ledger.spend({});
  if (!rows) FAIL(rows.error().message());
  return rows->empty() ? SpendRow{} : rows->front();
}

std::string verified(Ledger& ledger) {
  const auto result = ledger.verify();
  return result ? *result : result.error().message();
}

template <class Condition>
bool eventually(const Condition& condition) {
  for (int i = 0; i < 5'000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}

void copy_ledger(const std::string& from, const std::string& to) {
  for (const char* part : {"", "-wal", ".spill", ".pepper"})
    if (fs::exists(from + part)) fs::copy_file(from + part, to + part);
}

TEST_CASE("disk full: new spend is refused at once, settlements wait, all recovers by itself") {
  Faults faults;
  const TemporaryFolder folder;
  std::string said;
  LedgerOptions options = faulty(folder.file("l.db"));
  std::mutex mutex;
  options.problem = [&](const std::string& what) {
    const std::lock_guard lock(mutex);
    said += what + "\n";
  };
  const auto ledger = open_test_ledger(options);
  std::vector<AttemptIntent> open;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    open.push_back(test_intent(test_request(i)));
    REQUIRE(intend(*ledger, open.back()));
  }
  faults.disk.full = true;
  CHECK(intend(*ledger, test_intent(test_request(100))).error().message() == unavailable);
  CHECK_FALSE(ledger->healthy());
  CHECK(intend(*ledger, test_intent(test_request(101))).error().fault() ==
        Fault::ledger_unavailable);
  std::atomic<int> settled{0};
  for (const AttemptIntent& intent : open)
    ledger->settle(test_settlement(intent), [&](Result<void> done) { settled += done ? 1 : 0; });
  REQUIRE(eventually([&] { return ledger->queued() == 0; }));
  CHECK(settled == 0);

  // A crash right now loses nothing: the spill file has them.
  const std::string copy = folder.file("copy.db");
  copy_ledger(options.path, copy);
  {
    const auto restarted = open_test_ledger({.path = copy});
    CHECK(restarted->orphans_resolved() == 0);
    CHECK(total(*restarted).cost.value == 20 * 5'000);
    CHECK(verified(*restarted).starts_with("ok: "));
  }

  faults.disk.full = false;
  REQUIRE(eventually([&] { return ledger->healthy(); }));
  CHECK(settled == 20);
  CHECK(total(*ledger).cost.value == 20 * 5'000);
  CHECK(total(*ledger).attempts == 20);
  spend_once(*ledger, test_intent(test_request(102)));
  CHECK(verified(*ledger) == "ok: 21 requests, 21 attempts, 0 open, 0 orphaned, 0.000105 dollars");
  const std::lock_guard lock(mutex);
  CHECK(said.find("new spend is refused until it can be written again") != std::string::npos);
  CHECK(said.find("ledger: writable again") != std::string::npos);
}

TEST_CASE("a failed sync stops new spend for good, and no acknowledged row is lost") {
  for (const int bad_syncs : {1, -1}) {
    CAPTURE(bad_syncs);
    Faults faults;
    const TemporaryFolder folder;
    const LedgerOptions options = faulty(folder.file("l.db"));
    const AttemptIntent acknowledged = test_intent(test_request(1));
    {
      const auto ledger = open_test_ledger(options);
      REQUIRE(intend(*ledger, acknowledged));
      faults.disk.bad_syncs = bad_syncs;
      CHECK(intend(*ledger, test_intent(test_request(2))).error().message() == unavailable);
      for (int i = 0; i < 20; ++i) {
        CHECK(intend(*ledger, test_intent(test_request(3))).error().message() == unavailable);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      CHECK_FALSE(ledger->healthy());  // the disk is well again in one of the rounds: no matter
      ledger->settle(test_settlement(acknowledged), {});
      REQUIRE(eventually([&] { return ledger->queued() == 0; }));
    }
    faults.disk.bad_syncs = 0;
    const auto restarted = open_test_ledger(options);
    CHECK(restarted->healthy());
    CHECK(total(*restarted).cost.value == 5'000);
    // The refused one may have reached the disk; then it is void, and costs nothing.
    CHECK(restarted->orphans_resolved() == 0);
    CHECK(verified(*restarted).find(", 0 open, 0 orphaned, 0.000005 dollars") != std::string::npos);
  }
}

TEST_CASE("a stalled disk: intents are answered in time, and void if they were written after all") {
  Faults faults;
  const TemporaryFolder folder;
  LedgerOptions options = faulty(folder.file("l.db"));
  options.intent_wait_ms = 50;
  const auto ledger = open_test_ledger(options);
  faults.disk.stalled = true;
  std::atomic<int> refused{0};
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ledger->intend(test_intent(test_request(i)), [&](Result<void> done) {
      refused += !done && done.error().message() == unavailable ? 1 : 0;
    });
    // The first is being synced while the others queue up.
    if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(eventually([&] { return refused == 3; }));
  CHECK(ledger->healthy());
  faults.disk.stalled = false;
  REQUIRE(ledger->flush());
  REQUIRE(ledger->flush());
  CHECK(verified(*ledger) == "ok: 1 requests, 1 attempts, 0 open, 0 orphaned, 0 dollars");
  spend_once(*ledger, test_intent(test_request(9)));
  CHECK(total(*ledger).cost.value == 5'000);
}

TEST_CASE("power cuts: what was acknowledged is there, whatever the disk did with the rest") {
  const int cuts_wanted = rounds("JEVONS_POWER_CUTS", 60);
  int cuts = 0;
  for (std::uint32_t seed = 1; cuts < cuts_wanted; ++seed) {
    Faults faults;
    std::mt19937 random(seed);
    CAPTURE(seed);
    const TemporaryFolder folder;
    const LedgerOptions options = faulty(folder.file("l.db"));
    faults.disk.recording = true;
    auto ledger = open_test_ledger(options);
    std::mutex mutex;
    std::set<std::uint64_t> intended, settled;
    std::uint64_t next = 0;
    for (int cut = 0; cut < 10 && cuts < cuts_wanted; ++cut, ++cuts) {
      for (std::uint64_t i = 0, many = random() % 40; i < many; ++i) {
        const AttemptIntent intent = test_intent(test_request(++next));
        const std::uint64_t number = next;
        const bool settle = random() % 2 == 0;
        ledger->intend(intent, [&, intent, number, settle](Result<void> done) {
          const std::lock_guard lock(mutex);
          if (done) intended.insert(number);
          if (!done || !settle) return;
          ledger->settle(test_settlement(intent), [&, number](Result<void> written) {
            const std::lock_guard inner(mutex);
            if (written) settled.insert(number);
          });
        });
      }
      if (random() % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 900));
      std::set<std::uint64_t> sure_intended, sure_settled;
      {
        const std::lock_guard lock(mutex);
        sure_intended = intended;
        sure_settled = settled;
      }
      const TemporaryFolder after;
      faults.disk.cut_power(fs::path(after.file("l.db")).parent_path().string(), random);
      const auto restarted = open_test_ledger({.path = after.file("l.db")});
      CHECK(verified(*restarted).starts_with("ok: "));
      const SpendRow sums = total(*restarted);
      const std::int64_t estimated = restarted->orphans_resolved();
      CHECK(sums.attempts >= static_cast<std::int64_t>(sure_intended.size()));
      CHECK(sums.attempts - estimated >= static_cast<std::int64_t>(sure_settled.size()));
      CHECK(sums.cost.value == (sums.attempts - estimated) * 5'000 + estimated * 4'000);
      // Whatever was acknowledged is there already.
      for (const std::uint64_t number : sure_intended)
        CHECK_FALSE(intend(*restarted, test_intent(test_request(number))).has_value());
    }
    REQUIRE(ledger->flush());
    ledger.reset();
  }
}

// The child spends and tells which attempts were acknowledged; it never ends by itself.
[[noreturn]] void spend_until_killed(const std::string& path, int pipe, std::uint64_t first) {
  auto ledger = open_sqlite_ledger({.path = path});
  if (!ledger) ::_exit(1);
  std::mutex mutex;
  const auto say = [&](char what, std::uint64_t number) {
    const std::lock_guard lock(mutex);
    char line[9] = {what};
    for (int i = 0; i < 8; ++i) line[i + 1] = static_cast<char>(number >> (8 * i) & 0xff);
    if (::write(pipe, line, sizeof line) != sizeof line) ::_exit(1);
  };
  for (std::uint64_t number = first;; ++number) {
    const AttemptIntent intent = test_intent(test_request(number));
    (*ledger)->intend(intent, [&, intent, number](Result<void> done) {
      if (!done) ::_exit(1);
      say('i', number);
      (*ledger)->settle(test_settlement(intent), [&, number](Result<void> written) {
        if (written) say('s', number);
      });
    });
    if (number % 16 == 0)
      while ((*ledger)->queued() > 16) ::usleep(50);
  }
}

TEST_CASE("kill -9: no acknowledged attempt is lost, none counts twice, orphans are estimates") {
  const TemporaryFolder folder;
  const std::string path = folder.file("l.db");
  std::mt19937 random(7);
  std::set<std::uint64_t> settled;
  std::uint64_t last_seen = 0;
  std::int64_t orphans = 0, intents = 0;
  for (int kill = 0; kill < rounds("JEVONS_KILLS", 12); ++kill) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const std::uint64_t first = (static_cast<std::uint64_t>(kill) + 1) << 32;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(pipe[0]);
      spend_until_killed(path, pipe[1], first);
    }
    ::close(pipe[1]);
    std::set<std::uint64_t> intended;
    std::atomic<bool> begun{false};
    std::thread listener([&] {
      char line[9];
      while (::read(pipe[0], line, sizeof line) == sizeof line) {
        std::uint64_t number = 0;
        for (int i = 7; i >= 0; --i) number = number << 8 | static_cast<unsigned char>(line[i + 1]);
        (line[0] == 'i' ? intended : settled).insert(number);
        begun = true;
      }
      begun = true;
    });
    while (!begun) ::usleep(500);
    ::usleep(static_cast<useconds_t>(random() % 150'000));
    ::kill(child, SIGKILL);
    listener.join();
    ::close(pipe[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));

    const auto ledger = open_test_ledger({.path = path});
    orphans += ledger->orphans_resolved();
    intents += static_cast<std::int64_t>(intended.size());
    const SpendRow sums = total(*ledger);
    CHECK(sums.attempts >= intents);
    CHECK(sums.attempts - orphans >= static_cast<std::int64_t>(settled.size()));
    CHECK(sums.cost.value == (sums.attempts - orphans) * 5'000 + orphans * 4'000);
    CHECK(verified(*ledger).starts_with("ok: "));
    for (const std::uint64_t number : intended) {
      CHECK_FALSE(intend(*ledger, test_intent(test_request(number))).has_value());
      last_seen = std::max(last_seen, number);
    }
  }
  CHECK(intents > 100);
  MESSAGE("acknowledged intents: ", intents, ", orphans: ", orphans);
}

TEST_CASE("a damaged file is refused or found out, and never reads as less money in silence") {
  const TemporaryFolder folder;
  const std::string path = folder.file("l.db");
  {
    const auto ledger = open_test_ledger({.path = path});
    for (std::uint64_t i = 1; i <= 60; ++i) spend_once(*ledger, test_intent(test_request(i)));
  }
  std::ifstream file(path, std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  REQUIRE(good.size() > 4'096);
  std::mt19937 random(3);
  int refused = 0, found = 0, harmless = 0;
  for (int flip = 0; flip < rounds("JEVONS_FLIPS", 150); ++flip) {
    std::string bad = good;
    const std::size_t at = random() % bad.size();
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    CAPTURE(at);
    const std::string copy = folder.file("bad" + std::to_string(flip) + ".db");
    std::ofstream(copy, std::ios::binary) << bad;
    const auto ledger = open_sqlite_ledger({.path = copy});
    if (!ledger) {
      ++refused;
      CHECK(ledger.error().fault() == Fault::config);
      CHECK(ledger.error().message().find(copy) != std::string::npos);
    } else if (const auto verdict = (*ledger)->verify(); !verdict) {
      ++found;
    } else {
      ++harmless;  // a name, a session, free space
      CHECK(total(**ledger).cost.value == 60 * 5'000);
    }
    for (const auto& left : fs::directory_iterator(fs::path(copy).parent_path()))
      if (left.path().filename().string().starts_with("bad")) fs::remove(left.path());
  }
  MESSAGE("refused ", refused, ", found by verify ", found, ", harmless ", harmless);
  CHECK(refused + found > 0);
}

TEST_CASE("a truncated file, another program's file, a newer file and a folder are refused") {
  const TemporaryFolder folder;
  const auto why = [](const std::string& path) {
    const auto ledger = open_sqlite_ledger({.path = path});
    return ledger ? std::string("opened") : ledger.error().message();
  };
  const std::string text = folder.file("text.db");
  std::ofstream(text) << std::string(5'000, 'x');
  CHECK(why(text) == "the ledger " + text +
                         " is damaged: file is not a database; restore a backup, or move it away "
                         "to start a new one");
  CHECK(why(folder.file("none/l.db")).find("none/l.db") != std::string::npos);
  const std::string path = folder.file("l.db");
  { spend_once(*open_test_ledger({.path = path}), test_intent(test_request(1))); }
  const auto size = fs::file_size(path);
  fs::resize_file(path, size / 2);
  CHECK(why(path).starts_with("the ledger " + path + " is damaged"));
}

}  // namespace
}  // namespace jevons
