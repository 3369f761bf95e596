#include "router/guarantee.h"

#include <algorithm>
#include <cmath>

namespace jevons {
namespace {

// Sum of a binomial's terms from `from` on in one direction, each from the one before, until they
// no longer matter. `from` lies on the falling side, so that the first is the largest.
double tail(double from, double n, double rate, bool upwards) {
  const double odds = rate / (1 - rate);
  double term = std::exp(std::lgamma(n + 1) - std::lgamma(from + 1) - std::lgamma(n - from + 1) +
                         from * std::log(rate) + (n - from) * std::log1p(-rate));
  double sum = 0;
  for (double k = from; k >= 0 && k <= n && term > sum * 1e-17; k += upwards ? 1 : -1) {
    sum += term;
    term *= upwards ? (n - k) / (k + 1) * odds : k / (n - k + 1) / odds;
  }
  return sum;
}

// The chance of at most `failures` among `trials` at a rate.
double at_most(std::int64_t failures, std::int64_t trials, double rate) {
  if (rate <= 0 || failures >= trials) return 1;
  if (rate >= 1) return 0;
  const auto n = static_cast<double>(trials);
  const auto k = static_cast<double>(failures);
  return k <= n * rate ? std::min(1.0, tail(k, n, rate, false))
                       : std::max(0.0, 1 - tail(k + 1, n, rate, true));
}

// Predictions that differ by less were made for the same request.
constexpr double rounding = 1e-6;

}  // namespace

double failure_rate_upper(std::int64_t failures, std::int64_t trials, double alpha) {
  if (trials <= 0 || failures >= trials) return 1;
  double low = 0, high = 1;
  for (int step = 0; step < 40; ++step) {
    const double middle = (low + high) / 2;
    (at_most(failures, trials, middle) > alpha ? low : high) = middle;
  }
  return high;
}

QualityProof::QualityProof(std::vector<Judged> outcomes) {
  const std::size_t all = outcomes.size();
  if (all == 0) return;
  std::sort(outcomes.begin(), outcomes.end(),
            [](const Judged& a, const Judged& b) { return a.p > b.p; });
  const auto failures = std::count_if(outcomes.begin(), outcomes.end(),
                                      [](const Judged& j) { return j.outcome < 0.5; });
  const double together = failure_rate_upper(failures, static_cast<std::int64_t>(all), alpha / 2);
  const std::size_t first = std::min(all, std::max(outcomes_min, all / 3));
  std::size_t admitted = 0, failed = 0;
  double worst = 0;
  for (std::size_t step = 0; step < thresholds; ++step) {
    const std::size_t want = first + (all - first) * step / (thresholds - 1);
    if (want <= admitted) continue;
    // A threshold admits all that are predicted alike: they are judged together.
    while (admitted < all &&
           (admitted < want || outcomes[admitted].p >= outcomes[admitted - 1].p - rounding)) {
      if (outcomes[admitted].outcome < 0.5) ++failed;
      ++admitted;
    }
    const double upper = failure_rate_upper(static_cast<std::int64_t>(failed),
                                            static_cast<std::int64_t>(admitted), alpha / 2);
    worst = std::max(worst, upper);
    const double proven = std::min(worst, together);
    if (proven >= 1) return;
    steps_.push_back({.p = outcomes[admitted - 1].p, .failures_at_most = proven});
  }
}

double QualityProof::failures_at_most(double p) const {
  for (const Step& step : steps_)
    if (p >= step.p - rounding) return step.failures_at_most;
  return 1;
}

}  // namespace jevons
