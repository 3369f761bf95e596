#include <doctest/doctest.h>

#include "router/policy.h"

using namespace jevons;

TEST_CASE("globs know only the star") {
  struct {
    std::string pattern;
    std::string text;
    bool match;
  } rows[] = {
      {"*", "", true},
      {"*", "anything", true},
      {"gpt-*", "gpt-5", true},
      {"gpt-*", "gpt-", true},
      {"gpt-*", "gpt", false},
      {"*-mini", "gpt-5-mini", true},
      {"*-mini", "mini", false},
      {"a*b*c", "aXbYc", true},
      {"a*b*c", "abc", true},
      {"a*b*c", "acb", false},
      {"a*a", "a", false},
      {"a*a", "aa", true},
      {"", "", true},
      {"", "x", false},
      {"gpt-5", "gpt-5", true},
      {"gpt-5", "gpt-55", false},
      {"**", "x", true},
      {"a**c", "abc", true},
      {"?", "x", false},
      {"?", "?", true},
      {"[a]", "a", false},
      {"*ab*ab*", "abab", true},
      {"*ab*ab*", "aba", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.pattern);
    CAPTURE(row.text);
    CHECK(glob_match(row.pattern, row.text) == row.match);
  }
}

TEST_CASE("a glob that could backtrack for ever ends at once") {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  CHECK_FALSE(glob_match(pattern + "b", std::string(20'000, 'a')));
  CHECK(glob_match(pattern, std::string(20'000, 'a')));
}

TEST_CASE("selectors: keys are ANDed, lists ORed") {
  Target target{.name = "sonnet", .provider = "anthropic", .tier = Tier::premium};
  target.labels = {{"region", {"us"}}, {"compliance", {"soc2", "hipaa"}}};
  struct {
    std::string when;
    Selector selector;
    bool match;
  } rows[] = {
      {"an empty selector selects all", {}, true},
      {"by name", {.target = {"opus", "sonn*"}}, true},
      {"by another name", {.target = {"opus"}}, false},
      {"by provider", {.provider = {"anthropic"}}, true},
      {"by tier", {.tier = {Tier::local, Tier::premium}}, true},
      {"by another tier", {.tier = {Tier::local}}, false},
      {"both keys must hold", {.target = {"sonnet"}, .tier = {Tier::local}}, false},
      {"by a label with a list", {.labels = {{"compliance", {"hipaa"}}}}, true},
      {"any of the values", {.labels = {{"region", {"eu", "us"}}}}, true},
      {"no such value", {.labels = {{"region", {"eu"}}}}, false},
      {"no such label", {.labels = {{"owner", {"us"}}}}, false},
      {"all labels must hold", {.labels = {{"region", {"us"}}, {"compliance", {"iso"}}}}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(selects(row.selector, target) == row.match);
  }
}
