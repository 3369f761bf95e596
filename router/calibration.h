// Repairing probabilities from outcomes: Platt's map on the logit, and how far predictions lie
// from what happened.
#pragma once

#include <vector>

namespace jevons {

struct Judged {
  double p = 0.5;      // what was predicted
  double outcome = 0;  // 0..1
  double weight = 1;
};

double logit_of(double p);  // of p clamped to 0.001..0.999
double sigmoid_of(double x);

// p -> sigmoid(slope * logit(p) + shift); slope is never negative, so ranks stay.
struct Platt {
  double slope = 1, shift = 0;
  double operator()(double p) const;
};
// Least log loss with a pull towards the identity, worth `prior` outcomes. Newton's method.
Platt fit_platt(const std::vector<Judged>& judged, double prior = 10);

// Expected calibration error over ten bins of equal width. 0 without outcomes.
double calibration_error(const std::vector<Judged>& judged);

}  // namespace jevons
