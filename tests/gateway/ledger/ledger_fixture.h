// A ledger in a folder of its own, and requests to fill it with.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>

#include "gateway/ledger/ledger.h"
#include "tests/gateway/show_result.h"

namespace jevons {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "jevons-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline constexpr std::int64_t second_ns = 1'000'000'000;
inline constexpr std::int64_t test_day_s = 1'795'305'600;  // 2026-11-22T00:00:00Z

inline std::unique_ptr<Ledger> open_test_ledger(const LedgerOptions& options) {
  auto ledger = open_sqlite_ledger(options);
  if (!ledger) FAIL(ledger.error().message());
  return std::move(*ledger);
}

inline RequestRecord test_request(std::uint64_t number, std::int64_t unix_s = test_day_s) {
  RequestRecord request;
  request.id = {.high = 0x19aa, .low = number};
  request.time_unix_ns = unix_s * second_ns;
  request.key = "ci";
  request.team = "search";
  request.tags = {{"env", "prod"}, {"team", "search"}};
  request.session = "s1";
  request.requested_model = "auto";
  request.policy = "default";
  request.reason = "cheapest_above_floor";
  request.task = "code";
  request.difficulty = 0.25;
  request.baseline_target = "opus";
  return request;
}

inline AttemptIntent test_intent(RequestRecord request, int attempt = 1) {
  AttemptIntent intent;
  intent.time_unix_ns = request.time_unix_ns;
  intent.request = std::move(request);
  intent.attempt = attempt;
  intent.on = "start";
  intent.target = "mini";
  intent.provider = "openai";
  intent.model = "gpt-mini";
  intent.price_id = "openai/gpt-mini@2026-01-01";
  intent.reserved = {9'000};
  intent.estimated = {4'000};
  intent.estimated_usage[TokenClass::input] = {.count = 100, .source = Provenance::estimated};
  intent.estimated_usage[TokenClass::output] = {.count = 20, .source = Provenance::estimated};
  return intent;
}

inline AttemptSettlement test_settlement(const AttemptIntent& intent, std::int64_t cost = 5'000) {
  AttemptSettlement settlement;
  settlement.request = intent.request.id;
  settlement.attempt = intent.attempt;
  settlement.usage[TokenClass::input] = {.count = 90, .source = Provenance::measured};
  settlement.usage[TokenClass::cache_read] = {.count = 10, .source = Provenance::measured};
  settlement.usage[TokenClass::output] = {.count = 30, .source = Provenance::measured};
  settlement.usage[TokenClass::reasoning] = {.count = 7, .source = Provenance::measured};
  settlement.price_id = intent.price_id;
  settlement.cost = Nanodollars{cost};
  settlement.baseline = {4 * cost};
  settlement.delivered = true;
  settlement.status = 200;
  settlement.ttft_ms = 40;
  settlement.duration_ms = 400;
  settlement.upstream_id = "chatcmpl-1";
  return settlement;
}

// Blocks until the ledger has answered.
inline Result<void> intend(Ledger& ledger, AttemptIntent intent) {
  std::promise<Result<void>> promise;
  ledger.intend(std::move(intent), [&](Result<void> result) { promise.set_value(result); });
  return promise.get_future().get();
}
inline Result<void> settle(Ledger& ledger, AttemptSettlement settlement) {
  std::promise<Result<void>> promise;
  ledger.settle(std::move(settlement), [&](Result<void> result) { promise.set_value(result); });
  return promise.get_future().get();
}
inline void spend_once(Ledger& ledger, const AttemptIntent& intent, std::int64_t cost = 5'000) {
  REQUIRE(intend(ledger, intent));
  REQUIRE(settle(ledger, test_settlement(intent, cost)));
}

}  // namespace jevons
