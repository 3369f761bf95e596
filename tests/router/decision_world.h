// A small catalog with a policy, a request and a quiet snapshot, for decisions to be tried on.
#pragma once

#include <string>

#include "router/decision.h"
#include "router/estimate.h"

namespace jevons::test {

inline constexpr std::size_t local_moe = 0, mini = 1, sonnet = 2, opus = 3;

inline Capabilities bits(std::initializer_list<Capability> all) {
  Capabilities set = 0;
  for (const Capability c : all) set |= static_cast<Capabilities>(c);
  return set;
}

inline Rates flat_rates(std::string_view input, std::string_view output,
                        std::string_view cache_read = "") {
  Rates rates;
  rates[TokenClass::input] = parse_dollars_per_million(input).value();
  rates[TokenClass::output] = parse_dollars_per_million(output).value();
  if (!cache_read.empty()) {
    rates[TokenClass::cache_read] = parse_dollars_per_million(cache_read).value();
  }
  return rates;
}

// local-moe, mini, sonnet, opus: from cheap and weak to dear and strong.
inline Catalog small_catalog() {
  const Capabilities chat = bits({Capability::chat, Capability::stream});
  const Capabilities full = chat | bits({Capability::tools, Capability::json_schema});
  const Capabilities all = full | bits({Capability::vision, Capability::thinking});
  Catalog catalog;
  catalog.targets = {
      {.name = "local-moe",
       .provider = "local",
       .tier = Tier::local,
       .context = 8'192,
       .max_output = 2'048,
       .can = chat,
       .ability = {{"overall", 0.55}},
       .ttft_ms = 60,
       .tpot_ms = 10,
       .local_cost_per_hour = Nanodollars{36'000'000}},
      {.name = "mini",
       .provider = "openai",
       .model = "gpt-5-mini",
       .price_id = "mini",
       .tier = Tier::budget,
       .context = 128'000,
       .max_output = 16'000,
       .can = full,
       .ability = {{"overall", 0.78}},
       .ttft_ms = 400,
       .tpot_ms = 8},
      {.name = "sonnet",
       .aliases = {"claude-sonnet"},
       .provider = "anthropic",
       .model = "claude-sonnet-4-6",
       .price_id = "sonnet",
       .tier = Tier::premium,
       .context = 1'000'000,
       .max_output = 64'000,
       .can = all,
       .labels = {{"region", {"us"}}},
       .ability = {{"overall", 0.86}, {"code", 0.88}},
       .ttft_ms = 700,
       .tpot_ms = 14},
      {.name = "opus",
       .provider = "anthropic",
       .model = "claude-opus-5",
       .price_id = "opus",
       .tier = Tier::premium,
       .context = 1'000'000,
       .max_output = 64'000,
       .can = all,
       .labels = {{"region", {"eu"}}},
       .ability = {{"overall", 0.93}},
       .ttft_ms = 1'200,
       .tpot_ms = 25},
  };
  catalog.prices = {{.id = "mini", .base = flat_rates("0.25", "2", "0.025")},
                    {.id = "sonnet", .base = flat_rates("3", "15", "0.3")},
                    {.id = "opus", .base = flat_rates("5", "25", "0.5")}};
  return catalog;
}

struct World {
  Catalog catalog = small_catalog();
  Policy policy;
  std::optional<std::size_t> pinned;
  ChatRequest request;
  Classification classification;
  Caller caller;
  Snapshot snapshot;

  World() {
    policy.name = "default";
    policy.baseline = "opus";
    policy.quality_floor = 0.9;
    classification = {.task = Task::chat,
                      .difficulty = 0.5,
                      .uncertainty = 0.2,
                      .prompt_tokens = 1'000,
                      .prompt_tokens_upper = 4'000,
                      .completion_tokens_p50 = 200,
                      .completion_tokens_p90 = 600,
                      .needs = bits({Capability::chat})};
    caller.key_name = "ci";
    snapshot.targets.resize(4);
  }

  DecideInput input() const {
    return {.catalog = catalog,
            .policy = &policy,
            .pinned = pinned,
            .request = request,
            .classification = classification,
            .caller = caller,
            .snapshot = snapshot};
  }
  Decision decide() const { return jevons::decide(input()); }

  std::string chosen() const { return name(decide().target); }
  std::string name(const std::optional<std::size_t>& target) const {
    return target ? catalog.targets[*target].name : "none";
  }
  // "local-moe:quality_floor mini sonnet opus": each target with its why_not.
  std::string verdicts() const {
    std::string text;
    for (const Candidate& candidate : decide().candidates) {
      text += (text.empty() ? "" : " ") + catalog.targets[candidate.target].name;
      if (!candidate.eligible()) text.append(":").append(why_not_name(candidate.why_not));
    }
    return text;
  }
  // "start mini, escalate sonnet, fallback opus"
  std::string plan() const {
    std::string text;
    for (const PlanStep& step : decide().plan) {
      text.append(text.empty() ? "" : ", ").append(plan_on_name(step.on)).append(" ");
      text += catalog.targets[step.target].name;
    }
    return text;
  }
};

}  // namespace jevons::test
