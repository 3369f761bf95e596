#include "router/lengths.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

constexpr auto chat = static_cast<std::size_t>(Task::chat);
constexpr auto code = static_cast<std::size_t>(Task::code);

double factor(const LengthShift& shift, std::size_t task) {
  return std::exp(static_cast<double>(shift.shift[task]));
}

// `factors` of one key in turn, `count` answers in all.
void learn(LengthWindow& window, const std::string& key, Task task, std::vector<double> factors,
           int count) {
  for (int i = 0; i < count; ++i) {
    const double f = factors[static_cast<std::size_t>(i) % factors.size()];
    window.learn({.key = key, .task = task, .residual = std::log(f)});
  }
}

World lengthy_world(double times) {
  World world;
  world.classification.uncapped_p50 = 200;
  world.classification.uncapped_p90 = 600;
  LengthWindow window;
  learn(window, "ci", Task::chat, {times * 0.8, times, times * 1.25}, 60);
  auto learned = std::make_shared<Learned>();
  learned->lengths["mini"] = std::make_shared<const TargetLengths>(window.lengths());
  world.snapshot.learned = learned;
  return world;
}

}  // namespace

TEST_CASE("median: half of the weight on either side") {
  CHECK(weighted_median({}, 7) == 7);
  CHECK(weighted_median({{3, 1}, {1, 1}, {2, 1}}, 0) == 2);
  CHECK(weighted_median({{3, 5}, {1, 1}, {2, 1}}, 0) == 3);
  CHECK(weighted_median({{1, 0}}, 9) == 9);
}

TEST_CASE("lengths: few answers leave the prediction, some move it to the target's median") {
  LengthWindow window;
  CHECK(window.lengths().shift_for("a") == LengthShift{});
  learn(window, "a", Task::chat, {0.1}, 2);
  CHECK(factor(window.lengths().shift_for("a"), chat) == doctest::Approx(1));
  learn(window, "a", Task::chat, {0.1, 0.12, 0.08}, 12);
  CHECK(factor(window.lengths().shift_for("a"), chat) == doctest::Approx(0.1).epsilon(0.2));
}

TEST_CASE("lengths: each kind of work has its own, and the target's where it has none") {
  LengthWindow window;
  learn(window, "a", Task::chat, {0.5}, 40);
  learn(window, "a", Task::code, {4}, 20);
  const LengthShift shift = window.lengths().shift_for("a");
  CHECK(factor(shift, chat) == doctest::Approx(0.5).epsilon(0.01));
  CHECK(factor(shift, code) == doctest::Approx(4).epsilon(0.01));
  CHECK(factor(shift, static_cast<std::size_t>(Task::math)) == doctest::Approx(0.5).epsilon(0.01));
}

TEST_CASE("lengths: one wild answer moves nothing, a change of the target is followed") {
  LengthWindow window;
  learn(window, "a", Task::chat, {0.9, 1, 1.1}, 300);
  const double before = factor(window.lengths().shift_for("a"), chat);
  window.learn({.key = "a", .residual = 1e9});
  window.learn({.key = "a", .residual = std::nan("")});
  CHECK(factor(window.lengths().shift_for("a"), chat) == doctest::Approx(before).epsilon(0.02));
  learn(window, "a", Task::chat, {3}, 250);
  CHECK(factor(window.lengths().shift_for("a"), chat) == doctest::Approx(3).epsilon(0.01));
}

TEST_CASE("lengths: a key bends its own predictions and nobody else's; many keys teach newcomers") {
  LengthWindow window;
  learn(window, "honest", Task::chat, {1}, 50);
  learn(window, "hostile", Task::chat, {50}, 2'000);
  CHECK(window.count() == LengthWindow::answers_max);
  const TargetLengths lengths = window.lengths();
  CHECK(factor(lengths.shift_for("hostile"), chat) == doctest::Approx(50).epsilon(0.01));
  CHECK(factor(lengths.shift_for("honest"), chat) == doctest::Approx(1));
  CHECK(factor(lengths.shift_for("newcomer"), chat) == doctest::Approx(1));
  LengthWindow common;
  for (int i = 0; i < 300; ++i)
    common.learn({.key = "key" + std::to_string(i % 6), .residual = std::log(0.2)});
  CHECK(factor(common.lengths().shift_for("newcomer"), chat) == doctest::Approx(0.2).epsilon(0.01));
}

TEST_CASE("a target whose answers are short costs less and ends sooner than was predicted") {
  const World before = lengthy_world(1), after = lengthy_world(0.1);
  const Target& target = after.catalog.targets[mini];
  const Classification known = answered_by(after.input(), target);
  CHECK(known.completion_tokens_p50 == 20);
  // The spread was learned as well: the answers lie within a factor 1.25.
  CHECK(known.completion_tokens_p90 < 40);
  const Decision then = before.decide(), now = after.decide();
  CHECK(*now.candidates[mini].expected_cost < *then.candidates[mini].expected_cost);
  CHECK(*now.candidates[mini].expected_total_ms ==
        doctest::Approx(400 + 8 * 20));  // first token, then one each
  CHECK(now.candidates[opus].expected_cost == then.candidates[opus].expected_cost);
}

TEST_CASE("learned lengths: the request's cap holds, and who does not learn gets the prediction") {
  World world = lengthy_world(5);
  const Target& target = world.catalog.targets[mini];
  CHECK(answered_by(world.input(), target).completion_tokens_p50 == 1'000);
  world.request.max_completion_tokens = 300;
  CHECK(answered_by(world.input(), target).completion_tokens_p50 == 300);
  CHECK(answered_by(world.input(), target).completion_tokens_p90 == 300);
  world.request.max_completion_tokens.reset();
  world.policy.learn = Learn::none;
  CHECK(answered_by(world.input(), target).completion_tokens_p50 == 200);
  world.policy.learn = Learn::all;
  world.caller.key_name = "another";
  CHECK(answered_by(world.input(), target).completion_tokens_p50 == 200);
}
