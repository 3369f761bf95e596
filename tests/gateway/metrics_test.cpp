#include "gateway/metrics.h"

#include <doctest/doctest.h>

#include <string>

using namespace jevons;

namespace {

Catalog one_target() {
  Catalog catalog;
  Target target;
  target.name = "mini";
  target.provider = "openai";
  target.model = "gpt-5-mini";
  catalog.targets.push_back(target);
  return catalog;
}

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("series of configured targets exist at zero before the first request") {
  Metrics metrics;
  metrics.configure(one_target(), {"default"});
  const std::string text = metrics.text();
  CHECK(has(text, R"(jevons_cost_usd_total{component="input",model="gpt-5-mini",policy="default",)"
                  R"(provider="openai",target="mini"} 0)"));
  CHECK(has(text,
            R"(jevons_upstream_healthy{model="gpt-5-mini",provider="openai",target="mini"} 1)"));
  for (const char* of_the_process :
       {"process_resident_memory_bytes", "process_open_fds", "process_max_fds"})
    CHECK(text.find(std::string("\n") + of_the_process + ' ') != std::string::npos);
}

TEST_CASE("a family without series yet is described all the same") {
  Metrics metrics;
  CHECK(has(metrics.text(), "# TYPE jevons_fallbacks_total counter"));
  metrics.fell_back("mini", "opus", "upstream_error");
  const std::string text = metrics.text();
  const std::string type = "# TYPE jevons_fallbacks_total counter";
  CHECK(text.find(type) == text.rfind(type));
}

TEST_CASE("an attempt adds its tokens, cost by component, and baseline") {
  Metrics metrics;
  Usage usage;
  usage[TokenClass::input] = {.count = 70, .source = Provenance::measured};
  usage[TokenClass::cache_read] = {.count = 30, .source = Provenance::measured};
  usage[TokenClass::output] = {.count = 11, .source = Provenance::estimated};
  CostBreakdown cost;
  cost.input = Nanodollars{2'000'000'000};
  FinishedAttempt attempt;
  attempt.policy = "default";
  attempt.target = "mini";
  attempt.provider = "openai";
  attempt.model = "gpt-5-mini";
  attempt.usage = &usage;
  attempt.cost = cost;
  attempt.baseline = Nanodollars{5'000'000'000};
  attempt.ttft_ms = 100;
  attempt.duration_ms = 1'100;
  attempt.delivered = true;
  metrics.finished(attempt);
  const std::string text = metrics.text();
  const std::string labels =
      R"({model="gpt-5-mini",policy="default",provider="openai",target="mini"})";
  CHECK(has(text, "jevons_input_tokens_total" + labels + " 100"));
  CHECK(has(text, "jevons_output_tokens_total" + labels + " 11"));
  CHECK(has(
      text,
      R"(jevons_cache_read_input_tokens_total{model="gpt-5-mini",provider="openai",target="mini"} 30)"));
  CHECK(has(
      text,
      R"(jevons_cost_usd_total{component="input",model="gpt-5-mini",policy="default",provider="openai",target="mini"} 2)"));
  CHECK(has(text, R"(jevons_baseline_cost_usd_total{policy="default"} 5)"));
  CHECK(
      has(text,
          R"(jevons_usage_estimated_total{model="gpt-5-mini",provider="openai",target="mini"} 1)"));
  CHECK(has(
      text,
      R"(jevons_time_per_output_token_seconds_sum{model="gpt-5-mini",provider="openai",target="mini"} 0.1)"));
}
