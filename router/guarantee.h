// What may be promised of a target from its outcomes, with a stated confidence.
#pragma once

#include <cstdint>
#include <vector>

#include "router/calibration.h"

namespace jevons {

// The upper end of the one-sided Clopper-Pearson interval: with confidence 1 - alpha the true rate
// of failures is not above it. 1 without trials.
double failure_rate_upper(std::int64_t failures, std::int64_t trials, double alpha);

// How often a target fails on the requests that are predicted to go at least so well, bounded from
// its outcomes by falling prediction (Learn then Test, arXiv 2110.01052). Thresholds are fixed
// before the outcomes are looked at and tested from the strictest down, so that the confidence
// holds for whichever of them is used; half of the doubt goes into a test of all outcomes together,
// which proves the most where predictions tell little. Outcomes below 0.5 are failures, and each
// counts one.
class QualityProof {
 public:
  // What is promised, and what each bound is computed at: outcomes keep coming and are looked at
  // again and again, for which the promise leaves room.
  static constexpr double confidence = 0.95, alpha = 0.02;
  // The strictest threshold admits this many outcomes, or a third of them if that is more: of fewer
  // even a faultless record proves little, and the first test that is not passed ends them all.
  static constexpr std::size_t outcomes_min = 45, thresholds = 20;
  // Smaller rates cannot be proven with the outcomes that are kept (learned.h).
  static constexpr double provable_min = 0.01;

  QualityProof() = default;
  explicit QualityProof(std::vector<Judged> outcomes);

  // Of the requests with a prediction of at least `p` no larger share fails, with that confidence.
  // Never falls where `p` falls. 1: nothing is proven.
  double failures_at_most(double p) const;
  bool empty() const { return steps_.empty(); }

 private:
  struct Step {
    double p = 0;  // least prediction that it admits
    double failures_at_most = 1;
  };
  std::vector<Step> steps_;  // by falling p
};

}  // namespace jevons
