// What outcomes have taught about each target: the outcomes kept, whose they are, and the heads
// that are fitted to them. A key's own outcomes rule its own routing; on the routing of others they
// weigh no more than a share, so a hostile tenant bends nobody's but its own.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "router/guarantee.h"
#include "router/head.h"
#include "router/lengths.h"

namespace jevons {

struct OutcomeSample {
  std::uint64_t id = 0;       // of request and source: the same id again replaces
  std::uint64_t request = 0;  // alike for all sources of a request; 0: not known
  std::string key;            // the virtual key whose request it was
  HeadInput input;
  double score = 0;       // 0..1
  double weight = 1;      // at most 1
  bool observed = false;  // seen in the answer itself, not reported by anybody
};

struct TargetHeads {
  Head shared;                      // for keys without outcomes of their own
  std::map<std::string, Head> own;  // by key
  // By key, from the outcomes that it reported itself: nobody can prove a target to another.
  std::map<std::string, QualityProof> proofs;
  std::int64_t outcomes = 0;

  // Bound on the failures of requests that are no harder; 1: nothing is proven.
  double failures_at_most(const std::string& key, const HeadInput& input) const;
  const Head& head_for(const std::string& key) const {
    const auto found = own.find(key);
    return found == own.end() ? shared : found->second;
  }
};

// Immutable once published; shared by all threads.
struct Learned {
  std::unordered_map<std::string, std::shared_ptr<const TargetHeads>> targets;
  std::unordered_map<std::string, std::shared_ptr<const TargetLengths>> lengths;

  const TargetHeads* find(const std::string& target) const {
    const auto found = targets.find(target);
    return found == targets.end() ? nullptr : found->second.get();
  }
  const TargetLengths* find_lengths(const std::string& target) const {
    const auto found = lengths.find(target);
    return found == lengths.end() ? nullptr : found->second.get();
  }
};

// The outcomes of one target: a window of each sort, newer ones pushing out the oldest.
class TargetOutcomes {
 public:
  static constexpr std::size_t reported_max = 2'000, observed_max = 500;
  static constexpr std::size_t observed_min = 20;  // fewer observations say nothing
  static constexpr std::size_t own_heads_max = 32;
  static constexpr double landmarks_from = 50;  // weight of own outcomes for own landmarks
  static constexpr double decay = 0.999;  // weight of an outcome per newer outcome of its sort
  // No key weighs more in the head of others than this share of what stands beside it; where
  // nothing does, the prior counts as half an outcome.
  static constexpr double key_share = 0.25, prior_weight = 0.5;

  // Ignored: scores and weights outside 0..1, and inputs that are not finite.
  void learn(OutcomeSample sample);
  // Heads for the outcomes so far; `before` makes the fit faster.
  TargetHeads heads(const TargetHeads* before = nullptr) const;
  std::size_t count() const { return reported_.size() + observed_.size(); }
  std::vector<OutcomeSample> all() const;  // oldest first within each sort

 private:
  std::vector<const OutcomeSample*> counted() const;
  std::map<std::string, QualityProof> proofs() const;

  std::vector<OutcomeSample> reported_, observed_;  // oldest first
};

// The most that one key may weigh beside others, given what each would weigh alone: the largest c
// with c <= share * (prior + sum of min(own, c) over the other keys).
double key_weight_cap(const std::vector<double>& own, double share, double prior);

}  // namespace jevons
