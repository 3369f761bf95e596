#include "gateway/rate_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace jevons {
namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t per_minute_max = INT64_MAX / minute_ms / 4;  // keeps the arithmetic exact

std::int64_t bounded(std::int64_t limit) {
  return std::clamp<std::int64_t>(limit, 0, per_minute_max);
}

std::string seconds_text(std::int64_t ms) {
  return ms % 1'000 == 0 ? fmt::format("{}s", ms / 1'000)
                         : fmt::format("{}.{:03}s", ms / 1'000, ms % 1'000);
}

Error refused(const KeyRecord& key, const char* what, std::int64_t limit, std::int64_t wait_ms) {
  return Error(Fault::rate_limit_exceeded,
               fmt::format("key '{}' has reached its limit of {} {} a minute; try again in {}",
                           key.name, limit, what, seconds_text(wait_ms)))
      .with_param(what)
      .with_retry(true)
      .with_retry_after_ms(wait_ms);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> RateState::headers() const {
  std::vector<std::pair<std::string, std::string>> headers;
  const auto add = [&](const char* what, const RateView& view) {
    if (view.limit == 0) return;
    headers.emplace_back(fmt::format("x-ratelimit-limit-{}", what), std::to_string(view.limit));
    headers.emplace_back(fmt::format("x-ratelimit-remaining-{}", what),
                         std::to_string(view.remaining));
    headers.emplace_back(fmt::format("x-ratelimit-reset-{}", what), seconds_text(view.reset_ms));
  };
  add("requests", requests);
  add("tokens", tokens);
  return headers;
}

void RateLimiter::Bucket::refill(std::int64_t limit_now, std::int64_t steady_ms) {
  const bool fresh = limit != limit_now;
  if (fresh) {
    // A new bucket, or a changed limit, begins full.
    limit = limit_now;
    scaled = limit * minute_ms;
    at_ms = steady_ms;
    return;
  }
  std::int64_t passed = 0;
  if (__builtin_sub_overflow(steady_ms, at_ms, &passed)) passed = steady_ms > at_ms ? INT64_MAX : 0;
  passed = std::max<std::int64_t>(passed, 0);
  at_ms = std::max(at_ms, steady_ms);
  // A minute refills an empty bucket; a debt takes longer.
  const std::int64_t room = limit * minute_ms - scaled;
  scaled += limit > 0 && passed > room / limit ? room : passed * limit;
}

bool RateLimiter::Bucket::full() const { return scaled >= limit * minute_ms; }

std::int64_t RateLimiter::Bucket::wait_ms(std::int64_t amount) const {
  const std::int64_t wanted = std::min(amount, limit) * minute_ms;
  return scaled >= wanted ? 0 : (wanted - scaled + limit - 1) / limit;
}

RateView RateLimiter::Bucket::view() const {
  if (limit == 0) return {};
  return {.limit = limit,
          .remaining = std::max<std::int64_t>(scaled, 0) / minute_ms,
          .reset_ms = wait_ms(limit)};
}

RateLimiter::Buckets& RateLimiter::buckets_of(const KeyRecord& key, std::int64_t steady_ms) {
  Buckets& buckets = by_key_[key.name];
  buckets.requests.refill(bounded(key.requests_per_minute), steady_ms);
  buckets.tokens.refill(bounded(key.tokens_per_minute), steady_ms);
  return buckets;
}

Result<void> RateLimiter::take(const KeyRecord& key, std::int64_t tokens, std::int64_t steady_ms,
                               RateState& state) {
  state = {};
  if (key.requests_per_minute <= 0 && key.tokens_per_minute <= 0) return {};
  tokens = bounded(tokens);
  const std::lock_guard lock(mutex_);
  auto& [requests, by_tokens] = buckets_of(key, steady_ms);
  Result<void> result;
  if (requests.limit > 0 && requests.wait_ms(1) > 0) {
    result = refused(key, "requests", requests.limit, requests.wait_ms(1));
  } else if (by_tokens.limit > 0 && by_tokens.wait_ms(tokens) > 0) {
    result = refused(key, "tokens", by_tokens.limit, by_tokens.wait_ms(tokens));
  } else {
    if (requests.limit > 0) requests.scaled -= minute_ms;
    if (by_tokens.limit > 0) by_tokens.scaled -= tokens * minute_ms;
  }
  state = {.requests = requests.view(), .tokens = by_tokens.view()};
  return result;
}

void RateLimiter::correct(const KeyRecord& key, std::int64_t more, std::int64_t steady_ms) {
  if (key.tokens_per_minute <= 0) return;
  more = std::clamp(more, -per_minute_max, per_minute_max);
  const std::lock_guard lock(mutex_);
  Bucket& tokens = buckets_of(key, steady_ms).tokens;
  // A debt of more than an hour's tokens would only be an upstream's lie.
  const std::int64_t deepest = -std::min(60 * tokens.limit, per_minute_max) * minute_ms;
  tokens.scaled = std::clamp(tokens.scaled - more * minute_ms, deepest, tokens.limit * minute_ms);
}

RateState RateLimiter::view(const KeyRecord& key, std::int64_t steady_ms) {
  if (key.requests_per_minute <= 0 && key.tokens_per_minute <= 0) return {};
  const std::lock_guard lock(mutex_);
  const auto& [requests, tokens] = buckets_of(key, steady_ms);
  return {.requests = requests.view(), .tokens = tokens.view()};
}

}  // namespace jevons
