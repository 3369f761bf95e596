#include "router/money.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("dollars per million tokens are read exactly, as picodollars per token") {
  struct {
    std::string when;
    const char* text;
    std::optional<std::int64_t> picodollars;
  } rows[] = {
      {"a whole dollar", "1", 1'000'000},
      {"cents", "0.22", 220'000},
      {"the smallest price seen", "0.0028", 2'800},
      {"one picodollar", "0.000001", 1},
      {"zero is a price", "0", 0},
      {"zeros behind the last digit change nothing", "0.2200000000", 220'000},
      {"the largest that fits", "9223372036854.775807", INT64_MAX},
      {"one picodollar more does not fit", "9223372036854.775808", std::nullopt},
      {"a digit below a picodollar is refused, not rounded", "0.0000001", std::nullopt},
      {"no sign", "-1", std::nullopt},
      {"no plus either", "+1", std::nullopt},
      {"no exponent", "1e-3", std::nullopt},
      {"no leading zero, which YAML reads as octal", "012", std::nullopt},
      {"no bare point in front", ".5", std::nullopt},
      {"no bare point behind", "5.", std::nullopt},
      {"no second point", "1.2.3", std::nullopt},
      {"no separator", "1,000", std::nullopt},
      {"no space", " 1", std::nullopt},
      {"not empty", "", std::nullopt},
      {"not a word", "nan", std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto value = parse_dollars_per_million(row.text);
    REQUIRE(value.has_value() == row.picodollars.has_value());
    if (value) CHECK(value->value == *row.picodollars);
  }
}

TEST_CASE("dollars are read exactly, as nanodollars") {
  struct {
    std::string when;
    const char* text;
    std::optional<std::int64_t> nanodollars;
  } rows[] = {
      {"five dollars", "5", 5'000'000'000},
      {"one nanodollar", "0.000000001", 1},
      {"a digit below a nanodollar", "0.0000000001", std::nullopt},
      {"the largest that fits", "9223372036.854775807", INT64_MAX},
      {"a nanodollar more", "9223372036.854775808", std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto value = parse_dollars(row.text);
    REQUIRE(value.has_value() == row.nanodollars.has_value());
    if (value) CHECK(value->value == *row.nanodollars);
  }
}

TEST_CASE("money is written without losing a nanodollar") {
  struct {
    std::string when;
    std::int64_t nanodollars;
    const char* header;
    const char* json;
  } rows[] = {
      {"nothing", 0, "0.000000000", "0"},
      {"one nanodollar", 1, "0.000000001", "0.000000001"},
      {"less than a cent", 412'000, "0.000412000", "0.000412"},
      {"whole dollars", 5'000'000'000, "5.000000000", "5"},
      {"a debt", -1'500'000'000, "-1.500000000", "-1.5"},
      {"the most", INT64_MAX, "9223372036.854775807", "9223372036.854775807"},
      {"the least", INT64_MIN, "-9223372036.854775808", "-9223372036.854775808"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(dollars_text({row.nanodollars}) == row.header);
    CHECK(dollars_json({row.nanodollars}) == row.json);
  }
}

TEST_CASE("sums of spend stop at the ends instead of turning around") {
  struct {
    std::string when;
    std::int64_t a, b, sum, difference;
  } rows[] = {
      {"small numbers", 7, 5, 12, 2},
      {"above the top", INT64_MAX, 1, INT64_MAX, INT64_MAX - 1},
      {"below the bottom", INT64_MIN, 1, INT64_MIN + 1, INT64_MIN},
      {"minus the smallest", 0, INT64_MIN, INT64_MIN, INT64_MAX},
      {"two of the smallest", INT64_MIN, INT64_MIN, INT64_MIN, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK((Nanodollars{row.a} + Nanodollars{row.b}).value == row.sum);
    CHECK((Nanodollars{row.a} - Nanodollars{row.b}).value == row.difference);
    Nanodollars total{row.a};
    total += Nanodollars{row.b};
    CHECK(total.value == row.sum);
  }
}
