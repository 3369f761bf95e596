#include "gateway/target_book.h"

#include <doctest/doctest.h>

using namespace jevons;

namespace {

Catalog one_target() {
  Catalog catalog;
  Target target;
  target.name = "a";
  catalog.targets.push_back(target);
  return catalog;
}

void fail(TargetBook& book, std::int64_t now_ms) {
  REQUIRE(book.begin("a", now_ms));
  book.end("a", TargetBook::Sample{.ok = false}, now_ms);
}

BreakerState state(const TargetBook& book, std::int64_t now_ms) {
  return book.snapshot(one_target(), now_ms)[0].breaker;
}

}  // namespace

TEST_CASE(
    "the breaker opens after five failures in a row and admits one probe after its cooldown") {
  TargetBook book;
  for (int i = 0; i < 4; ++i) fail(book, 0);
  CHECK(state(book, 0) == BreakerState::closed);
  fail(book, 0);
  CHECK(state(book, 0) == BreakerState::open);
  CHECK_FALSE(book.begin("a", 4'999));
  CHECK(book.rests_ms("a", 1'000) == 4'000);
  CHECK(book.rests_ms("a", 5'000) == std::nullopt);
  CHECK(state(book, 5'000) == BreakerState::half_open);
  CHECK(book.begin("a", 5'000));
  CHECK_FALSE(book.begin("a", 5'000));  // the probe is under way
  book.end("a", TargetBook::Sample{.ok = true}, 5'100);
  CHECK(state(book, 5'100) == BreakerState::closed);
}

TEST_CASE("a failed probe doubles the cooldown, up to a minute") {
  TargetBook book;
  for (int i = 0; i < 5; ++i) fail(book, 0);
  std::int64_t now = 0, cooldown = 5'000;
  for (const std::int64_t expected : {10'000, 20'000, 40'000, 60'000, 60'000}) {
    now += cooldown;
    fail(book, now);
    CHECK_FALSE(book.begin("a", now + expected - 1));
    cooldown = expected;
  }
}

TEST_CASE("half of the last twenty attempts failing opens the breaker") {
  TargetBook book;
  bool opened = false;
  for (int i = 0; i < 200 && !opened; ++i) {
    REQUIRE(book.begin("a", 0));
    book.end("a", TargetBook::Sample{.ok = i % 4 == 0}, 0);  // never five failures in a row
    opened = state(book, 0) == BreakerState::open;
  }
  CHECK(opened);
}

TEST_CASE("a cancelled attempt says nothing about the target") {
  TargetBook book;
  for (int i = 0; i < 50; ++i) {
    REQUIRE(book.begin("a", 0));
    book.end("a", TargetBook::Sample{.ok = false, .counts = false}, 0);
  }
  CHECK(state(book, 0) == BreakerState::closed);
  CHECK(book.in_flight("a") == 0);
}

TEST_CASE("latency is unknown until five samples, then near the quantile") {
  TargetBook book;
  CHECK_FALSE(book.snapshot(one_target(), 0)[0].ttft_ms_p50.has_value());
  for (int i = 0; i < 2'000; ++i) {
    REQUIRE(book.begin("a", 0));
    book.end("a", TargetBook::Sample{.ok = true, .ttft_ms = static_cast<double>(i * 37 % 100)}, 0);
  }
  const TargetState target = book.snapshot(one_target(), 0)[0];
  CHECK(*target.ttft_ms_p50 == doctest::Approx(50).epsilon(0.3));
  CHECK(*target.ttft_ms_p95 == doctest::Approx(95).epsilon(0.2));
}
