#include "router/learned.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "router/calibration.h"

namespace jevons {
namespace {

bool usable(const OutcomeSample& sample) {
  return sample.score >= 0 && sample.score <= 1 && sample.weight > 0 && sample.weight <= 1 &&
         std::isfinite(sample.input.prior_logit);
}

// By falling recency, with the weight that age leaves.
struct Aged {
  const OutcomeSample* sample = nullptr;
  double weight = 0;
};

std::vector<Aged> aged(const std::vector<const OutcomeSample*>& samples) {
  std::vector<Aged> all;
  double reported = 1, observed = 1;
  for (auto at = samples.rbegin(); at != samples.rend(); ++at) {
    double& age = (*at)->observed ? observed : reported;
    all.push_back({*at, (*at)->weight * age});
    age *= TargetOutcomes::decay;
  }
  return all;
}

// How easy a request is, whatever the catalog says of the target: an `ability` that changes later
// must not make an outcome speak for harder requests than the one it came from.
double ease_of(const HeadInput& input) {
  return sigmoid_of(input.prior_logit - input.ability_logit);
}

}  // namespace

double TargetHeads::failures_at_most(const std::string& key, const HeadInput& input) const {
  const auto found = proofs.find(key);
  return found == proofs.end() ? 1 : found->second.failures_at_most(ease_of(input));
}

double key_weight_cap(const std::vector<double>& own, double share, double prior) {
  if (own.empty()) return 0;
  double cap = *std::max_element(own.begin(), own.end());
  const double largest = cap;
  // Falling fixed-point iteration: each round can only lower the cap.
  for (int round = 0; round < 60; ++round) {
    double total = 0;
    for (const double weight : own) total += std::min(weight, cap);
    const double others = total - std::min(largest, cap);
    const double next = std::min(cap, share * (prior + others));
    if (cap - next < 1e-9) break;
    cap = next;
  }
  return cap;
}

void TargetOutcomes::learn(OutcomeSample sample) {
  if (!usable(sample)) return;
  std::vector<OutcomeSample>& window = sample.observed ? observed_ : reported_;
  const auto same = std::find_if(window.begin(), window.end(), [&sample](const OutcomeSample& old) {
    return old.id == sample.id && old.key == sample.key;
  });
  if (same != window.end()) window.erase(same);
  const std::size_t most = sample.observed ? observed_max : reported_max;
  if (window.size() >= most) {
    // The key with the most outcomes gives way, so that nobody floods others out of the window.
    std::map<std::string_view, std::size_t> counts;
    for (const OutcomeSample& old : window) ++counts[old.key];
    const auto fullest =
        std::max_element(counts.begin(), counts.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    const std::string key(fullest->first);
    window.erase(std::find_if(window.begin(), window.end(),
                              [&key](const OutcomeSample& old) { return old.key == key; }));
  }
  window.push_back(std::move(sample));
}

std::vector<OutcomeSample> TargetOutcomes::all() const {
  std::vector<OutcomeSample> samples = reported_;
  samples.insert(samples.end(), observed_.begin(), observed_.end());
  return samples;
}

std::vector<const OutcomeSample*> TargetOutcomes::counted() const {
  std::vector<const OutcomeSample*> samples;
  if (observed_.size() >= observed_min)
    for (const OutcomeSample& sample : observed_) samples.push_back(&sample);
  for (const OutcomeSample& sample : reported_) samples.push_back(&sample);
  return samples;
}

// Ranked by how easy the requests were: that was known before these outcomes were, which the proof
// needs. What several sources say of a request is one trial, and fails if any of them says so.
std::map<std::string, QualityProof> TargetOutcomes::proofs() const {
  std::map<std::string, std::vector<Judged>> by_key;
  std::map<std::pair<std::string_view, std::uint64_t>, std::size_t> trials;
  for (const OutcomeSample& sample : reported_) {
    if (!std::isfinite(sample.input.ability_logit)) continue;
    std::vector<Judged>& judged = by_key[sample.key];
    if (sample.request != 0) {
      const auto [trial, fresh] = trials.try_emplace({sample.key, sample.request}, judged.size());
      if (!fresh) {
        double& outcome = judged[trial->second].outcome;
        outcome = std::min(outcome, sample.score);
        continue;
      }
    }
    judged.push_back({.p = ease_of(sample.input), .outcome = sample.score});
  }
  std::map<std::string, QualityProof> proofs;
  for (auto& [key, outcomes] : by_key) {
    QualityProof proof(std::move(outcomes));
    if (!proof.empty()) proofs.emplace(key, std::move(proof));
  }
  return proofs;
}

TargetHeads TargetOutcomes::heads(const TargetHeads* before) const {
  TargetHeads heads;
  heads.outcomes = static_cast<std::int64_t>(count());
  heads.proofs = proofs();
  const std::vector<Aged> samples = aged(counted());
  std::map<std::string, double> own;
  std::vector<std::string> recent;  // keys, the most recently heard first
  for (const Aged& one : samples) {
    if (own.emplace(one.sample->key, 0).second) recent.push_back(one.sample->key);
    own[one.sample->key] += one.weight;
  }
  std::vector<double> weights;
  for (const auto& [key, weight] : own) weights.push_back(weight);
  const double cap = key_weight_cap(weights, key_share, prior_weight);
  const auto fit_for = [&](const std::string* key) {
    std::vector<HeadSample> fitted;
    for (const Aged& one : samples) {
      const double total = own[one.sample->key];
      const bool mine = key != nullptr && *key == one.sample->key;
      fitted.push_back({.input = one.sample->input,
                        .score = one.sample->score,
                        .weight = mine || total <= cap ? one.weight : one.weight * cap / total,
                        .landmark = mine});
    }
    const Head* start = nullptr;
    if (before != nullptr) start = key != nullptr ? &before->head_for(*key) : &before->shared;
    return calibrated_head(fitted, start != nullptr ? *start : Head{});
  };
  heads.shared = fit_for(nullptr);
  if (recent.size() > own_heads_max) recent.resize(own_heads_max);
  const bool cut =
      std::any_of(weights.begin(), weights.end(), [cap](double w) { return w > cap; });
  for (const std::string& key : recent) {
    // With nobody's weight cut there is one truth for all, but for those with landmarks enough.
    heads.own[key] = cut || own[key] >= landmarks_from ? fit_for(&key) : heads.shared;
  }
  return heads;
}

}  // namespace jevons
