// Requests with known outcomes as points of reference: what a linear head cannot say, how near a
// request lies to each of them can. A Gaussian kernel over the trunk's inputs in the approximation
// of Nystroem (Williams and Seeger 2001), at the price of at most 64 distances a target.
#pragma once

#include <span>
#include <vector>

#include "router/classification.h"

namespace jevons {

inline constexpr std::size_t landmarks_max = 64;

// False for a trunk that is all zero: the weights could not judge, and it is near to nothing.
bool is_known(const Trunk& trunk);
// exp(-d^2 / 2 r^2) to each landmark, of which there are at most `landmarks_max`: 1 for the same
// request, e^-4 for two that have no more in common than most.
void write_nearness(const Trunk& trunk, std::span<const Trunk> landmarks, float* nearness);

// At most `landmarks_max` different ones of the candidates, the same whatever their order, and
// mostly the same after some candidates have been replaced.
std::vector<Trunk> choose_landmarks(std::vector<Trunk> candidates);

// Turns nearness to each landmark into inputs of a linear fit whose penalty is the kernel's.
class LandmarkInputs {
 public:
  explicit LandmarkInputs(std::vector<Trunk> landmarks);
  const std::vector<Trunk>& landmarks() const { return landmarks_; }
  std::size_t size() const { return landmarks_.size(); }
  // Writes size() inputs.
  void write(const Trunk& trunk, float* inputs) const;
  // The weights of such inputs as one weight for the nearness to each landmark.
  std::vector<float> fold(std::span<const float> weights) const;

 private:
  std::vector<Trunk> landmarks_;
  std::vector<double> factor_;  // lower triangle L by rows, L L^T = nearness of the landmarks
};

}  // namespace jevons
