#include "gateway/rate_limits.h"

#include <doctest/doctest.h>

namespace jevons {
namespace {

KeyRecord limited(std::int64_t requests, std::int64_t tokens) {
  KeyRecord key;
  key.name = "ci";
  key.requests_per_minute = requests;
  key.tokens_per_minute = tokens;
  return key;
}

std::string shown(const RateState& state) {
  std::string text;
  for (const auto& [name, value] : state.headers()) text += name + ": " + value + "\n";
  return text;
}

TEST_CASE("requests a minute: a burst of the whole limit, then one each share of a minute") {
  RateLimiter limiter;
  RateState state;
  const KeyRecord key = limited(3, 0);
  for (int i = 0; i < 3; ++i) CHECK(limiter.take(key, 10, 1'000, state).has_value());
  CHECK(shown(state) ==
        "x-ratelimit-limit-requests: 3\nx-ratelimit-remaining-requests: 0\n"
        "x-ratelimit-reset-requests: 60s\n");
  const auto refused = limiter.take(key, 10, 1'500, state);
  CHECK(refused.error().message() ==
        "key 'ci' has reached its limit of 3 requests a minute; try again in 19.500s");
  CHECK(refused.error().fault() == Fault::rate_limit_exceeded);
  CHECK(refused.error().param() == "requests");
  CHECK(refused.error().retry_after_ms() == 19'500);
  CHECK(refused.error().retryable());
  CHECK_FALSE(limiter.take(key, 10, 20'999, state).has_value());
  CHECK(limiter.take(key, 10, 21'000, state).has_value());
  CHECK_FALSE(limiter.take(key, 10, 21'000, state).has_value());
}

TEST_CASE("tokens a minute: taken together with the request, corrected afterwards") {
  RateLimiter limiter;
  RateState state;
  const KeyRecord key = limited(100, 600);
  CHECK(limiter.take(key, 500, 0, state).has_value());
  CHECK(state.tokens.remaining == 100);
  const auto refused = limiter.take(key, 200, 0, state);
  CHECK(refused.error().message() ==
        "key 'ci' has reached its limit of 600 tokens a minute; try again in 10s");
  CHECK(refused.error().param() == "tokens");
  CHECK(state.requests.remaining == 99);  // the refused request took none
  limiter.correct(key, -400, 0);
  CHECK(limiter.take(key, 500, 0, state).has_value());
  limiter.correct(key, 600, 0);
  CHECK(limiter.view(key, 0).tokens.remaining == 0);
  CHECK_FALSE(limiter.take(key, 1, 60'000, state).has_value());
  CHECK(limiter.take(key, 1, 60'100, state).has_value());
}

TEST_CASE("a request larger than a whole minute passes a full bucket and leaves a debt") {
  RateLimiter limiter;
  RateState state;
  const KeyRecord key = limited(0, 100);
  CHECK(limiter.take(key, 250, 0, state).has_value());
  CHECK_FALSE(limiter.take(key, 1, 60'000, state).has_value());
  CHECK(limiter.take(key, 1, 91'000, state).has_value());
}

TEST_CASE("no limit, a changed limit, a clock that stands still, and absurd numbers") {
  RateLimiter limiter;
  RateState state;
  CHECK(limiter.take(limited(0, 0), INT64_MAX, 0, state).has_value());
  CHECK(state.headers().empty());
  CHECK(limiter.take(limited(1, 0), 0, 0, state).has_value());
  CHECK_FALSE(limiter.take(limited(1, 0), 0, 0, state).has_value());
  CHECK(limiter.take(limited(2, 0), 0, 0, state).has_value());
  CHECK(limiter.take(limited(INT64_MAX, INT64_MAX), INT64_MAX, -5, state).has_value());
  limiter.correct(limited(INT64_MAX, INT64_MAX), INT64_MIN, -5);
  limiter.correct(limited(INT64_MAX, INT64_MAX), INT64_MAX, INT64_MAX);
  CHECK(limiter.view(limited(5, 5), INT64_MAX).tokens.remaining == 5);
}

}  // namespace
}  // namespace jevons
