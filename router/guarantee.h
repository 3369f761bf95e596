// What may be promised of a target from its outcomes, with a stated confidence.
#pragma once

#include <cstdint>
#include <vector>

#include "router/calibration.h"

namespace jevons {

// The upper end of the one-sided Clopper-Pearson interval: with confidence 1 - alpha the true rate
// of failures is not above it. 1 without trials.
double failure_rate_upper(std::int64_t failures, std::int64_t trials, double alpha);

// The least predicted P(ok) at which the cheap target may serve, so that with confidence
// 1 - alpha at most `failure_rate` of the requests it serves fail. Thresholds are tried from the
// strictest down and the first that fails ends it (fixed-sequence testing), so the confidence holds
// for the choice. Above 1: none is safe.
double quality_threshold(std::vector<Judged> outcomes, double failure_rate, double alpha);

}  // namespace jevons
