// Requests and tokens per minute, each a token bucket of one minute's allowance, per key name.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/ledger/ledger.h"
#include "router/error.h"

namespace jevons {

// One limit as the x-ratelimit-* headers show it.
struct RateView {
  std::int64_t limit = 0;  // per minute; 0: no limit
  std::int64_t remaining = 0;
  std::int64_t reset_ms = 0;  // until the bucket is full again
};

struct RateState {
  RateView requests, tokens;
  // The headers of contract.md 7, limits that are not set left out: reset as in "1.2s".
  std::vector<std::pair<std::string, std::string>> headers() const;
};

// Thread-safe. Time is the steady clock's, passed in.
class RateLimiter {
 public:
  // Takes one request and `tokens`, both or none. A request larger than a whole minute's tokens is
  // let in by a full bucket. Errors: rate_limit_exceeded; the message names the limit, retry_after
  // is set, param is "requests" or "tokens". `state` is filled either way.
  Result<void> take(const KeyRecord& key, std::int64_t tokens, std::int64_t steady_ms,
                    RateState& state);
  // Afterwards: `more` tokens were used than taken (negative: fewer).
  void correct(const KeyRecord& key, std::int64_t more, std::int64_t steady_ms);
  RateState view(const KeyRecord& key, std::int64_t steady_ms);

 private:
  struct Bucket {
    std::int64_t limit = 0;   // per minute
    std::int64_t scaled = 0;  // what is left, times 60,000 (exact refill per millisecond)
    std::int64_t at_ms = 0;
    void refill(std::int64_t limit_now, std::int64_t steady_ms);
    bool full() const;
    std::int64_t wait_ms(std::int64_t amount) const;
    RateView view() const;
  };
  struct Buckets {
    Bucket requests, tokens;
  };
  Buckets& buckets_of(const KeyRecord& key, std::int64_t steady_ms);

  std::mutex mutex_;
  std::map<std::string, Buckets, std::less<>> by_key_;
};

}  // namespace jevons
