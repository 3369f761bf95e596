#include "gateway/route_answer.h"

#include <cmath>

namespace jevons {
namespace {

void money(JsonWriter& json, std::string_view name, const std::optional<Nanodollars>& amount) {
  json.key(name);
  if (amount)
    json.raw(dollars_json(*amount));
  else
    json.null();
}

void number(JsonWriter& json, std::string_view name, const std::optional<double>& value,
            double unit) {
  json.key(name);
  if (value)
    json.number(std::round(*value / unit) * unit);
  else
    json.null();
}

void text_or_null(JsonWriter& json, std::string_view name, std::string_view text) {
  json.key(name);
  if (text.empty())
    json.null();
  else
    json.string(text);
}

void candidate_json(JsonWriter& json, const Candidate& candidate, const Decision& decision,
                    const Catalog& catalog) {
  json.begin_object();
  json.key("target").string(catalog.targets[candidate.target].name);
  json.key("p_ok");
  if (candidate.p_ok)
    json.raw(std::to_string(std::round(*candidate.p_ok * 1e4) / 1e4));
  else
    json.null();
  money(json, "expected_cost_usd", candidate.expected_cost);
  number(json, "expected_ttft_ms", candidate.expected_ttft_ms, 1);
  number(json, "expected_total_ms", candidate.expected_total_ms, 1);
  json.key("eligible").boolean(candidate.eligible());
  text_or_null(json, "why_not", candidate.eligible() ? "" : why_not_name(candidate.why_not));
  if (decision.policy && decision.policy->fail_at_most) {
    json.key("failures_at_most");
    if (candidate.facts.failures_at_most < 1)
      json.raw(std::to_string(candidate.facts.failures_at_most));
    else
      json.null();
  }
  json.end_object();
}

void classification_json(JsonWriter& json, const Classification& classification) {
  json.key("task").string(task_name(classification.task));
  json.key("difficulty").raw(std::to_string(std::round(classification.difficulty * 1e4) / 1e4));
  json.key("uncertainty").raw(std::to_string(std::round(classification.uncertainty * 1e4) / 1e4));
  json.key("prompt_tokens").integer(classification.prompt_tokens);
  json.key("predicted_completion_tokens").begin_object();
  json.key("p50").integer(classification.completion_tokens_p50);
  json.key("p90").integer(classification.completion_tokens_p90);
  json.end_object();
}

}  // namespace

void write_route_fields(JsonWriter& json, const Decision& decision,
                        const Classification& classification, const Catalog& catalog) {
  text_or_null(json, "target", decision.target ? catalog.targets[*decision.target].name : "");
  text_or_null(json, "policy", decision.policy ? decision.policy->name : "");
  text_or_null(json, "rule", decision.rule);
  text_or_null(json, "reason", decision.target ? reason_name(decision.reason) : "");
  classification_json(json, classification);
  json.key("relaxed").begin_array();
  for (const Relax relax : decision.relaxed) json.string(relax_name(relax));
  json.end_array();
  json.key("candidates").begin_array();
  for (const Candidate& candidate : decision.candidates)
    candidate_json(json, candidate, decision, catalog);
  json.end_array();
  text_or_null(json, "baseline", decision.baseline ? catalog.targets[*decision.baseline].name : "");
  money(json, "baseline_cost_usd", decision.baseline_cost);
  json.key("plan").begin_array();
  for (const PlanStep& step : decision.plan) {
    json.begin_object();
    json.key("target").string(catalog.targets[step.target].name);
    json.key("on").string(plan_on_name(step.on));
    json.end_object();
  }
  json.end_array();
}

std::string route_answer(const Decision& decision, const Classification& classification,
                         const Catalog& catalog, std::int64_t decide_us) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_route_fields(json, decision, classification, catalog);
  json.key("decide_us").integer(decide_us);
  json.end_object();
  return out;
}

}  // namespace jevons
