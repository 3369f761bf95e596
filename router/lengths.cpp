#include "router/lengths.h"

#include <algorithm>
#include <cmath>

#include "router/learned.h"

namespace jevons {
namespace {

// Mean absolute deviation to standard deviation, for a normal distribution.
constexpr double deviation_to_sigma = 1.2533;

struct Aged {
  const LengthSample* sample = nullptr;
  double weight = 0;
};

LengthShift shift_of(const std::vector<Aged>& samples) {
  LengthShift result;
  std::vector<WeighedValue> all = {{0, LengthWindow::prior_weight}};
  std::array<std::vector<WeighedValue>, task_count> by_task;
  for (const Aged& one : samples) {
    const WeighedValue value{one.sample->residual, one.weight};
    all.push_back(value);
    by_task[static_cast<std::size_t>(one.sample->task)].push_back(value);
  }
  const double target = weighted_median(std::move(all), 0);
  for (std::size_t task = 0; task < task_count; ++task) {
    by_task[task].push_back({target, LengthWindow::task_prior_weight});
    result.shift[task] = static_cast<float>(weighted_median(std::move(by_task[task]), target));
  }
  double deviation = 0, weight = 0;
  for (const Aged& one : samples) {
    const double centre =
        static_cast<double>(result.shift[static_cast<std::size_t>(one.sample->task)]);
    deviation += one.weight * std::abs(one.sample->residual - centre);
    weight += one.weight;
  }
  if (weight > 0) {
    result.sigma = static_cast<float>(deviation_to_sigma * deviation / weight);
    result.sigma_trust = static_cast<float>(weight / (weight + LengthWindow::spread_prior_weight));
  }
  return result;
}

}  // namespace

double weighted_median(std::vector<WeighedValue> values, double fallback) {
  double total = 0;
  for (const WeighedValue& value : values) total += value.weight;
  if (!(total > 0)) return fallback;
  std::sort(values.begin(), values.end(),
            [](const WeighedValue& a, const WeighedValue& b) { return a.value < b.value; });
  double below = 0;
  for (const WeighedValue& value : values) {
    below += value.weight;
    if (below * 2 >= total) return value.value;
  }
  return values.back().value;
}

void LengthWindow::learn(LengthSample sample) {
  if (!std::isfinite(sample.residual)) return;
  sample.residual = std::clamp(sample.residual, -residual_max, residual_max);
  if (samples_.size() >= answers_max) {
    std::map<std::string_view, std::size_t> counts;
    for (const LengthSample& old : samples_) ++counts[old.key];
    const auto fullest =
        std::max_element(counts.begin(), counts.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const std::string key(fullest->first);
    samples_.erase(std::find_if(samples_.begin(), samples_.end(),
                                [&key](const LengthSample& old) { return old.key == key; }));
  }
  samples_.push_back(std::move(sample));
}

TargetLengths LengthWindow::lengths() const {
  TargetLengths lengths;
  lengths.answers = static_cast<std::int64_t>(samples_.size());
  std::vector<Aged> aged;
  std::map<std::string, double> own;
  std::vector<std::string> recent;  // keys, the most recently heard first
  double age = 1;
  for (auto at = samples_.rbegin(); at != samples_.rend(); ++at, age *= decay) {
    aged.push_back({&*at, age});
    if (own.emplace(at->key, 0).second) recent.push_back(at->key);
    own[at->key] += age;
  }
  std::vector<double> weights;
  for (const auto& [key, weight] : own) weights.push_back(weight);
  const double cap =
      key_weight_cap(weights, TargetOutcomes::key_share, TargetOutcomes::prior_weight);
  const auto seen_by = [&](const std::string* key) {
    std::vector<Aged> seen = aged;
    for (Aged& one : seen) {
      const double total = own[one.sample->key];
      const bool full = (key != nullptr && *key == one.sample->key) || total <= cap;
      if (!full) one.weight *= cap / total;
    }
    return shift_of(seen);
  };
  lengths.shared = seen_by(nullptr);
  if (recent.size() > own_max) recent.resize(own_max);
  const bool cut = std::any_of(weights.begin(), weights.end(), [cap](double w) { return w > cap; });
  // With nobody's weight cut there is one truth for all.
  for (const std::string& key : recent) lengths.own[key] = cut ? seen_by(&key) : lengths.shared;
  return lengths;
}

}  // namespace jevons
