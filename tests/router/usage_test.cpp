#include "router/usage.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("disjoint classes add up to OpenAI's words") {
  Usage usage;
  usage[TokenClass::input].count = 100;
  usage[TokenClass::cache_read].count = 40;
  usage[TokenClass::cache_write_5m].count = 7;
  usage[TokenClass::cache_write_1h].count = 3;
  usage[TokenClass::audio_input].count = 2;
  usage[TokenClass::image_input].count = 1;
  usage[TokenClass::output].count = 50;
  usage[TokenClass::reasoning].count = 20;
  usage[TokenClass::audio_output].count = 5;
  CHECK(usage.prompt_tokens() == 153);
  CHECK(usage.cached_tokens() == 40);
  CHECK(usage.cache_write_tokens() == 10);
  CHECK(usage.completion_tokens() == 75);
  CHECK(usage.reasoning_tokens() == 20);
}

TEST_CASE("an absurd claim saturates instead of wrapping") {
  Usage usage;
  usage[TokenClass::input].count = INT64_MAX;
  usage[TokenClass::cache_read].count = INT64_MAX;
  CHECK(usage.prompt_tokens() == INT64_MAX);
}

TEST_CASE("a zero that the upstream reported is measured, one that nobody reported is absent") {
  Usage usage;
  CHECK_FALSE(usage.any_measured());
  CHECK_FALSE(usage.any_estimated());
  usage[TokenClass::output] = {.count = 0, .source = Provenance::measured};
  CHECK(usage.any_measured());
  usage[TokenClass::input] = {.count = 9, .source = Provenance::estimated};
  CHECK(usage.any_estimated());
}
