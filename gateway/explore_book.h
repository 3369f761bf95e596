// What exploration has cost each policy on a UTC day: the price of the tried target above that of
// the choice without exploration. Held when a request is decided, corrected when it ended, and read
// back from the recorded decisions at start. Shared by all I/O threads.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gateway/ledger/ledger.h"
#include "router/decision.h"

namespace jevons {

using ExploreSpend = std::map<std::string, Nanodollars, std::less<>>;  // by policy

// What is held for one request that explores; `greedy` is what it would have cost otherwise.
struct ExploreHold {
  std::string policy;
  std::int64_t unix_s = 0;  // when it was held: names the day
  Nanodollars held, greedy;
};

class ExploreBook {
 public:
  // What the policy may still spend on the day of that time; never below 0.
  Nanodollars left(const std::string& policy, Nanodollars per_day, std::int64_t unix_s);
  // False, and nothing held, if less than `hold.held` is left.
  bool hold(const ExploreHold& hold, Nanodollars per_day);
  // The request has ended and cost that much in all its attempts.
  void settle(const ExploreHold& hold, Nanodollars cost);
  // What earlier runs spent on the day of that time. Only the first call counts.
  void restore(const ExploreSpend& spent, std::int64_t unix_s);
  bool restored();

 private:
  struct Day {
    std::int64_t day = 0;
    Nanodollars spent;  // with what is held
  };
  Day& today(const std::string& policy, std::int64_t unix_s);

  std::mutex mutex_;
  std::map<std::string, Day, std::less<>> days_;
  bool restored_ = false;
};

// The expected cost of the choice without exploration, of a decision that explored. Where the
// chances do not tell it apart, the cheapest: exploration then looks dearer, never cheaper.
Nanodollars greedy_cost(const Decision& decision);

// What exploration spent by policy from that time on, as the ledger has recorded it.
// Errors: those of Ledger::decisions.
Result<ExploreSpend> explore_spend_since(Ledger& ledger, const Catalog& catalog,
                                         std::int64_t unix_s);

constexpr std::int64_t day_start(std::int64_t unix_s) { return unix_s - unix_s % 86'400; }

}  // namespace jevons
