#include "router/escalation.h"

#include <doctest/doctest.h>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

TEST_CASE("what sounds like a refusal") {
  struct {
    const char* text;
    bool refusal;
  } rows[] = {
      {"I'm sorry, but I can't help with that.", true},
      {"  I\xe2\x80\x99m unable to do this.", true},
      {"Sorry, I cannot answer.", true},
      {"I can't help with that", true},
      {"I can help with that.", false},
      {"The report says: I'm sorry, but I can't come.", false},
      {"Sorry to hear that! Here is what you can do.", false},
      {"", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(sounds_like_refusal(row.text) == row.refusal);
  }
  CHECK_FALSE(sounds_like_refusal("I'm unable to " + std::string(1'000, 'x')));
}

TEST_CASE("when two samples agree") {
  struct {
    const char* a;
    const char* b;
    bool agree;
  } rows[] = {
      {"So the answer is 42.", "We get 6 * 7 = 42", true},
      {"So the answer is 42.", "So the answer is 43.", false},
      {"The total is 1,234.", "= 1234", true},
      {"It is -5", "It is 5", false},
      {"Paris", "paris.", true},
      {"Paris", "Rome", false},
      {"The capital of France is Paris.", "Paris is the capital of France.", true},
      {"Yes, because the sum is even", "No, it depends on what you mean by it", false},
      {"", "", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.a);
    CAPTURE(row.b);
    CHECK(answers_agree(row.a, row.b) == row.agree);
  }
}

TEST_CASE("a stronger answer is asked for while its gain exceeds its price") {
  struct {
    const char* when;
    EscalateOn signal;
    std::optional<std::int64_t> value, policy_limit, caller_limit;
    std::int64_t spent;
    bool worth;
  } rows[] = {
      {"no value is put on success", EscalateOn::refusal, {}, {}, {}, 0, true},
      {"a good answer is worth a dollar", EscalateOn::refusal, 1'000'000'000, {}, {}, 0, true},
      {"a good answer is worth a cent", EscalateOn::refusal, 10'000'000, {}, {}, 0, false},
      {"a broken answer gains more than a doubtful one",
       EscalateOn::refusal,
       15'000'000,
       {},
       {},
       0,
       true},
      {"a doubtful answer gains less", EscalateOn::low_confidence, 15'000'000, {}, {}, 0, false},
      {"the policy's limit holds all attempts",
       EscalateOn::refusal,
       {},
       12'000'000,
       {},
       1'000'000,
       false},
      {"and admits what fits", EscalateOn::refusal, {}, 13'500'000, {}, 1'000'000, true},
      {"the caller's limit too", EscalateOn::refusal, {}, {}, 12'000'000, 1'000'000, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    world.policy.quality_floor = 0;
    const auto money = [](const std::optional<std::int64_t>& amount) {
      return amount ? std::optional(Nanodollars{*amount}) : std::nullopt;
    };
    Decision decision = world.decide();
    REQUIRE(decision.candidates[opus].facts.cost->value == 12'225'000);
    world.policy.value_per_success = money(row.value);
    world.policy.max_cost = money(row.policy_limit);
    world.caller.max_cost = money(row.caller_limit);
    CHECK(worth_escalating(decision, world.caller, row.signal,
                           {.from = mini, .to = opus, .spent = Nanodollars{row.spent}}) ==
          row.worth);
  }
}
