#include "router/guarantee.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace jevons;

namespace {

class Stream {
 public:
  double uniform() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<double>(state_ >> 11) * 0x1.0p-53;
  }
  // Outcomes that fail as often as `failing(p)` says.
  template <class Failing>
  std::vector<Judged> outcomes(int count, Failing failing) {
    std::vector<Judged> all;
    for (int i = 0; i < count; ++i) {
      const double p = uniform();
      all.push_back({.p = p, .outcome = uniform() < failing(p) ? 0.0 : 1.0});
    }
    return all;
  }

 private:
  std::uint64_t state_ = 5;
};

// The least prediction that a promise admits, looked for in steps of a thousandth; above 1: none.
double threshold(const QualityProof& proof, double fail_at_most) {
  double least = 2;
  for (int i = 1000; i >= 0 && proof.failures_at_most(i / 1000.0) <= fail_at_most; --i)
    least = i / 1000.0;
  return least;
}

}  // namespace

TEST_CASE("bounds: Clopper-Pearson, one-sided") {
  struct {
    std::int64_t failures, trials;
    double alpha, upper;
  } rows[] = {
      {0, 10, 0.05, 0.2589},  // 1 - 0.05^(1/10)
      {0, 100, 0.05, 0.0295},
      {5, 100, 0.05, 0.1023},
      {1, 10, 0.1, 0.3368},
      {10, 10, 0.1, 1},
      {0, 0, 0.1, 1},
      {9, 10, 0.05, 0.9949},
      {1990, 2000, 0.05, 0.9973},
      {1000, 2000, 0.05, 0.5187},
      {100'000, 1'000'000, 0.05, 0.1005},
  };
  for (const auto& row : rows) {
    CHECK(failure_rate_upper(row.failures, row.trials, row.alpha) ==
          doctest::Approx(row.upper).epsilon(0.002));
  }
}

// Three kinds of truth: predictions that tell, that tell nothing, and that lie right at the edge.
TEST_CASE("quality proof: the promise is broken in at most 5 % of 200 resamples") {
  struct {
    const char* name;
    double (*failing)(double p);
    double (*above)(double p);  // true rate of failures among requests predicted at least p
    int admits_min;             // resamples in which something is admitted
  } rows[] = {
      {"predictions tell", [](double p) { return (1 - p) * (1 - p) / 2; },
       [](double p) { return (1 - p) * (1 - p) / 6; }, 150},
      {"predictions tell nothing, most answers are good", [](double) { return 0.05; },
       [](double) { return 0.05; }, 120},
      {"predictions tell nothing, a little too many fail", [](double) { return 0.1001; },
       [](double) { return 0.1001; }, 0},
      {"predictions are upside down", [](double p) { return p / 4; },
       [](double p) { return (1 + p) / 8; }, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Stream stream;
    int broken = 0, admits = 0;
    for (int round = 0; round < 200; ++round) {
      const QualityProof proof(stream.outcomes(300, row.failing));
      const double least = threshold(proof, 0.1);
      if (least > 1) continue;
      ++admits;
      // What is admitted reaches at most a step of the search below `least`.
      if (row.above(std::max(0.0, least)) > 0.1) ++broken;
    }
    CHECK(broken <= 10);
    CHECK(admits >= row.admits_min);
  }
}

TEST_CASE("quality proof: predictions that are alike are admitted together or not at all") {
  std::vector<Judged> outcomes;
  for (int i = 0; i < 100; ++i) outcomes.push_back({.p = 0.8, .outcome = i < 60 ? 1.0 : 0.0});
  CHECK(QualityProof(outcomes).failures_at_most(0.8) > 0.4);
  for (Judged& judged : outcomes) judged.outcome = 1;
  const QualityProof faultless(outcomes);
  CHECK(faultless.failures_at_most(0.8) == doctest::Approx(1 - std::pow(0.01, 0.01)));
  CHECK(faultless.failures_at_most(0.79) == 1);
}

TEST_CASE("quality proof: without enough outcomes nothing is promised") {
  CHECK(QualityProof().failures_at_most(1) == 1);
  CHECK(QualityProof(std::vector<Judged>{}).failures_at_most(1) == 1);
  const std::vector<Judged> one = {{.p = 0.99, .outcome = 1}};
  CHECK(QualityProof(one).failures_at_most(1) == doctest::Approx(0.99));
  std::vector<Judged> outcomes;
  for (int i = 0; i < 43; ++i) outcomes.push_back({.p = 0.9, .outcome = 1});
  CHECK(QualityProof(outcomes).failures_at_most(0.9) > 0.1);
  outcomes.push_back({.p = 0.9, .outcome = 1});
  CHECK(QualityProof(outcomes).failures_at_most(0.9) <= 0.1);
}

TEST_CASE(
    "quality proof: a looser promise never admits less, a better prediction never fails more") {
  Stream stream;
  const QualityProof proof(stream.outcomes(500, [](double p) { return (1 - p) / 2; }));
  double before = 0;
  for (int i = 1000; i >= 0; --i) {
    const double now = proof.failures_at_most(i / 1000.0);
    CHECK(now >= before);
    before = now;
  }
}

TEST_CASE("quality proof: all outcomes that are kept can prove the smallest rate") {
  std::vector<Judged> outcomes;
  for (int i = 0; i < 2000; ++i) outcomes.push_back({.p = i / 2000.0, .outcome = 1});
  CHECK(QualityProof(outcomes).failures_at_most(0) <= QualityProof::provable_min);
}
