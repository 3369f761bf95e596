#include "router/head.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "router/calibration.h"

namespace jevons {
namespace {

// Prior precision of each kind of weight: an outcome at P(ok) = 0.5 adds 0.25 to a precision.
constexpr double shift_precision = 1.0, slope_precision = 4.0, task_precision = 1.5;
constexpr double trunk_precision = 250.0, landmark_precision = 0.5;
constexpr float trunk_unit = 1.0f / trunk_scale;
constexpr double correction_max = 6.0;
constexpr int steps_max = 80;

double precision_of(std::size_t i) {
  if (i == 0) return shift_precision;
  if (i == 1) return slope_precision;
  if (i < 2 + task_count) return task_precision;
  return i < Head::linear ? trunk_precision : landmark_precision;
}

void write_linear(const HeadInput& input, float* row) {
  row[0] = 1;
  row[1] = static_cast<float>(std::clamp(input.prior_logit, -4.0, 4.0));
  row[2 + static_cast<std::size_t>(input.task)] = 1;
  float* trunk = row + 2 + task_count;
  for (std::size_t i = 0; i < trunk_size; ++i) {
    trunk[i] = static_cast<float>(input.trunk[i]) * trunk_unit;
  }
}

std::vector<Trunk> landmarks_of(const std::vector<HeadSample>& samples) {
  std::vector<Trunk> candidates;
  for (const HeadSample& sample : samples) {
    if (sample.landmark) candidates.push_back(sample.input.trunk);
  }
  return choose_landmarks(std::move(candidates));
}

}  // namespace

// One fit: rows and bound once, then steps down the penalised log loss.
class HeadFit {
 public:
  HeadFit(const std::vector<HeadSample>& samples, const Head& start)
      : samples_(samples), landmarks_(landmarks_of(samples)), n(Head::linear + landmarks_.size()) {
    weights_ = start.weights_;
    weights_.resize(n, 0.0f);
    rows_.assign(samples.size() * n, 0.0f);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      write_linear(samples[s].input, rows_.data() + s * n);
      landmarks_.write(samples[s].input.trunk, rows_.data() + s * n + Head::linear);
    }
  }

  Head run() {
    bound();
    if (factor()) {
      for (int step = 0; step < steps_max; ++step) {
        if (descend() < 1e-4) break;
      }
    }
    Head head;
    const std::span<const float> solved(weights_);
    head.landmark_weights_ = landmarks_.fold(solved.subspan(Head::linear));
    head.landmarks_ = landmarks_.landmarks();
    weights_.resize(Head::linear);
    head.weights_ = std::move(weights_);
    return head;
  }

 private:
  double dot(std::size_t s) const {
    const float* row = rows_.data() + s * n;
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += row[i] * weights_[i];
    return static_cast<double>(sum);
  }

  // No outcome bends the loss more than it does at P(ok) = 0.5. With that bound in place of the
  // true curvature every step goes down, and the matrix is factored once (Boehning 1988).
  void bound() {
    curvature_.assign(n * n, 0.0f);
    for (std::size_t i = 0; i < n; ++i) {
      curvature_[i * n + i] = static_cast<float>(precision_of(i));
    }
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const auto most = static_cast<float>(samples_[s].weight * 0.25);
      const float* row = rows_.data() + s * n;
      for (std::size_t i = 0; i < n; ++i) {
        if (row[i] == 0) continue;
        const float scaled = most * row[i];
        float* line = curvature_.data() + i * n;
        for (std::size_t j = 0; j <= i; ++j) line[j] += scaled * row[j];
      }
    }
  }

  // One step; returns how far the farthest weight moved.
  double descend() {
    gradient_.assign(n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      gradient_[i] = precision_of(i) * static_cast<double>(weights_[i]);
    }
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const double p = sigmoid_of(samples_[s].input.prior_logit + dot(s));
      const double error = samples_[s].weight * (p - samples_[s].score);
      const float* row = rows_.data() + s * n;
      for (std::size_t i = 0; i < n; ++i) gradient_[i] += error * static_cast<double>(row[i]);
    }
    return substitute();
  }

  bool factor() {  // curvature = L L^T, L in the lower half
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        float sum = curvature_[i * n + j];
        for (std::size_t k = 0; k < j; ++k) sum -= curvature_[i * n + k] * curvature_[j * n + k];
        if (i != j) {
          curvature_[i * n + j] = sum / curvature_[j * n + j];
        } else {
          if (!(sum > 1e-6f)) return false;
          curvature_[i * n + i] = std::sqrt(sum);
        }
      }
    }
    return true;
  }

  double substitute() {
    std::vector<double>& b = gradient_;
    const auto at = [this](std::size_t i, std::size_t j) {
      return static_cast<double>(curvature_[i * n + j]);
    };
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t k = 0; k < i; ++k) b[i] -= at(i, k) * b[k];
      b[i] /= at(i, i);
    }
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t k = i + 1; k < n; ++k) b[i] -= at(k, i) * b[k];
      b[i] /= at(i, i);
    }
    double farthest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      weights_[i] -= static_cast<float>(b[i]);
      farthest = std::max(farthest, std::abs(b[i]));
    }
    return farthest;
  }

  const std::vector<HeadSample>& samples_;
  const LandmarkInputs landmarks_;
  const std::size_t n;          // inputs a row
  std::vector<float> rows_;     // n a sample
  std::vector<float> weights_, curvature_;
  std::vector<double> gradient_;
};

double Head::correction(const HeadInput& input) const {
  if (weights_.empty()) return 0;
  double sum = static_cast<double>(weights_[0]) +
               static_cast<double>(weights_[1]) * std::clamp(input.prior_logit, -4.0, 4.0) +
               static_cast<double>(weights_[2 + static_cast<std::size_t>(input.task)]);
  const float* trunk = weights_.data() + 2 + task_count;
  float from_trunk = 0;
  for (std::size_t i = 0; i < trunk_size; ++i) {
    from_trunk += trunk[i] * static_cast<float>(input.trunk[i]);
  }
  sum += static_cast<double>(from_trunk * trunk_unit);
  if (!landmarks_.empty() && is_known(input.trunk)) {
    std::array<float, landmarks_max> nearness;
    write_nearness(input.trunk, landmarks_, nearness.data());
    float pull = 0;
    for (std::size_t i = 0; i < landmarks_.size(); ++i) pull += landmark_weights_[i] * nearness[i];
    sum += static_cast<double>(pull);
  }
  return std::clamp(sum, -correction_max, correction_max);
}

double Head::p_ok(const HeadInput& input) const {
  return calibration_(sigmoid_of(input.prior_logit + correction(input)));
}

Head fit_head(const std::vector<HeadSample>& samples, const Head& start) {
  if (samples.empty()) return {};
  return HeadFit(samples, start).run();
}

Head calibrated_head(const std::vector<HeadSample>& samples, const Head& start) {
  Head head = fit_head(samples, start);
  double weight = 0;
  for (const HeadSample& sample : samples) weight += sample.weight;
  if (samples.size() < calibrated_from || weight < calibrated_from_weight) return head;
  std::vector<HeadSample> halves[2];
  for (std::size_t i = 0; i < samples.size(); ++i) halves[i % 2].push_back(samples[i]);
  std::vector<Judged> judged;
  for (std::size_t half = 0; half < 2; ++half) {
    const Head other = fit_head(halves[1 - half], head);
    for (const HeadSample& sample : halves[half]) {
      judged.push_back(
          {.p = other.p_ok(sample.input), .outcome = sample.score, .weight = sample.weight});
    }
  }
  head.calibration_ = fit_isotonic(std::move(judged));
  return head;
}

}  // namespace jevons
