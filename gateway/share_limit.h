// A share of recent requests that may do something extra (retry, hedge), with a floor so that low
// traffic is not starved: reliability.md 5, rule 8 and Envoy's retry budget.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace jevons {

class ShareLimit {
 public:
  ShareLimit(double share, std::int64_t floor) : share_(share), floor_(floor) {}

  void started() {
    // Old traffic fades by halves, so that a quiet night does not save up a storm.
    if (started_.fetch_add(1, std::memory_order_relaxed) + 1 >= window) {
      started_ = started_ / 2;
      spent_ = spent_ / 2;
    }
  }
  bool allowed() const { return allowed(share_); }
  bool allowed(double share) const {
    const auto limit = static_cast<std::int64_t>(share * static_cast<double>(started_.load()));
    return share > 0 && spent_.load() < std::max(limit, floor_);
  }
  void spent() { spent_.fetch_add(1, std::memory_order_relaxed); }

 private:
  static constexpr std::int64_t window = 1'000;
  double share_;
  std::int64_t floor_;
  std::atomic<std::int64_t> started_{0}, spent_{0};
};

}  // namespace jevons
