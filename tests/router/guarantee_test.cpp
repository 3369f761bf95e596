#include "router/guarantee.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("bounds: Clopper-Pearson, one-sided") {
  struct {
    std::int64_t failures, trials;
    double alpha, upper;
  } rows[] = {
      {0, 10, 0.05, 0.2589},  // 1 - 0.05^(1/10)
      {0, 100, 0.05, 0.0295}, {5, 100, 0.05, 0.1023}, {1, 10, 0.1, 0.3368},
      {10, 10, 0.1, 1},       {0, 0, 0.1, 1},
  };
  for (const auto& row : rows) {
    CHECK(failure_rate_upper(row.failures, row.trials, row.alpha) ==
          doctest::Approx(row.upper).epsilon(0.002));
  }
}

TEST_CASE("quality floor: the bound is broken in no more than alpha of resamples") {
  std::uint64_t state = 5;
  const auto uniform = [&state] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state >> 11) * 0x1.0p-53;
  };
  const double alpha = 0.1, allowed = 0.2;
  int broken = 0, served = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Judged> outcomes;
    for (int i = 0; i < 400; ++i) {
      const double p = uniform();
      outcomes.push_back({.p = p, .outcome = uniform() < p ? 1.0 : 0.0});
    }
    const double threshold = quality_threshold(outcomes, allowed, alpha);
    if (threshold > 1) continue;
    ++served;
    // Above a threshold t the true rate of failures is (1 - t) / 2.
    if ((1 - threshold) / 2 > allowed) ++broken;
  }
  CHECK(served > 150);
  CHECK(broken <= 20);
}

TEST_CASE("quality floor: predictions that are alike are admitted together or not at all") {
  std::vector<Judged> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back({.p = 0.8, .outcome = i < 60 ? 1.0 : 0.0});
  CHECK(quality_threshold(outcomes, 0.1, 0.1) > 1);
  for (Judged& judged : outcomes) judged.outcome = 1;
  CHECK(quality_threshold(outcomes, 0.1, 0.1) == 0.8);
}

TEST_CASE("quality floor: without enough outcomes nothing is safe") {
  CHECK(quality_threshold({}, 0.1, 0.1) > 1);
  CHECK(quality_threshold({{.p = 0.99, .outcome = 1}}, 0.1, 0.1) > 1);
}
