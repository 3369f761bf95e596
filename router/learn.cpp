#include "router/learn.h"

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

void TargetRecord::learn(OutcomeSample sample) {
  if (!(sample.score >= 0 && sample.score <= 1) || !(sample.p_ok >= 0 && sample.p_ok <= 1)) return;
  if (samples_.size() == samples_max) samples_.erase(samples_.begin());
  samples_.push_back(std::move(sample));
  // A full refit takes up to a millisecond; once the record is long, one outcome changes little.
  constexpr std::size_t refit_always = 100, refit_every = 10;
  if (++learned_ <= refit_always || learned_ % refit_every == 0) platt_ = fit_platt(weighed());
}

std::vector<Judged> TargetRecord::weighed() const {
  std::map<std::string, double> by_key;
  std::vector<Judged> judged;
  double weight = 1, total = 0;
  for (auto sample = samples_.rbegin(); sample != samples_.rend(); ++sample) {
    judged.push_back({.p = sample->p_ok, .outcome = sample->score, .weight = weight});
    by_key[sample->key] += weight;
    total += weight;
    weight *= decay;
  }
  // A key alone at a target is the whole truth; beside others it is cut to its share.
  if (by_key.size() < 2) return judged;
  std::size_t i = 0;
  for (auto sample = samples_.rbegin(); sample != samples_.rend(); ++sample, ++i) {
    const double own = by_key[sample->key], others = total - own;
    const double allowed = others * key_share / (1 - key_share);
    if (own > allowed) judged[i].weight *= allowed / own;
  }
  return judged;
}

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
    const std::size_t served = outcomes.size() * step / thresholds;
    if (served == 0) continue;
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
