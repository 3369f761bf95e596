#include "gateway/share_limit.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("extras stay within their share of requests, above a floor") {
  ShareLimit limit(0.20, 3);
  int spent = 0;
  for (int i = 0; i < 3; ++i) {
    CHECK(limit.allowed());
    limit.spent();
  }
  CHECK_FALSE(limit.allowed());
  for (int i = 0; i < 100; ++i) limit.started();
  for (; limit.allowed(); ++spent) limit.spent();
  CHECK(spent == 17);  // 20 of 100, three were spent before
}

TEST_CASE("a share of nothing allows nothing, not even the floor") {
  ShareLimit limit(0.05, 1);
  CHECK_FALSE(limit.allowed(0.0));
  CHECK(limit.allowed(0.05));
}

TEST_CASE("old traffic fades, so a quiet night does not save up a storm") {
  ShareLimit limit(0.20, 0);
  for (int i = 0; i < 100'000; ++i) limit.started();
  int spent = 0;
  for (; limit.allowed(); ++spent) limit.spent();
  CHECK(spent <= 200);
}
