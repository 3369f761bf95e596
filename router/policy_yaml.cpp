// A routing policy from YAML (contract.md 5). Every name that it uses is looked up in the catalog,
// because a typo in a limit would silently weaken it.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "router/conditions.h"
#include "router/config_load.h"
#include "router/guarantee.h"
#include "router/yaml_values.h"

namespace jevons {
namespace {

using std::string_view;

constexpr string_view policy_keys[] = {
    "policy",   "serves", "baseline",      "objective", "value_per_success_usd",
    "quality",  "sla",    "on_infeasible", "rules",     "escalate",
    "fallback", "hedge",  "session",       "explore",   "strict_params",
    "unpriced", "learn"};
constexpr string_view quality_keys[] = {"floor", "relative_to", "fail_at_most"};
constexpr string_view sla_keys[] = {"ttft_p95", "total_p95", "max_cost_usd"};
constexpr string_view infeasible_keys[] = {"relax"};
constexpr string_view rule_keys[] = {"name",   "when",  "only",   "avoid",
                                     "prefer", "floor", "effort", "refuse"};
constexpr string_view escalate_keys[] = {"when", "to", "max"};
constexpr string_view fallback_keys[] = {"attempts", "pinned"};
constexpr string_view hedge_keys[] = {"after", "at_most"};
constexpr string_view session_keys[] = {"sticky"};
constexpr string_view explore_keys[] = {"rate", "budget_usd_per_day"};

constexpr string_view objective_words[] = {"cheapest", "best", "fastest", "value"};
constexpr string_view relative_words[] = {"best", "absolute"};
constexpr string_view relax_words[] = {"sla.ttft_p95", "sla.total_p95", "sla.max_cost_usd",
                                       "quality.floor"};
constexpr string_view escalate_words[] = {"refusal",        "invalid_json", "truncated",
                                          "low_confidence", "disagreement", "invalid_tool_call"};
constexpr string_view unpriced_words[] = {"refuse", "allow"};
constexpr string_view learn_words[] = {"none", "feedback", "all"};  // in the order of Learn
constexpr string_view tier_words[] = {"local", "budget", "premium"};
constexpr string_view effort_words[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};

bool is_glob(string_view word) { return word.find('*') != string_view::npos; }

class PolicyReader {
 public:
  PolicyReader(YamlReader& reader, const Catalog& catalog) : reader_(reader), catalog_(catalog) {
    for (const Target& target : catalog.targets) {
      targets_.push_back(target.name);
      providers_.insert(target.provider);
      for (const auto& [name, values] : target.labels)
        labels_[name].insert(values.begin(), values.end());
    }
  }
  Policy read();

 private:
  void read_serves(const YamlNode& node, Policy& policy);
  void read_objective(const YamlMap& map, Policy& policy);
  void read_quality(const YamlNode& node, Policy& policy);
  void read_sla(const YamlNode& node, Policy& policy);
  void read_infeasible(const YamlNode& node, Policy& policy);
  void read_escalate(const YamlNode& node, Policy& policy);
  void read_attempts(const YamlMap& map, Policy& policy);
  void read_explore(const YamlNode& node, Policy& policy);
  Rule read_rule(const YamlNode& node, std::size_t number);
  void read_when(const YamlNode& node, Rule& rule);
  Selector read_selector(const YamlNode& node, string_view what);
  void read_selector_key(const YamlNode& key, const YamlNode& value, Selector& selector);
  std::string target_name(const YamlNode& node, string_view what);
  void check_known(const YamlNode& node, string_view kind, const std::string& word,
                   const std::set<string_view>& known);

  YamlReader& reader_;
  const Catalog& catalog_;
  std::vector<string_view> targets_;
  std::set<string_view> providers_;
  std::map<string_view, std::set<string_view>> labels_;
};

void PolicyReader::check_known(const YamlNode& node, string_view kind, const std::string& word,
                               const std::set<string_view>& known) {
  if (is_glob(word) || known.contains(word)) return;
  reader_.fail(node, unknown_word(kind, word, {known.begin(), known.end()}));
}

// A name or alias from the catalog, as the target's own name.
std::string PolicyReader::target_name(const YamlNode& node, string_view what) {
  const auto name = yaml_name(reader_, node, what);
  if (!name) return {};
  for (const Target& target : catalog_.targets) {
    const auto& aliases = target.aliases;
    if (target.name == *name || std::find(aliases.begin(), aliases.end(), *name) != aliases.end()) {
      return target.name;
    }
  }
  reader_.fail(node, "target '" + *name + "' is not in the catalog" + suggestion(*name, targets_));
  return {};
}

void PolicyReader::read_selector_key(const YamlNode& key, const YamlNode& value,
                                     Selector& selector) {
  const std::string& name = key.text;
  constexpr string_view prefix = "labels.";
  if (name.starts_with(prefix) && name.size() > prefix.size()) {
    const std::string label = name.substr(prefix.size());
    const auto known = labels_.find(label);
    if (known == labels_.end()) {
      std::vector<string_view> names;
      for (const auto& entry : labels_) names.push_back(entry.first);
      reader_.fail(key, unknown_word("label", label, names, "the catalog"));
      return;
    }
    for (const YamlNode* one : yaml_several(reader_, value, name)) {
      const auto word = yaml_text(reader_, *one, name);
      if (!word) continue;
      check_known(*one, "value of label " + label, *word, known->second);
      selector.labels[label].push_back(*word);
    }
    return;
  }
  for (const YamlNode* one : yaml_several(reader_, value, name)) {
    if (name == "tier") {
      const auto tier = yaml_choice(reader_, *one, "tier", tier_words);
      if (tier) selector.tier.push_back(static_cast<Tier>(*tier));
      continue;
    }
    const auto word = yaml_text(reader_, *one, name);
    if (!word) continue;
    if (name == "provider") {
      check_known(*one, "provider", *word, providers_);
      selector.provider.push_back(*word);
    } else {
      selector.target.push_back(is_glob(*word) ? *word : target_name(*one, name));
    }
  }
}

Selector PolicyReader::read_selector(const YamlNode& node, string_view what) {
  Selector selector;
  if (node.kind != YamlNode::Kind::map || node.keys.empty()) {
    reader_.fail(node, std::string(what) + " takes {target, provider, tier, labels.NAME}");
    return selector;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    if (name == "target" || name == "provider" || name == "tier" || name.starts_with("labels.")) {
      read_selector_key(node.keys[i], node.items[i], selector);
    } else {
      reader_.fail(node.keys[i],
                   unknown_word("key", name, {"target", "provider", "tier", "labels.NAME"}, what));
    }
  }
  return selector;
}

void PolicyReader::read_when(const YamlNode& node, Rule& rule) {
  if (node.kind != YamlNode::Kind::map) {
    reader_.fail(node, "when takes conditions, such as {task: code, difficulty: \">= 0.7\"}");
    return;
  }
  std::vector<string_view> known;
  for (const ConditionHelp& row : condition_table()) known.push_back(row.key);
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& key = node.keys[i].text;
    const bool tag = key.starts_with("tag.") && key.size() > 4;
    if (key == "tag." || key == "tag.NAME") {
      reader_.fail(node.keys[i], "a condition on a tag names the tag, such as tag.team");
      continue;
    }
    if (!tag && std::find(known.begin(), known.end(), key) == known.end()) {
      reader_.fail(node.keys[i], unknown_word("condition", key, known));
      continue;
    }
    const YamlNode& value = node.items[i];
    std::vector<std::string> words;
    if (condition_takes_words(key)) {
      for (const YamlNode* one : yaml_several(reader_, value, key)) {
        if (auto word = yaml_text(reader_, *one, key)) words.push_back(std::move(*word));
      }
    } else if (auto word = yaml_word(reader_, value, key)) {
      words.push_back(std::move(*word));
    }
    if (words.empty()) continue;  // reported
    auto condition = parse_condition(key, words);
    if (condition) {
      rule.when.push_back(std::move(*condition));
    } else {
      reader_.fail(value, condition.error().message());
    }
  }
}

Rule PolicyReader::read_rule(const YamlNode& node, std::size_t number) {
  const YamlMap map(reader_, node, "a rule", rule_keys);
  Rule rule;
  rule.name = "rule " + std::to_string(number);
  map.text("name", rule.name);
  if (const YamlNode* when = map.get("when")) read_when(*when, rule);
  if (const YamlNode* value = map.get("only")) rule.only = read_selector(*value, "only");
  if (const YamlNode* value = map.get("avoid")) rule.avoid = read_selector(*value, "avoid");
  if (const YamlNode* value = map.get("prefer")) rule.prefer = read_selector(*value, "prefer");
  double floor = 0;
  if (map.decimal("floor", floor, 0, 1)) rule.floor = floor;
  if (const auto effort = map.choice("effort", effort_words)) rule.effort = effort_words[*effort];
  map.text("refuse", rule.refuse);
  const bool acts = std::any_of(std::begin(rule_keys) + 2, std::end(rule_keys),
                                [&](string_view key) { return node.find(key) != nullptr; });
  if (node.kind == YamlNode::Kind::map && !acts) {
    reader_.fail(node, "a rule needs one of only, avoid, prefer, floor, effort or refuse");
  }
  return rule;
}

void PolicyReader::read_serves(const YamlNode& node, Policy& policy) {
  for (const YamlNode* one : yaml_several(reader_, node, "serves")) {
    const auto word = yaml_text(reader_, *one, "serves");
    if (!word) continue;
    const Target* taken = nullptr;
    for (const Target& target : catalog_.targets) {
      const auto& aliases = target.aliases;
      if (target.name == *word ||
          std::find(aliases.begin(), aliases.end(), *word) != aliases.end()) {
        taken = &target;
      }
    }
    if (taken != nullptr) {
      reader_.fail(*one, "serves '" + *word + "' can never match: the catalog's target '" +
                             taken->name + "' answers to that name and is pinned");
    }
    policy.serves.push_back(*word);
  }
}

void PolicyReader::read_objective(const YamlMap& map, Policy& policy) {
  if (const auto word = map.choice("objective", objective_words)) {
    policy.objective = static_cast<Objective>(*word);
  }
  map.dollars("value_per_success_usd", policy.value_per_success);
  if (policy.objective == Objective::value && !policy.value_per_success) {
    reader_.fail(*map.get("objective"), "objective value needs value_per_success_usd");
  }
}

void PolicyReader::read_quality(const YamlNode& node, Policy& policy) {
  const YamlMap map(reader_, node, "quality", quality_keys);
  map.decimal("floor", policy.quality_floor, 0, 1);
  if (const auto word = map.choice("relative_to", relative_words)) {
    policy.floor_relative = *word == 0;
  }
  double rate = 0;
  if (map.decimal("fail_at_most", rate, QualityProof::provable_min, 0.5)) {
    policy.fail_at_most = rate;
  }
}

void PolicyReader::read_sla(const YamlNode& node, Policy& policy) {
  const YamlMap map(reader_, node, "sla", sla_keys);
  std::int64_t ms = 0;
  if (map.duration_ms("ttft_p95", ms)) policy.ttft_p95_ms = static_cast<double>(ms);
  if (map.duration_ms("total_p95", ms)) policy.total_p95_ms = static_cast<double>(ms);
  map.dollars("max_cost_usd", policy.max_cost);
}

void PolicyReader::read_infeasible(const YamlNode& node, Policy& policy) {
  if (node.kind == YamlNode::Kind::scalar) {
    static constexpr string_view words[] = {"refuse"};
    if (node.text != words[0]) {
      reader_.fail(node, "on_infeasible takes refuse or {relax: [...]}, got '" + node.text + "'");
    }
    policy.refuse_infeasible = true;
    return;
  }
  const YamlMap map(reader_, node, "on_infeasible", infeasible_keys);
  const YamlNode* relax = map.need("relax");
  if (relax == nullptr) return;
  for (const YamlNode* one : yaml_several(reader_, *relax, "relax")) {
    const auto word = yaml_choice(reader_, *one, "relax", relax_words);
    if (word) policy.relax.push_back(static_cast<Relax>(*word));
  }
}

void PolicyReader::read_escalate(const YamlNode& node, Policy& policy) {
  const YamlMap map(reader_, node, "escalate", escalate_keys);
  if (const YamlNode* when = map.need("when")) {
    for (const YamlNode* one : yaml_several(reader_, *when, "escalate.when")) {
      const auto word = yaml_choice(reader_, *one, "escalate.when", escalate_words);
      if (word) policy.escalate_on.push_back(static_cast<EscalateOn>(*word));
    }
  }
  std::int64_t most = 1;
  map.integer("max", most, 0, 5);
  policy.escalate_max = static_cast<int>(most);
  const YamlNode* to = map.get("to");
  if (to == nullptr) return;
  if (to->kind == YamlNode::Kind::map) {
    policy.escalate_to = read_selector(*to, "escalate.to");
    return;
  }
  // One word: a tier, or a target.
  Selector selector;
  const auto tier = std::find(std::begin(tier_words), std::end(tier_words), to->text);
  if (to->kind == YamlNode::Kind::scalar && tier != std::end(tier_words)) {
    selector.tier.push_back(static_cast<Tier>(tier - std::begin(tier_words)));
  } else {
    selector.target.push_back(target_name(*to, "escalate.to"));
  }
  policy.escalate_to = selector;
}

void PolicyReader::read_attempts(const YamlMap& map, Policy& policy) {
  if (const YamlNode* node = map.get("fallback")) {
    const YamlMap fallback(reader_, *node, "fallback", fallback_keys);
    std::int64_t attempts = policy.fallback_attempts;
    fallback.integer("attempts", attempts, 1, 10);
    policy.fallback_attempts = static_cast<int>(attempts);
    fallback.boolean("pinned", policy.fallback_pinned);
  }
  const YamlNode* node = map.get("hedge");
  if (node == nullptr) return;
  const YamlMap hedge(reader_, *node, "hedge", hedge_keys);
  if (const YamlNode* after = hedge.need("after")) {
    policy.hedge_after_ttft_p95 = after->text == "ttft_p95";
    if (!policy.hedge_after_ttft_p95) {
      const auto ms = yaml_duration_ms(reader_, *after, "after");
      if (ms) policy.hedge_after_ms = static_cast<double>(*ms);
    }
  }
  policy.hedge_at_most = 0.05;
  if (const YamlNode* share = hedge.get("at_most")) {
    policy.hedge_at_most = yaml_percent(reader_, *share, "at_most").value_or(0);
  }
}

void PolicyReader::read_explore(const YamlNode& node, Policy& policy) {
  const YamlMap map(reader_, node, "explore", explore_keys);
  map.decimal("rate", policy.explore_rate, 0, 1);
  map.dollars("budget_usd_per_day", policy.explore_budget_per_day);
  if (policy.explore_rate > 0 && !policy.explore_budget_per_day) {
    reader_.fail(node, "explore with a rate above 0 needs budget_usd_per_day");
  }
}

Policy PolicyReader::read() {
  const YamlMap map(reader_, reader_.root(), "the policy", policy_keys);
  Policy policy;
  policy.file = reader_.file();
  if (map.need("policy") != nullptr) map.name("policy", policy.name);
  if (const YamlNode* serves = map.get("serves")) read_serves(*serves, policy);
  if (const YamlNode* baseline = map.get("baseline")) {
    policy.baseline = target_name(*baseline, "baseline");
  }
  read_objective(map, policy);
  if (const YamlNode* quality = map.get("quality")) read_quality(*quality, policy);
  if (const YamlNode* sla = map.get("sla")) read_sla(*sla, policy);
  if (const YamlNode* node = map.get("on_infeasible")) read_infeasible(*node, policy);
  std::set<std::string> names;
  for (const YamlNode& node : map.list("rules")) {
    policy.rules.push_back(read_rule(node, policy.rules.size() + 1));
    if (!names.insert(policy.rules.back().name).second) {
      reader_.fail(node, "two rules are named '" + policy.rules.back().name + "'");
    }
  }
  if (const YamlNode* node = map.get("escalate")) read_escalate(*node, policy);
  read_attempts(map, policy);
  if (const YamlNode* node = map.get("session")) {
    YamlMap(reader_, *node, "session", session_keys).boolean("sticky", policy.session_sticky);
  }
  if (const YamlNode* node = map.get("explore")) read_explore(*node, policy);
  map.boolean("strict_params", policy.strict_params);
  if (const auto word = map.choice("unpriced", unpriced_words)) policy.allow_unpriced = *word == 1;
  if (const auto word = map.choice("learn", learn_words)) policy.learn = static_cast<Learn>(*word);
  if (policy.learn == Learn::none && policy.fail_at_most) {
    reader_.fail(*map.get("learn"),
                 "quality.fail_at_most is proven from outcomes, which learn: none does not use");
  }
  return policy;
}

}  // namespace

Policy load_policy(const YamlFile& file, const Catalog& catalog, std::vector<ConfigError>& errors) {
  YamlReader reader(file, errors);
  if (!reader.ok()) return {};
  return PolicyReader(reader, catalog).read();
}

void check_policies(const std::vector<Policy>& policies, const Catalog& catalog,
                    std::vector<ConfigError>& errors) {
  std::map<std::string, std::string> files;
  for (const Policy& policy : policies) {
    const auto [first, added] = files.emplace(policy.name, policy.file);
    if (!added && !policy.name.empty()) {
      errors.push_back({policy.file, 0, 0,
                        "policy '" + policy.name + "' is defined already in " + first->second, "",
                        0});
    }
    if (catalog.targets.empty() && !policy.name.empty()) {
      errors.push_back({policy.file, 0, 0, "the catalog has no target to choose from", "", 0});
    }
  }
}

}  // namespace jevons
