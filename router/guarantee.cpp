#include "router/guarantee.h"

#include <algorithm>
#include <cmath>

namespace jevons {
namespace {

// The chance of at most `failures` among `trials` at a rate, summed in logarithms.
double at_most(std::int64_t failures, std::int64_t trials, double rate) {
  if (rate <= 0) return 1;
  if (rate >= 1) return failures >= trials ? 1 : 0;
  const auto n = static_cast<double>(trials);
  double sum = 0;
  for (std::int64_t k = 0; k <= failures; ++k) {
    const auto x = static_cast<double>(k);
    sum += std::exp(std::lgamma(n + 1) - std::lgamma(x + 1) - std::lgamma(n - x + 1) +
                    x * std::log(rate) + (n - x) * std::log1p(-rate));
  }
  return std::min(1.0, sum);
}

}  // namespace

double failure_rate_upper(std::int64_t failures, std::int64_t trials, double alpha) {
  if (trials <= 0 || failures >= trials) return 1;
  double low = 0, high = 1;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    (at_most(failures, trials, middle) > alpha ? low : high) = middle;
  }
  return high;
}

double quality_threshold(std::vector<Judged> outcomes, double failure_rate, double alpha) {
  constexpr double none = 2;
  constexpr std::size_t thresholds = 20;  // few and fixed, whatever the data
  std::sort(outcomes.begin(), outcomes.end(),
            [](const Judged& a, const Judged& b) { return a.p > b.p; });
  double threshold = none;
  for (std::size_t step = 1; step <= thresholds; ++step) {
    std::size_t served = outcomes.size() * step / thresholds;
    if (served == 0) continue;
    // A threshold admits all that are predicted alike: they are judged together.
    while (served < outcomes.size() && outcomes[served].p == outcomes[served - 1].p) ++served;
    const auto failed =
        std::count_if(outcomes.begin(), outcomes.begin() + static_cast<std::ptrdiff_t>(served),
                      [](const Judged& j) { return j.outcome < 0.5; });
    const double upper = failure_rate_upper(failed, static_cast<std::int64_t>(served), alpha);
    // The strictest steps hold too few outcomes to be safe at any rate: they prove nothing.
    const bool too_few =
        failure_rate_upper(0, static_cast<std::int64_t>(served), alpha) > failure_rate;
    if (too_few) continue;
    if (upper > failure_rate) break;
    threshold = outcomes[served - 1].p;
  }
  return threshold;
}

}  // namespace jevons
