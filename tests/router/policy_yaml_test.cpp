// Routing policies from YAML: every form of contract.md 5, every mistake with its message.
#include <doctest/doctest.h>

#include "router/config_load.h"

using namespace jevons;

namespace {

Catalog small_catalog() {
  Catalog catalog;
  std::vector<ConfigError> errors;
  load_targets({"c.yaml",
                "targets:\n"
                "  - {name: claude-small, provider: anthropic, model: s, tier: budget,\n"
                "     labels: {region: [eu, us]}}\n"
                "  - {name: claude-opus, aliases: [opus], provider: anthropic, model: o, tier: "
                "premium}\n"
                "  - {name: local-moe, provider: local, model: m, tier: local}\n"},
               catalog, errors);
  REQUIRE(errors.empty());
  return catalog;
}

std::string errors_of(const std::string& text) {
  std::vector<ConfigError> errors;
  load_policy({"d.yaml", "policy: d\n" + text}, small_catalog(), errors);
  return errors.empty() ? "" : config_errors_text(errors);
}

Policy loaded(const std::string& text) {
  std::vector<ConfigError> errors;
  Policy policy = load_policy({"d.yaml", text}, small_catalog(), errors);
  const std::string said = config_errors_text(errors);
  REQUIRE_MESSAGE(errors.empty(), said);
  return policy;
}

}  // namespace

TEST_CASE("policy: the sketch of product.md, with every key") {
  const Policy policy = loaded(
      "policy: default\n"
      "serves: [auto, \"gpt-*\"]\n"
      "baseline: opus\n"
      "objective: value\n"
      "value_per_success_usd: 0.02\n"
      "quality: {floor: 0.90, relative_to: absolute}\n"
      "sla: {ttft_p95: 2s, total_p95: 30s, max_cost_usd: 0.05}\n"
      "on_infeasible: {relax: [sla.ttft_p95, quality.floor]}\n"
      "rules:\n"
      "  - name: restricted data stays home\n"
      "    when: {tag.data: restricted}\n"
      "    only: {tier: local}\n"
      "  - name: hard code goes premium\n"
      "    when: {task: [code, math], difficulty: \">= 0.7\", tools: true}\n"
      "    prefer: {tier: [premium, budget], provider: anthropic, target: \"claude-*\"}\n"
      "    avoid: {labels.region: us}\n"
      "    floor: 0.95\n"
      "    effort: high\n"
      "  - {when: {vision: true}, refuse: \"no pictures\"}\n"
      "escalate: {when: [refusal, truncated], to: premium, max: 2}\n"
      "fallback: {attempts: 4, pinned: true}\n"
      "hedge: {after: ttft_p95, at_most: 5%}\n"
      "session: {sticky: false}\n"
      "explore: {rate: 0.01, budget_usd_per_day: 1}\n"
      "strict_params: true\n"
      "unpriced: allow\n"
      "learn: feedback\n");
  CHECK(policy.name == "default");
  CHECK(policy.file == "d.yaml");
  CHECK(policy.serves == std::vector<std::string>{"auto", "gpt-*"});
  CHECK(policy.baseline == "claude-opus");  // the alias, resolved
  CHECK(policy.objective == Objective::value);
  CHECK(policy.value_per_success == Nanodollars{20'000'000});
  CHECK(policy.quality_floor == 0.90);
  CHECK_FALSE(policy.floor_relative);
  CHECK(policy.ttft_p95_ms == 2'000);
  CHECK(policy.total_p95_ms == 30'000);
  CHECK(policy.max_cost == Nanodollars{50'000'000});
  CHECK(policy.relax == std::vector<Relax>{Relax::sla_ttft, Relax::quality_floor});
  CHECK_FALSE(policy.refuse_infeasible);
  REQUIRE(policy.rules.size() == 3);
  CHECK(policy.rules[0].only->tier == std::vector<Tier>{Tier::local});
  CHECK(policy.rules[0].when.at(0).key == "tag.data");
  CHECK(policy.rules[0].when.at(0).words == std::vector<std::string>{"restricted"});
  const Rule& rule = policy.rules[1];
  CHECK(rule.name == "hard code goes premium");
  CHECK(rule.when.size() == 3);
  CHECK(rule.when[1].low == 0.7);
  CHECK(rule.when[1].low_inclusive);
  CHECK(rule.prefer->tier == std::vector<Tier>{Tier::premium, Tier::budget});
  CHECK(rule.prefer->target == std::vector<std::string>{"claude-*"});
  CHECK(rule.avoid->labels.at("region") == std::vector<std::string>{"us"});
  CHECK(rule.floor == 0.95);
  CHECK(rule.effort == "high");
  CHECK(policy.rules[2].name == "rule 3");
  CHECK(policy.rules[2].refuse == "no pictures");
  CHECK(policy.escalate_on == std::vector<EscalateOn>{EscalateOn::refusal, EscalateOn::truncated});
  CHECK(policy.escalate_to->tier == std::vector<Tier>{Tier::premium});
  CHECK(policy.escalate_max == 2);
  CHECK(policy.fallback_attempts == 4);
  CHECK(policy.fallback_pinned);
  CHECK(policy.hedge_after_ttft_p95);
  CHECK(policy.hedge_at_most == doctest::Approx(0.05));
  CHECK_FALSE(policy.session_sticky);
  CHECK(policy.explore_rate == 0.01);
  CHECK(policy.explore_budget_per_day == Nanodollars{1'000'000'000});
  CHECK(policy.strict_params);
  CHECK(policy.allow_unpriced);
  CHECK(policy.learn == Learn::feedback);
}

TEST_CASE("policy: the smallest one, and other forms") {
  const Policy smallest = loaded("policy: p\n");
  CHECK(smallest.objective == Objective::cheapest);
  CHECK(smallest.relax.empty());
  CHECK(smallest.session_sticky);
  const Policy other = loaded(
      "policy: p\non_infeasible: refuse\nhedge: {after: 800ms}\n"
      "escalate: {when: refusal, to: opus}\nrules: [{only: {target: opus}}]\n");
  CHECK(other.refuse_infeasible);
  CHECK(other.hedge_after_ms == 800);
  CHECK(other.hedge_at_most == 0.05);
  CHECK(other.escalate_to->target == std::vector<std::string>{"claude-opus"});
  CHECK(other.escalate_max == 1);
  CHECK_FALSE(other.fail_at_most.has_value());
  CHECK(loaded("policy: p\nquality: {fail_at_most: 0.1}\n").fail_at_most == 0.1);
  CHECK(other.rules.at(0).only->target == std::vector<std::string>{"claude-opus"});
}

TEST_CASE("policy: a promise needs outcomes to prove it") {
  CHECK(errors_of("learn: none\nquality: {fail_at_most: 0.1}\n") ==
        "d.yaml:2:8: quality.fail_at_most is proven from outcomes, which learn: none does not use\n"
        "learn: none\n"
        "       ^\n"
        "1 error, nothing was loaded\n");
}

TEST_CASE("policy: all errors at once, in order, as people read them") {
  CHECK(errors_of("rules:\n"
                  "  - name: long\n"
                  "    when:\n"
                  "        prompt_token: 8000\n"
                  "    only: {target: gpt-mini}\n"
                  "fallback: {attempts: 0}\n") ==
        "d.yaml:5:9: unknown condition 'prompt_token'; did you mean 'prompt_tokens'?\n"
        "        prompt_token: 8000\n"
        "        ^\n"
        "d.yaml:6:20: target 'gpt-mini' is not in the catalog (known: claude-small, claude-opus, "
        "local-moe)\n"
        "    only: {target: gpt-mini}\n"
        "                   ^\n"
        "d.yaml:7:22: attempts takes a whole number from 1 to 10, got '0'\n"
        "fallback: {attempts: 0}\n"
        "                     ^\n"
        "3 errors, nothing was loaded\n");
}

namespace {

const struct {
  const char* when;
  const char* text;
  const char* error;  // of line 2, without the quoted line
} mistakes[] = {
    {"an unknown key", "qualty: {floor: 0.9}",
     "d.yaml:2:1: unknown key 'qualty' in the policy; did you mean 'quality'?"},
    {"an unknown objective", "objective: cheap",
     "d.yaml:2:12: objective takes cheapest, best, fastest or value, got 'cheap'"},
    {"value without a value", "objective: value",
     "d.yaml:2:12: objective value needs value_per_success_usd"},
    {"a baseline that is near a target", "baseline: claude-opsu",
     "d.yaml:2:11: target 'claude-opsu' is not in the catalog; did you mean 'claude-opus'?"},
    {"serving a catalogued name", "serves: [auto, opus]",
     "d.yaml:2:16: serves 'opus' can never match: the catalog's target 'claude-opus' answers to "
     "that name and is pinned"},
    {"an unquoted glob", "serves: [*]",
     "d.yaml:2:10: aliases are not allowed: write the value out, or quote a glob (\"*\")"},
    {"a floor in percent", "quality: {floor: 90}",
     "d.yaml:2:18: floor takes a plain decimal from 0 to 1, got '90'"},
    {"a floor with a percent sign", "quality: {floor: 90%}",
     "d.yaml:2:18: floor takes a plain decimal from 0 to 1, got '90%'"},
    {"a promise that nothing proves", "quality: {fail_at_most: 0.001}",
     "d.yaml:2:25: fail_at_most takes a plain decimal from 0.01 to 0.5, got '0.001'"},
    {"a promise worth nothing", "quality: {fail_at_most: 0.9}",
     "d.yaml:2:25: fail_at_most takes a plain decimal from 0.01 to 0.5, got '0.9'"},
    {"a time without a unit", "sla: {ttft_p95: 2}",
     "d.yaml:2:17: ttft_p95 takes a duration such as 500ms, 2s, 15m, 24h or 400d, got '2'"},
    {"a time with a space", "sla: {ttft_p95: 2 s}",
     "d.yaml:2:17: ttft_p95 takes a duration such as 500ms, 2s, 15m, 24h or 400d, got '2 s'"},
    {"a time of zero", "sla: {ttft_p95: 0s}",
     "d.yaml:2:17: ttft_p95 takes a duration such as 500ms, 2s, 15m, 24h or 400d, got '0s'"},
    {"money with a sign", "sla: {max_cost_usd: $1}",
     "d.yaml:2:21: max_cost_usd takes dollars such as 5 or 0.05, at most 9 decimals, got '$1'"},
    {"an unknown relaxation", "on_infeasible: {relax: [ttft]}",
     "d.yaml:2:25: relax takes sla.ttft_p95, sla.total_p95, sla.max_cost_usd or quality.floor, got "
     "'ttft'"},
    {"an unknown word", "on_infeasible: panic",
     "d.yaml:2:16: on_infeasible takes refuse or {relax: [...]}, got 'panic'"},
    {"a share without a percent sign", "hedge: {after: 1s, at_most: 5}",
     "d.yaml:2:29: at_most takes a percentage such as 5%, got '5'"},
    {"a rule that does nothing", "rules: [{name: x, when: {task: code}}]",
     "d.yaml:2:9: a rule needs one of only, avoid, prefer, floor, effort or refuse"},
    {"two rules of one name", "rules: [{name: x, floor: 0.5}, {name: x, floor: 0.6}]",
     "d.yaml:2:32: two rules are named 'x'"},
    {"a provider that nobody uses", "rules: [{avoid: {provider: openia}}]",
     "d.yaml:2:28: unknown provider 'openia' (known: anthropic, local)"},
    {"a label that nobody carries", "rules: [{avoid: {labels.regoin: us}}]",
     "d.yaml:2:18: unknown label 'regoin' in the catalog; did you mean 'region'?"},
    {"a label's value that nobody carries", "rules: [{avoid: {labels.region: ue}}]",
     "d.yaml:2:33: unknown value of label region 'ue'; did you mean 'eu'?"},
    {"an unknown selector", "rules: [{only: {tiers: local}}]",
     "d.yaml:2:17: unknown key 'tiers' in only; did you mean 'tier'?"},
    {"an empty selector", "rules: [{only: {}}]",
     "d.yaml:2:16: only takes {target, provider, tier, labels.NAME}"},
    {"an empty list, which would select nothing", "rules: [{only: {tier: []}}]",
     "d.yaml:2:23: tier must not be an empty list"},
    {"a tag without a name", "rules: [{when: {tag.: x}, floor: 0.1}]",
     "d.yaml:2:17: a condition on a tag names the tag, such as tag.team"},
    {"a range that is none", "rules: [{when: {difficulty: hard}, floor: 0.1}]",
     "d.yaml:2:29: difficulty takes a range such as \">= 0.7\" or \"0.3..0.6\", got 'hard'"},
    {"a list for a range", "rules: [{when: {difficulty: [0.5]}, floor: 0.1}]",
     "d.yaml:2:29: difficulty takes one value, not a list"},
    {"a tag's value that is no text", "rules: [{when: {tag.data: true}, floor: 0.1}]",
     "d.yaml:2:27: tag.data takes a text, got the boolean true; if that is meant, write it in "
     "quotes"},
    {"escalation to nobody", "escalate: {when: [refusal], to: nobody}",
     "d.yaml:2:33: target 'nobody' is not in the catalog (known: claude-small, claude-opus, "
     "local-moe)"},
    {"exploring without a budget", "explore: {rate: 0.1}",
     "d.yaml:2:10: explore with a rate above 0 needs budget_usd_per_day"},
    {"yes for true", "strict_params: yes",
     "d.yaml:2:16: strict_params takes true or false, got 'yes'"},
    {"a list for a word", "objective: [best]",
     "d.yaml:2:12: objective takes one value, not a list"},
};

}  // namespace

TEST_CASE("policy: mistakes, each with its message") {
  for (const auto& row : mistakes) {
    CAPTURE(row.when);
    const std::string line(row.text);
    const std::string said(row.error);
    const std::string column = said.substr(9, said.find(':', 9) - 9);
    CHECK(errors_of(line + "\n") ==
          said + "\n" + line + "\n" +
              std::string(static_cast<std::size_t>(std::stoi(column) - 1), ' ') +
              "^\n1 error, nothing was loaded\n");
  }
}

TEST_CASE("policy: checks across policies") {
  std::vector<ConfigError> errors;
  Policy first, second;
  first.name = second.name = "default";
  first.file = "a.yaml";
  second.file = "b.yaml";
  check_policies({first, second}, small_catalog(), errors);
  CHECK(config_errors_text(errors) ==
        "b.yaml: policy 'default' is defined already in a.yaml\n1 error, nothing was loaded\n");
  errors.clear();
  check_policies({first}, Catalog{}, errors);
  CHECK(config_errors_text(errors) ==
        "a.yaml: the catalog has no target to choose from\n1 error, nothing was loaded\n");
}

TEST_CASE("nearest: a typo is near, another word is not") {
  const std::vector<std::string_view> known = {"quality", "sla", "serves"};
  CHECK(nearest("qualty", known) == "quality");
  CHECK(nearest("SLA", known) == "");
  CHECK(nearest("server", known) == "serves");
  CHECK(nearest("sal", known) == "sla");
  CHECK(nearest("x", known) == "");
  CHECK(nearest("", known) == "");
  CHECK(nearest("completely-different", known) == "");
}

TEST_CASE("errors: what looks like a secret is not quoted") {
  CHECK(config_error_text(
            {"f", 1, 1, "wrong", "kye: \"sk-proj-0123456789abcdef\", a: sk-short", 0}) ==
        "f:1:1: wrong\nkye: \"sk-*********************\", a: sk-short\n^\n");
}
