#include "local_engine/router.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using namespace jevons::engine;

namespace {

std::vector<Route> route(RouterSpec spec, std::vector<float> logits) {
  spec.experts = static_cast<std::uint32_t>(logits.size());
  std::vector<Route> out(spec.used);
  route_token(spec, logits, out);
  return out;
}

}  // namespace

TEST_CASE("softmax over all experts keeps the others' share (OLMoE)") {
  const auto routes = route({.used = 2}, {0, std::log(3.0F), std::log(2.0F), -INFINITY});
  CHECK(routes[0].expert == 1);
  CHECK(routes[0].weight == doctest::Approx(0.5));
  CHECK(routes[1].expert == 2);
  CHECK(routes[1].weight == doctest::Approx(1.0 / 3));
}

TEST_CASE("renormalised weights sum to one (Mixtral, Qwen3)") {
  const auto routes =
      route({.used = 2, .renormalise = true}, {0, std::log(3.0F), std::log(2.0F), 0});
  CHECK(routes[0].weight == doctest::Approx(0.6));
  CHECK(routes[1].weight == doctest::Approx(0.4));
}

TEST_CASE("softmax over the selected only (gpt-oss)") {
  const auto routes = route({.used = 2, .score = RouterScore::softmax_selected},
                            {5, std::log(3.0F) + 9, std::log(1.0F) + 9, 0});
  CHECK(routes[0].weight == doctest::Approx(0.75));
  CHECK(routes[1].weight == doctest::Approx(0.25));
}

TEST_CASE("ties go to the lower expert, and the scale multiplies") {
  const auto routes = route({.used = 3, .renormalise = true, .scale = 2.5F}, {1, 1, 1, 1});
  CHECK(routes[0].expert == 0);
  CHECK(routes[1].expert == 1);
  CHECK(routes[2].expert == 2);
  CHECK(routes[0].weight == doctest::Approx(2.5 / 3));
}

TEST_CASE("NaN and infinite logits give finite weights and distinct experts") {
  const auto routes = route({.used = 3, .renormalise = true}, {NAN, -INFINITY, NAN, -INFINITY});
  CHECK(routes[0].expert != routes[1].expert);
  CHECK(routes[1].expert != routes[2].expert);
  for (const Route& one : routes) CHECK(std::isfinite(one.weight));
}
