#include "gateway/route_answer.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("the dry run's JSON names every candidate and why it cannot serve") {
  Catalog catalog;
  for (const char* name : {"local-moe", "tiny"}) {
    Target target;
    target.name = name;
    catalog.targets.push_back(target);
  }
  Policy policy;
  policy.name = "default";
  Decision decision;
  decision.target = 0;
  decision.policy = &policy;
  decision.candidates = {
      Candidate{.target = 0,
                .p_ok = 0.83,
                .expected_cost = Nanodollars{41'000},
                .expected_ttft_ms = 60,
                .expected_total_ms = 2'100},
      Candidate{.target = 1, .why_not = WhyNot::context},
  };
  decision.baseline = 0;
  decision.baseline_cost = Nanodollars{41'000};
  decision.plan = {PlanStep{.target = 0, .on = PlanOn::start}};
  Classification classification;
  classification.task = Task::code;
  classification.difficulty = 0.25;
  classification.uncertainty = 0.5;
  classification.prompt_tokens = 412;
  classification.completion_tokens_p50 = 180;
  classification.completion_tokens_p90 = 420;
  CHECK(route_answer(decision, classification, catalog, 14) ==
        R"({"target":"local-moe","policy":"default","rule":null,"reason":"cheapest_above_floor",)"
        R"("task":"code","difficulty":0.250000,"uncertainty":0.500000,"prompt_tokens":412,)"
        R"("predicted_completion_tokens":{"p50":180,"p90":420},"relaxed":[],"candidates":[)"
        R"({"target":"local-moe","p_ok":0.830000,"expected_cost_usd":0.000041,)"
        R"("expected_ttft_ms":60,"expected_total_ms":2100,"eligible":true,"why_not":null},)"
        R"({"target":"tiny","p_ok":null,"expected_cost_usd":null,"expected_ttft_ms":null,)"
        R"("expected_total_ms":null,"eligible":false,"why_not":"context"}],)"
        R"("baseline":"local-moe","baseline_cost_usd":0.000041,)"
        R"("plan":[{"target":"local-moe","on":"start"}],"decide_us":14})");
  policy.fail_at_most = 0.1;
  decision.candidates[0].facts.failures_at_most = 0.0625;
  const std::string promised = route_answer(decision, classification, catalog, 14);
  CHECK(promised.find(R"("why_not":null,"failures_at_most":0.062500})") != std::string::npos);
  CHECK(promised.find(R"("why_not":"context","failures_at_most":null})") != std::string::npos);
}
