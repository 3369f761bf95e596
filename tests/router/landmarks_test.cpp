#include "router/landmarks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "router/head.h"
#include "router/learned.h"

using namespace jevons;

namespace {

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}
  int below(int n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }
  Trunk trunk() {
    Trunk trunk;
    for (auto& value : trunk) value = static_cast<std::int8_t>(below(201) - 100);
    return trunk;
  }
  // The same kind of request in other words.
  Trunk near(const Trunk& centre) {
    Trunk trunk = centre;
    for (auto& value : trunk) {
      value = static_cast<std::int8_t>(std::clamp(value + below(41) - 20, -126, 126));
    }
    return trunk;
  }

 private:
  std::uint64_t state_;
};

float nearness_of(const Trunk& a, const Trunk& b) {
  float value = 0;
  write_nearness(a, std::vector<Trunk>{b}, &value);
  return value;
}

// Twelve kinds of requests of which every second fails: no direction of the trunk tells them apart.
struct Kinds {
  Draw draw{11};
  std::vector<Trunk> centres;
  Kinds() {
    for (int i = 0; i < 12; ++i) centres.push_back(draw.trunk());
    for (std::size_t i = 1; i < centres.size(); i += 2) {  // a failing kind lies between two others
      for (std::size_t j = 0; j < trunk_size; ++j) {
        centres[i][j] =
            static_cast<std::int8_t>((centres[i - 1][j] + centres[(i + 1) % 12][j]) / 2);
      }
    }
  }
  HeadSample sample(std::size_t kind) {
    HeadSample sample{.input = {.prior_logit = 0}, .score = kind % 2 == 0 ? 1.0 : 0.0};
    sample.input.trunk = draw.near(centres[kind]);
    return sample;
  }
};

double error_of(const Head& head, Kinds& kinds) {
  double error = 0;
  for (std::size_t i = 0; i < 600; ++i) {
    const HeadSample sample = kinds.sample(i % 12);
    error += std::abs(head.p_ok(sample.input) - sample.score) / 600;
  }
  return error;
}

}  // namespace

TEST_CASE("nearness is 1 for the same request and falls with the distance") {
  Draw draw(3);
  const Trunk a = draw.trunk(), b = draw.trunk(), close = draw.near(a);
  CHECK(nearness_of(a, a) == 1.0f);
  CHECK(nearness_of(a, b) == nearness_of(b, a));
  CHECK(nearness_of(a, close) > 0.5f);
  CHECK(nearness_of(a, b) < 0.01f);
  Trunk one = a;
  one[0] = static_cast<std::int8_t>(a[0] > 0 ? a[0] - 84 : a[0] + 84);
  const double radius = 0.25 * trunk_size * trunk_scale * trunk_scale;
  CHECK(static_cast<double>(nearness_of(a, one)) ==
        doctest::Approx(std::exp(-84.0 * 84.0 / (2 * radius))).epsilon(1e-4));
}

TEST_CASE("landmarks do not depend on the order, are all different, and change little") {
  Draw draw(5);
  std::vector<Trunk> candidates(300);
  for (Trunk& trunk : candidates) trunk = draw.trunk();
  const std::vector<Trunk> chosen = choose_landmarks(candidates);
  REQUIRE(chosen.size() == landmarks_max);
  std::vector<Trunk> twice(candidates.rbegin(), candidates.rend());
  twice.insert(twice.end(), candidates.begin(), candidates.end());
  CHECK(choose_landmarks(twice) == chosen);
  for (std::size_t i = 0; i < 30; ++i) candidates[i] = draw.trunk();  // a tenth is replaced
  std::size_t kept = 0;
  for (const Trunk& trunk : choose_landmarks(candidates)) {
    kept += std::find(chosen.begin(), chosen.end(), trunk) != chosen.end() ? 1U : 0U;
  }
  CHECK(kept > landmarks_max * 7 / 10);
  CHECK(choose_landmarks({Trunk{}, Trunk{}}).empty());  // nothing is known of these
}

TEST_CASE("inputs are made so that their products are the kernel; folded weights say the same") {
  Draw draw(7);
  std::vector<Trunk> landmarks;
  for (int i = 0; i < 9; ++i) landmarks.push_back(i % 3 ? draw.near(landmarks[0]) : draw.trunk());
  const LandmarkInputs inputs(landmarks);
  std::vector<float> a(inputs.size()), b(inputs.size());
  inputs.write(landmarks[1], a.data());
  inputs.write(landmarks[2], b.data());
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += static_cast<double>(a[i] * b[i]);
  CHECK(product == doctest::Approx(static_cast<double>(nearness_of(landmarks[1], landmarks[2])))
                       .epsilon(0.01));
  const std::vector<float> weights = {1, -2, 0.5f, 3, 0, -1, 2, 1, -0.5f};
  const Trunk request = draw.near(landmarks[0]);
  inputs.write(request, a.data());
  double straight = 0, folded = 0;
  const std::vector<float> by_landmark = inputs.fold(weights);
  for (std::size_t i = 0; i < a.size(); ++i) {
    straight += static_cast<double>(weights[i] * a[i]);
    folded += static_cast<double>(by_landmark[i] * nearness_of(request, landmarks[i]));
  }
  CHECK(folded == doctest::Approx(straight).epsilon(1e-3));
  inputs.write(Trunk{}, a.data());
  CHECK(a == std::vector<float>(a.size(), 0.0f));
}

TEST_CASE("kinds that no direction of the trunk tells apart are learned from 240 outcomes") {
  Kinds kinds;
  std::vector<HeadSample> samples;
  for (std::size_t i = 0; i < 240; ++i) samples.push_back(kinds.sample(i % 12));
  const double straight = error_of(fit_head(samples), kinds);
  for (HeadSample& sample : samples) sample.landmark = true;
  const double with_landmarks = error_of(fit_head(samples), kinds);
  CHECK(with_landmarks < 0.25);
  CHECK(with_landmarks < straight - 0.1);
}

TEST_CASE("only a key's own outcomes are landmarks, and only of its own head") {
  Kinds kinds;
  TargetOutcomes outcomes;
  for (std::uint64_t i = 0; i < 240; ++i) {
    const HeadSample drawn = kinds.sample(i % 12);
    outcomes.learn({.id = i + 1, .key = "mine", .input = drawn.input, .score = drawn.score});
    outcomes.learn({.id = 1'000 + i, .key = "other", .input = drawn.input, .score = 0.5});
  }
  const TargetHeads heads = outcomes.heads();
  const double mine = error_of(heads.head_for("mine"), kinds);
  CHECK(mine < error_of(heads.head_for("newcomer"), kinds) - 0.1);
  CHECK(error_of(heads.head_for("other"), kinds) > 0.4);
}
