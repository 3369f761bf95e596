#include "router/head.h"

#include <doctest/doctest.h>

#include <cmath>

#include "router/calibration.h"

using namespace jevons;

namespace {

double uniform(std::uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 11) * 0x1.0p-53;
}

HeadInput input_of(double p, Task task = Task::chat) {
  return {.prior_logit = logit_of(p), .task = task};
}

}  // namespace

TEST_CASE("a head without outcomes changes nothing") {
  const Head head = fit_head({});
  CHECK(head.empty());
  CHECK(head.p_ok(input_of(0.83)) == doctest::Approx(0.83));
}

TEST_CASE("500 outcomes move a wrong prior; three do not decide") {
  const auto after = [](int count) {
    std::vector<HeadSample> samples;
    for (int i = 0; i < count; ++i)
      samples.push_back({.input = input_of(0.9), .score = i % 10 < 3 ? 1.0 : 0.0});
    return fit_head(samples).p_ok(input_of(0.9));
  };
  CHECK(after(500) < 0.35);
  CHECK(after(500) > 0.25);
  CHECK(after(3) > 0.75);
}

TEST_CASE("what was learnt in one task moves others less") {
  std::vector<HeadSample> samples;
  for (int i = 0; i < 40; ++i) {
    samples.push_back({.input = input_of(0.8, Task::code), .score = 0});
    samples.push_back({.input = input_of(0.8, Task::chat), .score = i % 5 != 0 ? 1.0 : 0.0});
  }
  const Head head = fit_head(samples);
  CHECK(head.p_ok(input_of(0.8, Task::code)) < 0.25);
  CHECK(head.p_ok(input_of(0.8, Task::chat)) > 0.65);
}

TEST_CASE("the trunk tells prompts apart once hundreds of outcomes have shown which fail") {
  std::uint64_t state = 3;
  std::vector<HeadSample> samples;
  for (int i = 0; i < 500; ++i) {
    HeadSample sample{.input = input_of(0.7)};
    for (auto& value : sample.input.trunk)
      value = static_cast<std::int8_t>(uniform(state) * 240 - 120);
    sample.score = sample.input.trunk[17] > 0 ? 1 : 0;
    samples.push_back(sample);
  }
  const Head head = fit_head(samples);
  HeadInput good = input_of(0.7), bad = good;
  good.trunk[17] = 100;
  bad.trunk[17] = -100;
  CHECK(head.p_ok(good) > 0.8);
  CHECK(head.p_ok(bad) < 0.2);
}

TEST_CASE("the same outcomes give the same head, and a warm start ends where a cold one does") {
  std::uint64_t state = 9;
  std::vector<HeadSample> samples;
  for (int i = 0; i < 80; ++i)
    samples.push_back(
        {.input = input_of(0.2 + 0.7 * uniform(state)), .score = uniform(state) < 0.4 ? 1.0 : 0.0});
  const Head cold = fit_head(samples);
  CHECK(cold == fit_head(samples));
  const Head warm = fit_head(samples, cold);
  CHECK(warm.p_ok(input_of(0.6)) == doctest::Approx(cold.p_ok(input_of(0.6))).epsilon(0.01));
}

TEST_CASE("calibration after 200 and 1,000 outcomes of a shifted target") {
  // Truth: steeper and lower than what was claimed.
  std::uint64_t state = 77;
  const auto draw = [&state](int count) {
    std::vector<HeadSample> samples;
    for (int i = 0; i < count; ++i) {
      HeadSample sample{.input = input_of(0.05 + 0.9 * uniform(state))};
      const double truth = sigmoid_of(1.6 * sample.input.prior_logit - 1.2);
      sample.score = uniform(state) < truth ? 1 : 0;
      samples.push_back(sample);
    }
    return samples;
  };
  const auto error_of = [](const Head& head, const std::vector<HeadSample>& samples) {
    std::vector<Judged> judged;
    for (const HeadSample& sample : samples)
      judged.push_back({.p = head.p_ok(sample.input), .outcome = sample.score});
    return calibration_error(judged);
  };
  const std::vector<HeadSample> test = draw(20'000);
  CHECK(error_of(Head{}, test) > 0.15);
  CHECK(error_of(fit_head(draw(200)), test) < 0.05);
  CHECK(error_of(fit_head(draw(1'000)), test) < 0.035);
}
