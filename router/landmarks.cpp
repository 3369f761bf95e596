#include "router/landmarks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

namespace jevons {
namespace {

// 2 r^2 in squared 42nds, where the inputs of typical requests have variance 1.
constexpr double two_r_squared =
    2 * 0.25 * static_cast<double>(trunk_size) * trunk_scale * trunk_scale;
constexpr int far_away = static_cast<int>(8 * two_r_squared);  // e^-8 counts as nothing
// Keeps the matrix of landmarks that lie close to each other solvable.
constexpr double jitter = 1e-3;

static_assert(sizeof(Trunk) == trunk_size);

// Up to 64 for each target that a decision compares, so the widest registers there are do them.
// Sanitizers cannot run in the function that chooses; clang 14 does not know it for this target.
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
void squared_distances(const std::int8_t* from, const std::int8_t* to, std::size_t count,
                       int* out) {
  for (std::size_t at = 0; at < count; ++at, to += trunk_size) {
    int sum = 0;
    for (std::size_t i = 0; i < trunk_size; ++i) {
      const int difference = from[i] - to[i];
      sum += difference * difference;
    }
    out[at] = sum;
  }
}

float nearness_at(int distance) {
  if (distance >= far_away) return 0;
  return std::exp(static_cast<float>(distance) * static_cast<float>(-1 / two_r_squared));
}

std::uint64_t hash_of(const Trunk& trunk) {  // FNV-1a
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const std::int8_t value : trunk) {
    hash = (hash ^ static_cast<std::uint8_t>(value)) * 0x100000001B3u;
  }
  return hash ^ (hash >> 32);
}

}  // namespace

bool is_known(const Trunk& trunk) {
  return std::any_of(trunk.begin(), trunk.end(), [](std::int8_t value) { return value != 0; });
}

void write_nearness(const Trunk& trunk, std::span<const Trunk> landmarks, float* nearness) {
  std::array<int, landmarks_max> distances;
  squared_distances(trunk.data(), landmarks.front().data(), landmarks.size(), distances.data());
  for (std::size_t i = 0; i < landmarks.size(); ++i) nearness[i] = nearness_at(distances[i]);
}

std::vector<Trunk> choose_landmarks(std::vector<Trunk> candidates) {
  std::vector<std::pair<std::uint64_t, const Trunk*>> order;
  for (const Trunk& trunk : candidates) {
    if (is_known(trunk)) order.emplace_back(hash_of(trunk), &trunk);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : *a.second < *b.second;
  });
  std::vector<Trunk> chosen;
  for (const auto& [hash, trunk] : order) {
    if (chosen.size() == landmarks_max) break;
    if (chosen.empty() || chosen.back() != *trunk) chosen.push_back(*trunk);
  }
  return chosen;
}

LandmarkInputs::LandmarkInputs(std::vector<Trunk> landmarks) : landmarks_(std::move(landmarks)) {
  const std::size_t n = size();
  factor_.assign(n * n, 0.0);
  std::array<float, landmarks_max> nearness;
  for (std::size_t i = 0; i < n; ++i) {
    write_nearness(landmarks_[i], landmarks_, nearness.data());
    for (std::size_t j = 0; j <= i; ++j) {
      auto sum = static_cast<double>(nearness[j]);
      if (i == j) sum += jitter;
      for (std::size_t k = 0; k < j; ++k) sum -= factor_[i * n + k] * factor_[j * n + k];
      factor_[i * n + j] =
          i == j ? std::sqrt(std::max(sum, jitter / 10)) : sum / factor_[j * n + j];
    }
  }
}

void LandmarkInputs::write(const Trunk& trunk, float* inputs) const {
  const std::size_t n = size();
  std::fill_n(inputs, n, 0.0f);
  if (n == 0 || !is_known(trunk)) return;
  write_nearness(trunk, landmarks_, inputs);
  for (std::size_t i = 0; i < n; ++i) {
    auto sum = static_cast<double>(inputs[i]);
    for (std::size_t k = 0; k < i; ++k) {
      sum -= factor_[i * n + k] * static_cast<double>(inputs[k]);
    }
    inputs[i] = static_cast<float>(sum / factor_[i * n + i]);
  }
}

std::vector<float> LandmarkInputs::fold(std::span<const float> weights) const {
  const std::size_t n = size();
  std::vector<double> folded(weights.begin(), weights.end());
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) folded[i] -= factor_[k * n + i] * folded[k];
    folded[i] /= factor_[i * n + i];
  }
  return {folded.begin(), folded.end()};
}

}  // namespace jevons
