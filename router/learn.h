// Learning while serving, as pure functions over small states: the caller keeps and stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "router/calibration.h"

namespace jevons {

// One recorded outcome of a target: what was predicted, what happened.
struct OutcomeSample {
  std::string key;  // the virtual key that reported it
  double p_ok = 0.5;
  double score = 0;  // 0..1
};

// What a target has shown: a decayed window of outcomes. A key's outcomes together never weigh more
// than `key_share` of the window's capacity, so a hostile tenant cannot bend another's routing.
class TargetRecord {
 public:
  static constexpr std::size_t samples_max = 2'000;
  static constexpr double key_share = 0.25;
  static constexpr double decay = 0.999;  // weight of a sample per newer sample

  void learn(OutcomeSample sample);
  // The prediction as the outcomes repair it: the identity before the first, Platt's map after.
  double repaired(double p_ok) const { return platt_(p_ok); }
  std::size_t count() const { return samples_.size(); }
  const Platt& platt() const { return platt_; }

 private:
  std::vector<Judged> weighed() const;

  std::vector<OutcomeSample> samples_;  // oldest first
  std::size_t learned_ = 0;
  Platt platt_;
};

// The upper end of the one-sided Clopper-Pearson interval: with confidence 1 - alpha the true rate
// of failures is not above it. 1 without trials.
double failure_rate_upper(std::int64_t failures, std::int64_t trials, double alpha);

// The least predicted P(ok) at which the cheap target may serve, so that with confidence
// 1 - alpha at most `failure_rate` of the requests it serves fail. Thresholds are tried from the
// strictest down and the first that fails ends it (fixed-sequence testing), so the confidence holds
// for the choice. Above 1: none is safe.
double quality_threshold(std::vector<Judged> outcomes, double failure_rate, double alpha);

}  // namespace jevons
