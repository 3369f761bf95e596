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

// A rising map of probabilities, drawn through points; strictly rising, so ranks stay. Without
// points it changes nothing.
class Isotonic {
 public:
  double operator()(double p) const;
  bool empty() const { return points_.empty(); }
  bool operator==(const Isotonic&) const = default;

 private:
  friend Isotonic fit_isotonic(std::vector<Judged> judged);
  struct Point {
    float predicted = 0, happened = 0;
    bool operator==(const Point&) const = default;
  };
  std::vector<Point> points_;  // by rising prediction
};
// The rising map closest to what happened: groups of some fifty outcomes with close predictions,
// neighbours that would fall pooled (pool adjacent violators).
Isotonic fit_isotonic(std::vector<Judged> judged);

// Expected calibration error over ten bins of equal width. 0 without outcomes.
double calibration_error(const std::vector<Judged>& judged);

}  // namespace jevons
