// Settles attempts through the real ledger and prints one line of JSON:
//   ledger_bench FILE ATTEMPTS IN_FLIGHT [SPREAD_DAYS]
// An attempt counts once its intent and then its settlement are durable (two writes). With
// SPREAD_DAYS the rows lie over that many days back, as a report will want them.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "gateway/ledger/ledger.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t day_ns = 86'400LL * 1'000'000'000;

struct Numbers {
  std::int64_t attempts = 0;
  std::int64_t in_flight = 0;
  std::int64_t spread_days = 0;
  std::int64_t now_ns = 0;
};

std::int64_t time_of(const Numbers& numbers, std::int64_t index) {
  if (numbers.spread_days == 0) return numbers.now_ns;
  const std::int64_t step =
      numbers.spread_days * day_ns / std::max<std::int64_t>(numbers.attempts, 1);
  return numbers.now_ns - numbers.spread_days * day_ns + index * step;
}

jevons::AttemptIntent intent_of(const Numbers& numbers, std::int64_t index) {
  static const std::array<const char*, 4> models = {"gpt-5.4", "mistral-small-2603",
                                                    "gemini-2.5-flash-lite", "claude-sonnet-4-6"};
  const char* const model = models[static_cast<std::size_t>(index) % models.size()];
  jevons::AttemptIntent intent;
  jevons::RequestRecord& request = intent.request;
  request.id.high = static_cast<std::uint64_t>(time_of(numbers, index) / 1'000'000) << 16;
  request.id.low = static_cast<std::uint64_t>(index) + 1;
  request.time_unix_ns = intent.time_unix_ns = time_of(numbers, index);
  request.key = "key-" + std::to_string(index % 20);
  request.team = index % 2 == 0 ? "search" : "support";
  request.tags["team"] = request.team;
  request.tags["env"] = "prod";
  request.requested_model = "auto";
  request.policy = "default";
  request.reason = "cheapest_above_floor";
  request.task = "chat";
  request.difficulty = 0.25;
  request.baseline_target = "sonnet";
  intent.on = "start";
  intent.target = intent.model = model;
  intent.provider = "scripted";
  intent.price_id = std::string(model) + "@2025-01-01";
  intent.reserved = jevons::Nanodollars{900'000};
  intent.estimated = jevons::Nanodollars{300'000};
  return intent;
}

jevons::AttemptSettlement settlement_of(const Numbers& numbers, std::int64_t index) {
  const jevons::AttemptIntent intent = intent_of(numbers, index);
  jevons::AttemptSettlement settlement;
  settlement.request = intent.request.id;
  settlement.price_id = intent.price_id;
  settlement.cost = jevons::Nanodollars{200'000 + index % 1000};
  settlement.baseline = jevons::Nanodollars{900'000};
  settlement.delivered = true;
  settlement.status = 200;
  settlement.ttft_ms = 40;
  settlement.duration_ms = 900;
  return settlement;
}

// Keeps `in_flight` attempts between their intent and their settlement. The ledger's callbacks only
// note what became durable; this thread alone talks to the ledger, as an I/O thread would.
class Driver {
 public:
  Driver(jevons::Ledger& ledger, const Numbers& numbers) : ledger_(ledger), numbers_(numbers) {}

  void run() {
    for (std::int64_t i = 0; i < numbers_.in_flight; ++i) intend();
    std::vector<std::int64_t> intended;
    std::int64_t settled = 0;
    while (settled_ < numbers_.attempts) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !intended_.empty() || newly_settled_ > 0 || failed_; });
        if (failed_) throw std::runtime_error(failure_);
        intended.swap(intended_);
        settled = std::exchange(newly_settled_, 0);
      }
      settled_ += settled;
      for (const std::int64_t index : intended) settle(index);
      intended.clear();
      for (; settled > 0; --settled) intend();
    }
  }

 private:
  void intend() {
    if (next_ == numbers_.attempts) return;
    const std::int64_t index = next_++;
    ledger_.intend(intent_of(numbers_, index), [this, index](jevons::Result<void> done) {
      note(done, [this, index] { intended_.push_back(index); });
    });
  }

  void settle(std::int64_t index) {
    ledger_.settle(settlement_of(numbers_, index),
                   [this](jevons::Result<void> done) { note(done, [this] { ++newly_settled_; }); });
  }

  template <class Change>
  void note(const jevons::Result<void>& done, Change change) {
    const std::lock_guard lock(mutex_);
    if (done.has_error()) {
      failed_ = true;
      failure_ = done.error().message();
    } else {
      change();
    }
    changed_.notify_one();
  }

  jevons::Ledger& ledger_;
  const Numbers numbers_;
  std::int64_t next_ = 0;
  std::int64_t settled_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int64_t> intended_;
  std::int64_t newly_settled_ = 0;
  bool failed_ = false;
  std::string failure_;
};

// Median microseconds of a 4 KiB append that is made durable, beside the ledger.
double fsync_us_p50(const std::string& folder_of) {
  const std::string path = folder_of + ".fsync";
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) throw std::runtime_error("cannot write " + path);
  const std::array<char, 4096> page{};
  std::vector<double> took;
  for (int i = 0; i < 300; ++i) {
    const Clock::time_point begin = Clock::now();
    if (write(fd, page.data(), page.size()) < 0 || fdatasync(fd) != 0)
      throw std::runtime_error("cannot write " + path);
    took.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  close(fd);
  unlink(path.c_str());
  std::nth_element(took.begin(), took.begin() + 150, took.end());
  return took[150];
}

int run(const std::string& file, Numbers numbers) {
  numbers.now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const double fsync = fsync_us_p50(file);
  jevons::LedgerOptions options;
  options.path = file;
  options.now_unix_ns = numbers.now_ns;
  auto ledger = jevons::open_sqlite_ledger(options);
  if (ledger.has_error()) throw std::runtime_error(ledger.error().message());
  const Clock::time_point begin = Clock::now();
  Driver(**ledger, numbers).run();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("{\"attempts\":%lld,\"seconds\":%.3f,\"per_second\":%.0f,\"fsync_us_p50\":%.1f}\n",
              static_cast<long long>(numbers.attempts), seconds,
              static_cast<double>(numbers.attempts) / seconds, fsync);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: ledger_bench FILE ATTEMPTS IN_FLIGHT [SPREAD_DAYS]\n");
    return 2;
  }
  try {
    Numbers numbers;
    numbers.attempts = std::stoll(argv[2]);
    numbers.in_flight = std::stoll(argv[3]);
    if (argc > 4) numbers.spread_days = std::stoll(argv[4]);
    return run(argv[1], numbers);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ledger_bench: %s\n", error.what());
    return 1;
  }
}
