// What the gateway has learnt of each target while running: breaker, latency, calls in flight.
// Shared by all I/O threads behind one mutex; decisions read a copied Snapshot.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "router/error.h"
#include "router/snapshot.h"
#include "router/target.h"

namespace jevons {

// A quantile followed by stochastic approximation: constant memory, adapts to drift.
class QuantileTracker {
 public:
  explicit QuantileTracker(double quantile) : quantile_(quantile) {}
  void add(double value);
  std::optional<double> value() const;

 private:
  double quantile_;
  double estimate_ = 0;
  std::int64_t count_ = 0;
};

struct BreakerLimits {
  int failures_in_a_row = 5;
  double error_rate = 0.5;  // of at least `window_min` attempts
  int window_min = 20;
  std::int64_t cooldown_ms = 5'000;  // doubles at each re-opening, at most cooldown_max_ms
  std::int64_t cooldown_max_ms = 60'000;
};

class TargetBook {
 public:
  explicit TargetBook(BreakerLimits limits = {}) : limits_(limits) {}

  // States in catalog order. An open breaker whose cooldown has passed shows as half_open.
  std::vector<TargetState> snapshot(const Catalog& catalog, std::int64_t now_ms) const;

  // An attempt starts: false if the breaker refuses it (open, or half-open with a probe already
  // under way).
  bool begin(const std::string& target, std::int64_t now_ms);
  struct Sample {
    bool ok = false;      // the target is healthy: also true for the client's own mistakes
    bool counts = true;   // false: cancelled by us or the client, says nothing
    double ttft_ms = -1;  // -1: unknown
    double tpot_ms = -1;
  };
  void end(const std::string& target, const Sample& sample, std::int64_t now_ms);
  std::int64_t in_flight(const std::string& target) const;
  // Until the target may be tried again; empty: its breaker is not open.
  std::optional<std::int64_t> rests_ms(const std::string& target, std::int64_t now_ms) const;

 private:
  struct Entry {
    QuantileTracker ttft_p50{0.5}, ttft_p95{0.95}, tpot{0.5};
    BreakerState breaker = BreakerState::closed;
    std::int64_t open_until_ms = 0;
    std::int64_t cooldown_ms = 0;
    bool probing = false;
    int failures = 0;
    double error_rate = 0;  // exponential average
    int seen = 0;
    std::int64_t in_flight = 0;
  };
  void open(Entry& entry, std::int64_t now_ms);

  BreakerLimits limits_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace jevons
