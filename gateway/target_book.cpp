#include "gateway/target_book.h"

#include <algorithm>
#include <cmath>

namespace jevons {

void QuantileTracker::add(double value) {
  ++count_;
  if (count_ == 1) {
    estimate_ = value;
    return;
  }
  // Steps shrink from 1/count to 5 % of the estimate, so that early samples settle it quickly and
  // later ones still move it.
  const double step = std::max(estimate_, 1.0) * std::max(1.0 / static_cast<double>(count_), 0.05);
  estimate_ += value > estimate_ ? step * quantile_ : -step * (1 - quantile_);
  estimate_ = std::max(estimate_, 0.0);
}

std::optional<double> QuantileTracker::value() const {
  constexpr std::int64_t samples_min = 5;
  if (count_ < samples_min) return std::nullopt;
  return estimate_;
}

std::vector<TargetState> TargetBook::snapshot(const Catalog& catalog, std::int64_t now_ms) const {
  std::vector<TargetState> states(catalog.targets.size());
  std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < catalog.targets.size(); ++i) {
    const auto found = entries_.find(catalog.targets[i].name);
    if (found == entries_.end()) continue;
    const Entry& entry = found->second;
    TargetState& state = states[i];
    state.breaker = entry.breaker;
    if (entry.breaker == BreakerState::open && now_ms >= entry.open_until_ms)
      state.breaker = BreakerState::half_open;
    state.ttft_ms_p50 = entry.ttft_p50.value();
    state.ttft_ms_p95 = entry.ttft_p95.value();
    state.tpot_ms = entry.tpot.value();
    state.error_rate = entry.error_rate;
  }
  return states;
}

bool TargetBook::begin(const std::string& target, std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[target];
  if (entry.breaker == BreakerState::open) {
    if (now_ms < entry.open_until_ms) return false;
    entry.breaker = BreakerState::half_open;
    entry.probing = false;
  }
  if (entry.breaker == BreakerState::half_open) {
    if (entry.probing) return false;
    entry.probing = true;
  }
  ++entry.in_flight;
  return true;
}

void TargetBook::end(const std::string& target, const Sample& sample, std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  Entry& entry = entries_[target];
  --entry.in_flight;
  entry.probing = false;
  if (!sample.counts) return;
  if (sample.ttft_ms >= 0) {
    entry.ttft_p50.add(sample.ttft_ms);
    entry.ttft_p95.add(sample.ttft_ms);
  }
  if (sample.tpot_ms >= 0) entry.tpot.add(sample.tpot_ms);
  entry.seen = std::min(entry.seen + 1, limits_.window_min);
  entry.error_rate += ((sample.ok ? 0.0 : 1.0) - entry.error_rate) / std::max(entry.seen, 1);
  if (sample.ok) {
    entry.failures = 0;
    if (entry.breaker == BreakerState::half_open) {
      entry.breaker = BreakerState::closed;
      entry.cooldown_ms = 0;
      entry.error_rate = 0;
      entry.seen = 0;
    }
    return;
  }
  ++entry.failures;
  const bool many = entry.seen >= limits_.window_min && entry.error_rate >= limits_.error_rate;
  if (entry.breaker == BreakerState::half_open || entry.failures >= limits_.failures_in_a_row ||
      many)
    open(entry, now_ms);
}

void TargetBook::open(Entry& entry, std::int64_t now_ms) {
  if (entry.breaker == BreakerState::open) return;  // a late failure of an earlier attempt
  entry.cooldown_ms = entry.cooldown_ms == 0
                          ? limits_.cooldown_ms
                          : std::min(entry.cooldown_ms * 2, limits_.cooldown_max_ms);
  entry.breaker = BreakerState::open;
  entry.open_until_ms = now_ms + entry.cooldown_ms;
  entry.failures = 0;
}

std::int64_t TargetBook::in_flight(const std::string& target) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(target);
  return found == entries_.end() ? 0 : found->second.in_flight;
}

std::optional<std::int64_t> TargetBook::rests_ms(const std::string& target,
                                                 std::int64_t now_ms) const {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(target);
  if (found == entries_.end() || found->second.breaker != BreakerState::open) return std::nullopt;
  const std::int64_t left = found->second.open_until_ms - now_ms;
  return left > 0 ? std::optional(left) : std::nullopt;
}

}  // namespace jevons
