// policies/catalog.yaml -> Catalog::targets (contract.md 3).
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "router/calibration.h"
#include "router/config_load.h"
#include "router/efforts.h"
#include "router/yaml_values.h"

namespace jevons {

// A price needs no output rate where an embeddings target uses it.
void mark_embedding_prices(Catalog& catalog) {
  std::set<std::string_view> ids;
  for (const Target& target : catalog.targets) {
    if (has(target.can, Capability::embeddings)) ids.insert(target.price_id);
  }
  for (Price& price : catalog.prices) price.embeddings = ids.contains(price.id);
}

namespace {

using std::string_view;

constexpr string_view target_keys[] = {
    "name",      "aliases", "provider",         "model",  "price",
    "tier",      "context", "max_output",       "can",    "efforts",
    "by_effort", "rejects", "image_tokens_max", "labels", "ability",
    "like",      "latency", "device",           "slots",  "cost"};
constexpr string_view tier_names[] = {"local", "budget", "premium"};
constexpr string_view device_names[] = {"auto", "cpu", "cuda"};
constexpr string_view effort_names[] = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
constexpr string_view capability_names[] = {"chat",     "stream",    "tools", "json_schema",
                                            "vision",   "thinking",  "audio", "file",
                                            "logprobs", "embeddings"};
constexpr string_view ability_keys[] = {"overall",   "chat",      "code",       "math",
                                        "reasoning", "knowledge", "extraction", "translation",
                                        "summarise", "classify",  "tool-use",   "agent-step"};
constexpr string_view latency_keys[] = {"ttft_ms", "tpot_ms"};
constexpr string_view cost_keys[] = {"usd_per_hour", "hardware_usd", "life_months",
                                     "watts",        "usd_per_kwh",  "utilisation"};

Capabilities read_can(YamlReader& reader, const YamlMap& map) {
  const YamlNode* node = map.get("can");
  if (node == nullptr) {
    return static_cast<Capabilities>(Capability::chat) |
           static_cast<Capabilities>(Capability::stream);
  }
  Capabilities can = 0;
  for (const YamlNode* one : yaml_several(reader, *node, "can")) {
    if (const auto index = yaml_choice(reader, *one, "can", capability_names)) {
      can |= Capabilities{1} << *index;
    }
  }
  return can;
}

// P(ok) takes the logit of an ability, so 0 and 1 are kept a little away from the ends.
void read_ability(YamlReader& reader, const YamlNode& node, Target& target) {
  const YamlMap map(reader, node, "ability", ability_keys);
  for (const string_view key : ability_keys) {
    double value = 0;
    if (map.decimal(key, value, 0, 1)) {
      target.ability[std::string(key)] = std::clamp(value, 0.001, 0.999);
    }
  }
}

void read_labels(YamlReader& reader, const YamlNode& node, Target& target) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node, "labels takes {name: value or list}, such as {region: eu}");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    target.labels[name] = yaml_words(reader, node.items[i], "labels." + name);
  }
}

// The true price of an hour of engine time: the hardware spread over its life plus the energy,
// both divided by the share of the time in which the machine works.
std::optional<Nanodollars> read_local_cost(YamlReader& reader, const YamlNode& node) {
  const YamlMap map(reader, node, "cost", cost_keys);
  std::optional<Nanodollars> per_hour, hardware, per_kwh;
  if (node.find("usd_per_hour") != nullptr) {
    map.dollars("usd_per_hour", per_hour);
    if (node.keys.size() > 1) {
      reader.fail(node,
                  "cost takes usd_per_hour alone, or hardware_usd and life_months with "
                  "watts, usd_per_kwh and utilisation");
    }
    return per_hour;
  }
  constexpr std::int64_t hours_per_month = 730;
  constexpr std::int64_t hardware_max = 10'000'000'000'000'000, per_kwh_max = 1'000'000'000'000;
  std::int64_t months = 0, watts = 0;
  double utilisation = 1;
  if (map.need("hardware_usd") != nullptr) map.dollars("hardware_usd", hardware);
  if (map.need("life_months") != nullptr) map.integer("life_months", months, 1, 1200);
  map.integer("watts", watts, 0, 1'000'000);
  map.dollars("usd_per_kwh", per_kwh);
  map.decimal("utilisation", utilisation, 0, 1);
  if (utilisation < 0.01) {
    reader.fail(node, "utilisation must be from 0.01 to 1");
    return {};
  }
  if (!hardware || months == 0) return {};
  const std::int64_t kwh = per_kwh.value_or(Nanodollars{}).value;
  if (hardware->value > hardware_max || kwh > per_kwh_max) {
    reader.fail(node, "cost is too large: at most 10 million dollars and 1000 dollars per kWh");
    return {};
  }
  const std::int64_t percent = std::llround(utilisation * 100);
  const std::int64_t idle_free = hardware->value / (months * hours_per_month) + kwh * watts / 1000;
  return Nanodollars{(idle_free * 100 + percent - 1) / percent};
}

void read_efforts(YamlReader& reader, const YamlMap& map, Target& target) {
  const YamlNode* node = map.get("efforts");
  if (node == nullptr || (node->kind == YamlNode::Kind::list && node->items.empty())) return;
  for (const YamlNode* one : yaml_several(reader, *node, "efforts")) {
    if (const auto index = yaml_choice(reader, *one, "efforts", effort_names)) {
      target.efforts.emplace_back(effort_names[*index]);
    }
  }
}

// Which efforts are arms, and the abilities stated for them.
using Arms = std::map<std::size_t, std::map<std::string, double>>;  // by index of effort_names

Arms read_arms(YamlReader& reader, const YamlNode& node, const Target& target) {
  Arms arms;
  if (node.kind != YamlNode::Kind::map || node.keys.empty()) {
    reader.fail(node, "by_effort takes {effort: ability}, such as {low: {overall: 0.8}}");
    return arms;
  }
  const std::vector<string_view> known(target.efforts.begin(), target.efforts.end());
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      reader.fail(node.keys[i], unknown_word("effort", name, known, "efforts"));
      continue;
    }
    Target stated;
    read_ability(reader, node.items[i], stated);
    const auto* index = std::find(std::begin(effort_names), std::end(effort_names), name);
    arms[static_cast<std::size_t>(index - effort_names)] = std::move(stated.ability);
  }
  if (target.labels.contains(std::string(effort_label)))
    reader.fail(node, "by_effort sets the label 'effort', which this target has already");
  return arms;
}

// Where only the overall ability of an effort is stated, the other skills move along with it.
std::map<std::string, double> ability_at(const std::map<std::string, double>& base,
                                         const std::map<std::string, double>& stated) {
  std::map<std::string, double> ability = stated;
  const auto overall = stated.find("overall"), usual = base.find("overall");
  const double moved = overall == stated.end() || usual == base.end()
                           ? 0
                           : logit_of(overall->second) - logit_of(usual->second);
  for (const auto& [skill, value] : base)
    ability.emplace(skill, std::clamp(sigmoid_of(logit_of(value) + moved), 0.001, 0.999));
  return ability;
}

void add_arms(const Arms& arms, std::size_t of, Catalog& catalog) {
  if (arms.empty()) return;
  const std::string label(effort_label);
  for (const auto& [effort, stated] : arms) {
    Target arm = catalog.targets[of];
    arm.name.append(":").append(effort_names[effort]);
    arm.aliases.clear();
    arm.ability = ability_at(catalog.targets[of].ability, stated);
    arm.labels[label] = {std::string(effort_names[effort])};
    catalog.targets.push_back(std::move(arm));
  }
  catalog.targets[of].labels[label] = {std::string(effort_stated)};
}

void read_sizes(YamlReader& reader, const YamlMap& map, Target& target) {
  constexpr std::int64_t tokens_max = 1'000'000'000;
  map.integer("context", target.context, 1, tokens_max);
  if (map.integer("max_output", target.max_output, 1, tokens_max)) {
    if (target.max_output > target.context) {
      reader.fail(*map.get("max_output"),
                  "max_output is larger than context (" + std::to_string(target.context) + ")");
    }
  } else {
    target.max_output = std::min(target.max_output, target.context);
  }
  map.integer("image_tokens_max", target.image_tokens_max, 0, tokens_max);
  map.integer("slots", target.slots, 1, 1024);
  if (const YamlNode* node = map.get("latency")) {
    const YamlMap latency(reader, *node, "latency", latency_keys);
    latency.decimal("ttft_ms", target.ttft_ms, 0, 3'600'000);
    latency.decimal("tpot_ms", target.tpot_ms, 0, 3'600'000);
  }
}

void read_money(YamlReader& reader, const YamlMap& map, Target& target) {
  map.name("price", target.price_id);
  const YamlNode* cost = map.get("cost");
  if (cost == nullptr) return;
  target.local_cost_per_hour = read_local_cost(reader, *cost);
  if (target.tier != Tier::local) {
    reader.fail(*cost, "cost belongs to targets of tier local; others take a 'price'");
  } else if (!target.price_id.empty()) {
    reader.fail(*cost, "a target takes 'price' or 'cost', not both");
  }
}

Target read_target(YamlReader& reader, const YamlNode& node) {
  const YamlMap map(reader, node, "a target", target_keys);
  Target target;
  if (map.need("name") != nullptr) map.name("name", target.name);
  map.words("aliases", target.aliases);
  if (map.need("provider") != nullptr) map.name("provider", target.provider);
  if (map.need("model") != nullptr) map.text("model", target.model);
  map.need("tier");
  if (const auto tier = map.choice("tier", tier_names)) target.tier = static_cast<Tier>(*tier);
  read_money(reader, map, target);
  read_sizes(reader, map, target);
  target.can = read_can(reader, map);
  read_efforts(reader, map, target);
  map.words("rejects", target.rejects);
  if (const YamlNode* labels = map.get("labels")) read_labels(reader, *labels, target);
  if (const YamlNode* ability = map.get("ability")) read_ability(reader, *ability, target);
  map.name("like", target.like);
  if (const auto device = map.choice("device", device_names)) target.device = device_names[*device];
  return target;
}

// Copies the abilities of the target named by `like` under the target's own. Follows chains.
void resolve_like(YamlReader& reader, const YamlNode& node, Catalog& catalog, Target& target) {
  std::vector<string_view> known;
  for (const Target& other : catalog.targets) known.push_back(other.name);
  const Target* source = &target;
  for (std::size_t steps = 0; source != nullptr && !source->like.empty(); ++steps) {
    if (steps > catalog.targets.size()) {
      reader.fail(*node.find("like"), "like: leads back to '" + target.name +
                                          "'; one target of "
                                          "the circle needs an ability");
      return;
    }
    const std::string& wanted = source->like;
    const auto found = std::find_if(catalog.targets.begin(), catalog.targets.end(),
                                    [&](const Target& t) { return t.name == wanted; });
    if (found == catalog.targets.end()) {
      if (source == &target) {
        reader.fail(*node.find("like"), unknown_word("target", wanted, known));
      }
      return;
    }
    source = &*found;
    target.ability.insert(source->ability.begin(), source->ability.end());
  }
}

// Their names must be free, too.
Arms arms_of(YamlReader& reader, const YamlNode& node, const Target& target,
             std::map<std::string, std::string>& names) {
  const YamlNode* efforts = node.find("by_effort");
  if (efforts == nullptr) return {};
  Arms arms = read_arms(reader, *efforts, target);
  for (const auto& [effort, stated] : arms) {
    const std::string name = target.name + ":" + std::string(effort_names[effort]);
    if (names.emplace(name, name).second) continue;
    reader.fail(*efforts,
                "the name '" + name + "' is taken already by target '" + names[name] + "'");
  }
  return arms;
}

}  // namespace

void load_targets(const YamlFile& file, Catalog& catalog, std::vector<ConfigError>& errors) {
  YamlReader reader(file, errors);
  if (!reader.ok()) return;
  static constexpr string_view keys[] = {"targets"};
  const YamlMap top(reader, reader.root(), "the catalog", keys);
  std::map<std::string, std::string> names;  // name or alias -> target
  for (const Target& target : catalog.targets) {
    names[target.name] = target.name;
    for (const std::string& alias : target.aliases) names[alias] = target.name;
  }
  if (top.need("targets") == nullptr) return;
  const std::size_t first = catalog.targets.size();
  const auto nodes = top.list("targets");
  std::vector<Arms> arms;
  for (const YamlNode& node : nodes) {
    Target target = read_target(reader, node);
    std::vector<std::string> own = target.aliases;
    own.push_back(target.name);
    for (const std::string& name : own) {
      if (name.empty() || names.emplace(name, target.name).second) continue;
      reader.fail(node, "the name '" + name + "' is taken already by target '" + names[name] + "'");
    }
    arms.push_back(arms_of(reader, node, target, names));
    catalog.targets.push_back(std::move(target));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Target& target = catalog.targets[first + i];
    if (nodes[i].find("like") != nullptr) resolve_like(reader, nodes[i], catalog, target);
    target.ability.emplace("overall", 0.5);  // nothing is known: no evidence either way
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) add_arms(arms[i], first + i, catalog);
  mark_embedding_prices(catalog);
}

}  // namespace jevons
