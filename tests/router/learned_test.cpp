#include "router/learned.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "router/calibration.h"
#include "router/guarantee.h"

using namespace jevons;

namespace {

OutcomeSample sample_of(const std::string& key, double score, std::uint64_t id) {
  return {.id = id, .key = key, .input = {.prior_logit = logit_of(0.8)}, .score = score};
}

HeadInput at(double p) { return {.prior_logit = logit_of(p)}; }

}  // namespace

TEST_CASE("a hostile key bends its own routing, and nobody else's") {
  TargetOutcomes outcomes;
  std::uint64_t id = 0;
  SUBCASE("alone") {}
  SUBCASE("beside two honest keys") {
    for (int i = 0; i < 100; ++i)
      outcomes.learn(sample_of(i % 2 ? "a" : "b", i % 10 < 8 ? 1 : 0, ++id));
  }
  const TargetHeads before = outcomes.heads();
  for (int i = 0; i < 500; ++i) outcomes.learn(sample_of("hostile", 0, ++id));
  const TargetHeads after = outcomes.heads(&before);
  CHECK(after.head_for("hostile").p_ok(at(0.8)) < 0.1);
  CHECK(after.head_for("newcomer").p_ok(at(0.8)) > 0.72);
  CHECK(after.head_for("a").p_ok(at(0.8)) > before.head_for("a").p_ok(at(0.8)) - 0.05);
}

TEST_CASE("what many keys agree on is taught to newcomers") {
  TargetOutcomes outcomes;
  for (std::uint64_t i = 0; i < 300; ++i)
    outcomes.learn(sample_of("key" + std::to_string(i % 6), 0, i + 1));
  CHECK(outcomes.heads().head_for("newcomer").p_ok(at(0.8)) < 0.15);
}

TEST_CASE("the same id again replaces; what is out of range is ignored") {
  TargetOutcomes outcomes;
  outcomes.learn(sample_of("a", 0, 7));
  outcomes.learn(sample_of("a", 1, 7));
  CHECK(outcomes.count() == 1);
  CHECK(outcomes.heads().head_for("a").p_ok(at(0.8)) > 0.8);
  outcomes.learn(sample_of("a", std::nan(""), 8));
  outcomes.learn(sample_of("a", 7, 8));
  OutcomeSample wild = sample_of("a", 1, 9);
  wild.input.prior_logit = INFINITY;
  outcomes.learn(wild);
  CHECK(outcomes.count() == 1);
}

TEST_CASE("a flood from one key pushes out its own outcomes, not those of others") {
  TargetOutcomes outcomes;
  for (std::uint64_t i = 0; i < 50; ++i) outcomes.learn(sample_of("small", 1, i));
  for (std::uint64_t i = 0; i < TargetOutcomes::reported_max + 100; ++i)
    outcomes.learn(sample_of("flood", 0, 1'000 + i));
  CHECK(outcomes.count() == TargetOutcomes::reported_max);
  const auto all = outcomes.all();
  CHECK(std::count_if(all.begin(), all.end(),
                      [](const OutcomeSample& s) { return s.key == "small"; }) == 50);
}

TEST_CASE("a few observations say nothing, reports count at once") {
  TargetOutcomes outcomes;
  for (std::uint64_t i = 1; i < TargetOutcomes::observed_min; ++i) {
    OutcomeSample seen = sample_of("a", 0, i);
    seen.observed = true;
    outcomes.learn(seen);
  }
  CHECK(outcomes.heads().head_for("a").p_ok(at(0.8)) == doctest::Approx(0.8));
  OutcomeSample last = sample_of("a", 0, 99);
  last.observed = true;
  outcomes.learn(last);
  CHECK(outcomes.heads().head_for("a").p_ok(at(0.8)) < 0.5);
}

TEST_CASE("the cap on a key's weight") {
  struct {
    const char* name;
    std::vector<double> own;
    double cap;
  } rows[] = {
      {"nobody", {}, 0},
      {"alone: a quarter of half an outcome", {500}, 0.125},
      {"two with much", {500, 500}, 0.5 * 0.25 / (1 - 0.25)},
      {"small ones need no cut", {0.1, 0.1}, 0.1},
      {"five with equal weight are all heard", {50, 50, 50, 50, 50}, 50},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(key_weight_cap(row.own, 0.25, 0.5) == doctest::Approx(row.cap).epsilon(0.01));
  }
}

TEST_CASE("a proof is a key's own, from what it reported, failures below a score of a half") {
  TargetOutcomes outcomes;
  std::uint64_t id = 0;
  for (int i = 0; i < 100; ++i) outcomes.learn(sample_of("good", i < 2 ? 0.4 : 0.5, ++id));
  for (int i = 0; i < 100; ++i) outcomes.learn(sample_of("poor", i < 40 ? 0 : 1, ++id));
  for (int i = 0; i < 100; ++i) {
    OutcomeSample seen = sample_of("watched", 1, ++id);
    seen.observed = true;
    outcomes.learn(seen);
  }
  const TargetHeads heads = outcomes.heads();
  CHECK(heads.failures_at_most("good", at(0.8)) ==
        doctest::Approx(failure_rate_upper(2, 100, QualityProof::alpha / 2)));
  CHECK(heads.failures_at_most("good", at(0.9)) == heads.failures_at_most("good", at(0.8)));
  CHECK(heads.failures_at_most("good", at(0.7)) == 1);
  CHECK(heads.failures_at_most("poor", at(0.8)) > 0.4);
  CHECK(heads.failures_at_most("watched", at(0.8)) == 1);
  CHECK(heads.failures_at_most("stranger", at(0.8)) == 1);
}

TEST_CASE("what several sources say of a request is one trial, and the worst of them counts") {
  TargetOutcomes outcomes;
  std::uint64_t id = 0;
  for (std::uint64_t request = 1; request <= 60; ++request) {
    for (const double score : {1.0, request <= 3 ? 0.0 : 1.0, 1.0}) {
      OutcomeSample sample = sample_of("a", score, ++id);
      sample.request = request;
      outcomes.learn(sample);
    }
  }
  CHECK(outcomes.heads().failures_at_most("a", at(0.8)) ==
        doctest::Approx(failure_rate_upper(3, 60, QualityProof::alpha / 2)));
}

TEST_CASE("a proof speaks of how hard requests were, not of the ability that the catalog names") {
  const auto prior = [](double ability, double ease) {
    return HeadInput{.prior_logit = ability + ease, .ability_logit = ability};
  };
  TargetOutcomes outcomes;
  for (std::uint64_t id = 1; id <= 100; ++id) {
    OutcomeSample sample = sample_of("a", 1, id);
    sample.input = prior(0.5, 1);
    outcomes.learn(sample);
  }
  const TargetHeads heads = outcomes.heads();
  const double proven = failure_rate_upper(0, 100, QualityProof::alpha / 2);
  CHECK(heads.failures_at_most("a", prior(0.5, 1)) == doctest::Approx(proven));
  CHECK(heads.failures_at_most("a", prior(-1, 1)) == doctest::Approx(proven));
  CHECK(heads.failures_at_most("a", prior(3, 0.5)) == 1);

  TargetOutcomes earlier;  // of a journal that did not know the ability
  for (std::uint64_t id = 1; id <= 100; ++id) {
    OutcomeSample sample = sample_of("a", 1, id);
    sample.input.ability_logit = std::numeric_limits<double>::quiet_NaN();
    earlier.learn(sample);
  }
  CHECK(earlier.heads().failures_at_most("a", at(0.8)) == 1);
}
