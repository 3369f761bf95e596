// A target's success head over the shared trunk: how far its chance of a good answer lies from the
// prior that its ability gives, as outcomes have shown it. Zero before the first outcome.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "router/calibration.h"
#include "router/classification.h"
#include "router/landmarks.h"

namespace jevons {

// What a head looks at: the prior, the kind of work, and the trunk's inputs.
struct HeadInput {
  double prior_logit = 0;    // of the ability's P(ok), before outcomes
  double ability_logit = 0;  // what the catalog's ability is of it; NaN: not known
  Task task = Task::chat;
  Trunk trunk{};
};

struct HeadSample {
  HeadInput input;
  double score = 0;   // 0..1
  double weight = 1;  // an outcome that was reported counts 1
  // May become a point of reference. An outcome of another key never is one: where a key has none
  // of its own nearby, nobody else's outcomes are looked at that closely.
  bool landmark = false;
};

// logit P(ok) = prior + shift + slope * prior + task's shift + trunk weights * trunk
//               + sum of each landmark's weight * nearness to it.
class Head {
 public:
  static constexpr std::size_t linear = 2 + task_count + trunk_size;

  // What outcomes add to the prior's logit.
  double correction(const HeadInput& input) const;
  // With what the calibration makes of it.
  double p_ok(const HeadInput& input) const;
  bool empty() const { return weights_.empty(); }
  bool calibrated() const { return !calibration_.empty(); }
  bool operator==(const Head&) const = default;

 private:
  friend class HeadFit;
  friend Head calibrated_head(const std::vector<HeadSample>& samples, const Head& start);
  std::vector<float> weights_;  // of the linear part; empty: all zero
  std::vector<Trunk> landmarks_;
  std::vector<float> landmark_weights_;
  Isotonic calibration_;        // empty below calibrated_from
};

// Most probable weights under a prior that ten outcomes of one kind begin to move and that lets
// trunk weights grow with some hundreds: logistic regression, begun at `start`.
// The same samples give the same head.
Head fit_head(const std::vector<HeadSample>& samples, const Head& start = {});

// The same, and from enough outcomes on their P(ok) made true to what happened: an isotonic map,
// fitted to predictions of heads that had not seen the outcome (each half is judged by the
// other's). The head's own shift and slope do what Platt's map would, from the first outcome on.
Head calibrated_head(const std::vector<HeadSample>& samples, const Head& start = {});
// Outcomes and their weight (500 after decay) from which a map is drawn.
inline constexpr std::size_t calibrated_from = 500;
inline constexpr double calibrated_from_weight = 380;

}  // namespace jevons
