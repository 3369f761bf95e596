// A target's success head over the shared trunk: how far its chance of a good answer lies from the
// prior that its ability gives, as outcomes have shown it. Zero before the first outcome.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "router/classification.h"

namespace jevons {

// What a head looks at: the prior, the kind of work, and the trunk's inputs.
struct HeadInput {
  double prior_logit = 0;  // of the ability's P(ok), before outcomes
  Task task = Task::chat;
  Trunk trunk{};
};

// logit P(ok) = prior + shift + slope * prior + task's shift + trunk weights * trunk.
class Head {
 public:
  static constexpr std::size_t size = 2 + task_count + trunk_size;
  using Row = std::array<float, size>;

  // What outcomes add to the prior's logit.
  double correction(const HeadInput& input) const;
  double p_ok(const HeadInput& input) const;
  bool empty() const { return weights_.empty(); }
  bool operator==(const Head&) const = default;

 private:
  friend class HeadFit;
  std::vector<float> weights_;  // empty: all zero
};

struct HeadSample {
  HeadInput input;
  double score = 0;   // 0..1
  double weight = 1;  // an outcome that was reported counts 1
};

// Most probable weights under a prior that ten outcomes of one kind begin to move and that lets
// trunk weights grow with some hundreds: logistic regression, begun at `start`.
// The same samples give the same head.
Head fit_head(const std::vector<HeadSample>& samples, const Head& start = {});

}  // namespace jevons
