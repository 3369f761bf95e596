// How long a target's answers really are, beside the prediction that is made from the request
// alone: a factor by target and kind of work, taken from the answers it gave.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "router/classification.h"

namespace jevons {

// One answer: log(its completion tokens / those predicted before anything was learned).
struct LengthSample {
  std::string key;  // the virtual key whose request it was
  Task task = Task::chat;
  double residual = 0;
};

// What is learned for one caller: log factors on the predicted median, and the spread around them.
struct LengthShift {
  std::array<float, task_count> shift{};
  // Standard deviation of log length around the prediction, and how far it is to be believed
  // against the one predicted: 0 not at all .. 1.
  float sigma = 0, sigma_trust = 0;
  bool operator==(const LengthShift&) const = default;
};

struct TargetLengths {
  LengthShift shared;                      // for keys without answers of their own
  std::map<std::string, LengthShift> own;  // by key
  std::int64_t answers = 0;

  const LengthShift& shift_for(const std::string& key) const {
    const auto found = own.find(key);
    return found == own.end() ? shared : found->second;
  }
};

// The answers of one target: a window, newer ones pushing out the oldest of the key that has most.
// Medians stand for each kind of work, pulled to the target's over all kinds and that one to the
// prediction; recent answers weigh more. As for heads (router/learned.h), a key's own answers rule
// its own predictions and no key weighs more than a share of what stands beside it in those of
// others.
class LengthWindow {
 public:
  static constexpr std::size_t answers_max = 512, own_max = 32;
  static constexpr double decay = 0.997;  // weight of an answer per newer one
  static constexpr double residual_max = 4;
  // How many answers the prediction counts as, and the target's median for one kind of work.
  static constexpr double prior_weight = 3, task_prior_weight = 4, spread_prior_weight = 10;

  // Ignored: a residual that is not finite.
  void learn(LengthSample sample);
  TargetLengths lengths() const;
  std::size_t count() const { return samples_.size(); }
  const std::deque<LengthSample>& all() const { return samples_; }  // oldest first

 private:
  std::deque<LengthSample> samples_;
};

struct WeighedValue {
  double value = 0, weight = 0;
};
// The value with half of the weight on either side; `fallback` without any weight.
double weighted_median(std::vector<WeighedValue> values, double fallback);

}  // namespace jevons
