// Calibration under shift: the prior is wrong in level, slope and shape, and outcomes repair it.
#include "router/calibration.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "router/head.h"

using namespace jevons;

namespace {

double uniform(std::uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 11) * 0x1.0p-53;
}

// What a prior of p is worth after the shift: no logistic map of it, but rising.
double truth(double p) { return 0.1 + 0.25 * p + (p > 0.6 ? 0.35 : 0.0); }

// The same chance with another level and slope: what a change of model or data usually does.
double moved(double p) { return sigmoid_of(0.6 * logit_of(p) - 0.9); }

struct World {
  std::uint64_t state;
  double (*true_chance)(double) = truth;
  HeadInput prompt() {
    HeadInput input{.prior_logit = logit_of(0.2 + 0.75 * uniform(state))};
    // As in real text, inputs come in groups that move together; none of them matters here.
    for (std::size_t i = 0; i < trunk_size; i += 12) {
      const double topic = uniform(state) * 120 - 60;
      for (std::size_t j = i; j < std::min(i + 12, trunk_size); ++j)
        input.trunk[j] = static_cast<std::int8_t>(topic + uniform(state) * 60 - 30);
    }
    return input;
  }
  HeadSample outcome() {
    HeadSample sample{.input = prompt()};
    sample.score = uniform(state) < true_chance(sigmoid_of(sample.input.prior_logit)) ? 1 : 0;
    return sample;
  }
};

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Error on 4,000 fresh prompts against the true chance, after `count` outcomes; mean of five draws.
template <class Fit>
double error_after(int count, Fit fit, double (*true_chance)(double) = truth) {
  std::vector<double> errors;
  for (std::uint64_t draw = 1; draw <= 5; ++draw) {
    World world{draw * 977, true_chance};
    std::vector<HeadSample> samples;
    for (int i = 0; i < count; ++i) samples.push_back(world.outcome());
    const Head head = fit(samples);
    std::vector<Judged> judged;
    for (int i = 0; i < 4'000; ++i) {
      const HeadInput input = world.prompt();
      judged.push_back(
          {.p = head.p_ok(input), .outcome = true_chance(sigmoid_of(input.prior_logit))});
    }
    errors.push_back(calibration_error(judged));
  }
  return mean(errors);
}

const auto calibrated = [](const auto& samples) { return calibrated_head(samples); };

}  // namespace

TEST_CASE("calibration under shift: .05 after 200 outcomes, .035 after 1,000") {
  CHECK(error_after(0, calibrated, moved) > 0.12);
  CHECK(error_after(200, calibrated, moved) < 0.05);
  CHECK(error_after(1'000, calibrated, moved) < 0.035);
  // A step in the middle, which no slope and shift can follow.
  CHECK(error_after(0, calibrated) > 0.12);
  CHECK(error_after(1'000, calibrated) < 0.035);
}

TEST_CASE("from 500 outcomes an isotonic map repairs what slope and shift cannot") {
  const auto straight = [](const auto& samples) { return fit_head(samples); };
  CHECK(error_after(1'500, calibrated) < error_after(1'500, straight));
  World world{5};
  std::vector<HeadSample> samples;
  while (samples.size() < calibrated_from - 1) samples.push_back(world.outcome());
  CHECK_FALSE(calibrated_head(samples).calibrated());
  samples.push_back(world.outcome());
  CHECK(calibrated_head(samples).calibrated());
  // 500 outcomes that weigh little are not 500 outcomes.
  for (HeadSample& sample : samples) sample.weight = 0.25;
  CHECK_FALSE(calibrated_head(samples).calibrated());
}

TEST_CASE("a target that changed is followed: old outcomes weigh less") {
  World world{8};
  std::vector<HeadSample> samples;
  for (int i = 0; i < 1'500; ++i) {
    HeadSample sample = world.outcome();
    const int age = 1'499 - i;
    sample.weight = std::pow(0.999, age);
    if (age < 700) sample.score = uniform(world.state) < 0.2 ? 1 : 0;  // it became bad
    samples.push_back(sample);
  }
  const Head head = calibrated_head(samples);
  CHECK(head.p_ok({.prior_logit = logit_of(0.9)}) < 0.45);
}

TEST_CASE("isotonic: rising outcomes are met, falling ones pooled, ranks stay") {
  std::vector<Judged> judged;
  for (int i = 0; i < 600; ++i) {
    const double p = (i + 0.5) / 600;
    // Falls between 0.4 and 0.6, where the mean of both stands.
    const double happened = p < 0.4 ? 0.1 : p < 0.5 ? 0.8 : p < 0.6 ? 0.6 : 0.9;
    judged.push_back({.p = p, .outcome = happened});
  }
  const Isotonic map = fit_isotonic(judged);
  CHECK(map(0.2) == doctest::Approx(0.9 * 0.1 + 0.02));
  CHECK(map(0.46) == doctest::Approx(0.9 * 0.7 + 0.046).epsilon(0.05));
  CHECK(map(0.9) == doctest::Approx(0.9 * 0.9 + 0.09));
  double last = -1;
  for (int i = 0; i <= 1'000; ++i) {
    const double now = map(i / 1'000.0);
    CHECK(now > last);
    CHECK(now >= 0);
    CHECK(now <= 1);
    last = now;
  }
}

TEST_CASE("isotonic: without outcomes, with one, with all the same prediction") {
  CHECK(Isotonic{}(0.3) == 0.3);
  CHECK(fit_isotonic({})(0.3) == 0.3);
  CHECK(fit_isotonic({{.p = 0.5, .outcome = 1}})(0.5) == doctest::Approx(0.95));
  const std::vector<Judged> same(200, Judged{.p = 0.5, .outcome = 0.25});
  CHECK(fit_isotonic(same)(0.5) == doctest::Approx(0.275));
  const std::vector<Judged> weightless(200, Judged{.p = 0.5, .outcome = 0.25, .weight = 0});
  CHECK(fit_isotonic(weightless)(0.5) == 0.5);
}
