#include "providers/parameter_filter.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("the nearest effort that a target knows, the cheaper one in a tie") {
  const std::vector<std::string> three = {"low", "medium", "high"};
  CHECK(nearest_effort("high", three) == "high");
  CHECK(nearest_effort("max", three) == "high");
  CHECK(nearest_effort("none", three) == "low");
  CHECK(nearest_effort("medium", {"low", "high"}) == "low");
  CHECK(nearest_effort("medium", {"high", "low"}) == "low");
  CHECK(nearest_effort("xhigh", {}) == "xhigh");
  CHECK(nearest_effort("turbo", three) == "turbo");
  CHECK(nearest_effort("low", {"turbo"}) == "low");
}

TEST_CASE("a thinking budget as an effort") {
  CHECK(effort_of_budget(0) == "none");
  CHECK(effort_of_budget(1'024) == "low");
  CHECK(effort_of_budget(8'192) == "medium");
  CHECK(effort_of_budget(32'000) == "high");
}

TEST_CASE("a parameter is taken, dropped once, or refused when strict") {
  Target target;
  target.name = "t";
  target.rejects = {"seed"};
  ParameterFilter lenient(target, false);
  CHECK(lenient.takes("temperature", true));
  CHECK(!lenient.takes("temperature", false));
  CHECK(!lenient.takes("seed", true));
  CHECK(!lenient.takes("seed", true));
  lenient.drop_if("n", false);
  lenient.drop_if("stop", true);
  CHECK(!lenient.error());
  CHECK(lenient.take_dropped() == std::vector<std::string>{"seed", "stop"});
  ParameterFilter strict(target, true);
  CHECK(!strict.takes("seed", true));
  strict.drop("stop");
  REQUIRE(strict.error());
  CHECK(strict.error()->param() == "seed");  // the first one
  CHECK(strict.error()->message() ==
        "The target 't' does not take 'seed', and the policy is strict. Leave the parameter out, "
        "or use another target.");
}
