#include "gateway/exchange.h"

#include <doctest/doctest.h>

using namespace jevons;

namespace {

HttpRequest with(std::vector<Header> headers) {
  HttpRequest http;
  http.headers = std::move(headers);
  return http;
}

}  // namespace

TEST_CASE("headers of the client that mean nothing are refused by name") {
  struct {
    const char* when;
    Header header;
    const char* message;
  } rows[] = {
      {"quality above one",
       {"x-jevons-quality", "1.5"},
       "x-jevons-quality must be a number from 0 to 1"},
      {"quality that is a word",
       {"x-jevons-quality", "high"},
       "x-jevons-quality must be a number from 0 to 1"},
      {"not a number at all",
       {"x-jevons-quality", "nan"},
       "x-jevons-quality must be a number from 0 to 1"},
      {"a negative cost",
       {"x-jevons-max-cost-usd", "-1"},
       "x-jevons-max-cost-usd must be a decimal number of dollars like 0.05"},
      {"a long session",
       {"x-jevons-session", std::string(129, 'a')},
       "x-jevons-session must be at most 128 characters"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Result<Caller> caller = read_caller(with({row.header}), KeyRecord{});
    REQUIRE(caller.has_error());
    CHECK(caller.error().fault() == Fault::invalid_value);
    CHECK(caller.error().message() == row.message);
    CHECK(caller.error().param() == row.header.name);
  }
}

TEST_CASE("what a key fixes, a header cannot override") {
  KeyRecord key;
  key.name = "ci";
  key.min_quality = 0.7;
  key.tags = {{"team", "search"}};
  const Result<Caller> caller = read_caller(
      with({{"x-jevons-tags", "team=other,env=prod"}, {"x-jevons-quality", "0.5"}}), key);
  REQUIRE(caller.has_value());
  CHECK(caller->tags == std::map<std::string, std::string>{{"env", "prod"}, {"team", "search"}});
  CHECK(caller->min_quality == 0.7);
  CHECK(caller->quality == 0.5);
}

TEST_CASE("a client's own timeout shortens the deadline, never lengthens it") {
  struct {
    const char* when;
    std::vector<Header> headers;
    std::int64_t ms;
  } rows[] = {
      {"no header", {}, 590'000},
      {"Python's seconds", {{"x-stainless-read-timeout", "20.5"}}, 20'500},
      {"the shorter of both",
       {{"x-stainless-read-timeout", "20"}, {"x-stainless-timeout", "10"}},
       10'000},
      {"longer than ours", {{"x-stainless-read-timeout", "6000"}}, 590'000},
      {"nonsense", {{"x-stainless-timeout", "soon"}}, 590'000},
      {"zero", {{"x-stainless-timeout", "0"}}, 590'000},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(client_patience_ms(with(row.headers), 590'000) == row.ms);
  }
}
