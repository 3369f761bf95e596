// `keys:` and `budgets:` of jevons.yaml (contract.md 2).
#include <algorithm>
#include <set>
#include <utility>

#include "gateway/base_url.h"
#include "gateway/config_reader.h"

namespace jevons {
namespace {

using std::string_view;

constexpr string_view key_keys[] = {"name",
                                    "id",
                                    "hash",
                                    "policies",
                                    "models",
                                    "min_quality",
                                    "tags",
                                    "require_tags",
                                    "requests_per_minute",
                                    "tokens_per_minute",
                                    "expires"};
constexpr string_view budget_keys[] = {"name", "match", "usd",      "window", "kind",
                                       "tz",   "per",   "alert_at", "webhook"};
constexpr string_view window_words[] = {"minute", "hour", "day", "week", "month"};
constexpr string_view kind_words[] = {"hard", "soft"};
constexpr std::int64_t rate_max = 1'000'000'000'000;

bool is_tag_name(string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

bool is_key_hash(string_view text) {
  constexpr string_view prefix = "hmac-sha256:";
  return text.starts_with(prefix) && text.size() == prefix.size() + 64 &&
         text.find_first_not_of("0123456789abcdef", prefix.size()) == string_view::npos;
}

void read_tags(YamlReader& reader, const YamlNode& node, KeyRecord& key) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node, "tags takes {name: value}, such as {team: search}");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    if (!is_tag_name(name)) reader.fail(node.keys[i], "'" + name + "' is not a tag name");
    if (auto value = yaml_text(reader, node.items[i], "tags." + name)) {
      key.tags[name] = std::move(*value);
    }
  }
}

KeyRecord read_key_record(YamlReader& reader, const YamlNode& node) {
  const YamlMap map(reader, node, "a key", key_keys);
  KeyRecord key;
  key.from_config = true;
  if (map.need("name") != nullptr && map.name("name", key.name) && key.name == "anonymous") {
    reader.fail(*map.get("name"),
                "'anonymous' is the name of requests without a key; take another");
  }
  map.name("id", key.id);
  if (map.need("hash") != nullptr && map.text("hash", key.hash) && !is_key_hash(key.hash)) {
    reader.fail(*map.get("hash"),
                "hash takes hmac-sha256: and 64 hex digits, as printed by "
                "'jevons keys create NAME --json'");
  }
  map.words("policies", key.policies);
  map.words("models", key.models);
  map.decimal("min_quality", key.min_quality, 0, 1);
  if (const YamlNode* tags = map.get("tags")) read_tags(reader, *tags, key);
  map.words("require_tags", key.require_tags);
  for (const std::string& tag : key.require_tags) {
    if (!is_tag_name(tag)) reader.fail(*map.get("require_tags"), "'" + tag + "' is not a tag name");
  }
  map.integer("requests_per_minute", key.requests_per_minute, 0, rate_max);
  map.integer("tokens_per_minute", key.tokens_per_minute, 0, rate_max);
  if (const YamlNode* expires = map.get("expires")) {
    key.expires_unix_s = yaml_date(reader, *expires, "expires").value_or(0);
  }
  return key;
}

void read_match(YamlReader& reader, const YamlNode& node, Budget& budget) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node,
                "match takes {key, session, tag.NAME}, such as {tag.team: search}; leave it "
                "out to match everything");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& name = node.keys[i].text;
    const bool tag = name.starts_with("tag.") && is_tag_name(string_view(name).substr(4));
    if (!tag && name != "key" && name != "session") {
      reader.fail(node.keys[i], unknown_word("key", name, {"key", "session", "tag.NAME"}, "match"));
      continue;
    }
    const auto value = yaml_text(reader, node.items[i], name);
    if (!value) continue;
    if (tag) budget.match_tags[name.substr(4)] = *value;
    if (name == "key") budget.match_key = *value;
    if (name == "session") budget.match_session = *value;
  }
}

void read_per(YamlReader& reader, const YamlMap& map, Budget& budget) {
  if (!map.text("per", budget.per)) return;
  const bool tag = budget.per.starts_with("tag.") && is_tag_name(string_view(budget.per).substr(4));
  if (!tag && budget.per != "key" && budget.per != "session") {
    reader.fail(*map.get("per"), "per takes key, session or tag.NAME, got '" + budget.per + "'");
  }
}

void read_alerts(YamlReader& reader, const YamlMap& map, Budget& budget) {
  if (const YamlNode* node = map.get("alert_at")) {
    for (const YamlNode* one : yaml_several(reader, *node, "alert_at")) {
      const auto share = yaml_decimal(reader, *one, "alert_at", 0, 10);
      if (!share) continue;
      if (!budget.alert_at.empty() && *share <= budget.alert_at.back()) {
        reader.fail(*one,
                    "alert_at must be ascending shares of the limit, such as [0.5, 0.8, 1.0]");
      }
      budget.alert_at.push_back(*share);
    }
  }
  if (!map.text("webhook", budget.webhook)) return;
  BaseUrl url;
  std::string why;
  // A webhook's path may carry a query; only the address matters here.
  const std::string address = budget.webhook.substr(0, budget.webhook.find('?'));
  if (!parse_base_url(address, url, why)) {
    reader.fail(*map.get("webhook"), "webhook: " + why);
  } else if (!url.tls && address_class(url.host) != AddressClass::loopback) {
    reader.fail(*map.get("webhook"), "webhook must be https");
  }
}

// A zone is a file of the system's zone database.
void check_zone(ConfigContext& context, const YamlNode& node, const std::string& zone) {
  if (zone == "UTC" || zone == "Z") return;
  const bool plain = std::all_of(zone.begin(), zone.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           string_view("/_-+").find(c) != string_view::npos;
  });
  std::string why;
  const auto bytes = plain && !zone.starts_with('/')
                         ? context.sources.read_file("/usr/share/zoneinfo/" + zone, why)
                         : std::nullopt;
  if (!bytes || !bytes->starts_with("TZif")) {
    context.reader.fail(node, "unknown time zone '" + zone +
                                  "'; write one such as Europe/Berlin, "
                                  "or UTC (zones come from the package tzdata)");
  }
}

Budget read_budget(ConfigContext& context, const YamlNode& node) {
  YamlReader& reader = context.reader;
  const YamlMap map(reader, node, "a budget", budget_keys);
  Budget budget;
  if (map.need("name") != nullptr) map.name("name", budget.name);
  if (const YamlNode* match = map.get("match")) read_match(reader, *match, budget);
  std::optional<Nanodollars> limit;
  if (map.need("usd") != nullptr && map.dollars("usd", limit)) budget.limit = *limit;
  map.need("window");
  if (const auto word = map.choice("window", window_words)) {
    budget.window = static_cast<Window>(*word);
  }
  map.need("kind");
  if (const auto word = map.choice("kind", kind_words)) budget.hard = *word == 0;
  if (map.text("tz", budget.tz)) check_zone(context, *map.get("tz"), budget.tz);
  read_per(reader, map, budget);
  read_alerts(reader, map, budget);
  // A soft budget does nothing else.
  if (!budget.hard && budget.alert_at.empty()) budget.alert_at.push_back(1.0);
  return budget;
}

}  // namespace

void read_keys(ConfigContext& context, std::span<const YamlNode> nodes) {
  std::set<std::string> names, hashes;
  for (const YamlNode& node : nodes) {
    KeyRecord key = read_key_record(context.reader, node);
    if (!key.name.empty() && !names.insert(key.name).second) {
      context.reader.fail(node, "two keys are named '" + key.name + "'");
    }
    if (!key.hash.empty() && !hashes.insert(key.hash).second) {
      context.reader.fail(node, "two keys have the same hash: each key is one secret");
    }
    context.config.keys.push_back(std::move(key));
  }
}

void read_budgets(ConfigContext& context, std::span<const YamlNode> nodes) {
  std::set<std::string> names;
  for (const YamlNode& node : nodes) {
    Budget budget = read_budget(context, node);
    if (!budget.name.empty() && !names.insert(budget.name).second) {
      context.reader.fail(node, "two budgets are named '" + budget.name + "'");
    }
    context.config.budgets.push_back(std::move(budget));
  }
}

void check_keys(ConfigContext& context, std::span<const YamlNode> nodes) {
  std::vector<string_view> policies, targets;
  for (const Policy& policy : context.config.policies) policies.push_back(policy.name);
  for (const Target& target : context.config.catalog.targets) targets.push_back(target.name);
  for (std::size_t i = 0; i < nodes.size() && i < context.config.keys.size(); ++i) {
    const KeyRecord& key = context.config.keys[i];
    for (const std::string& name : key.policies) {
      if (std::find(policies.begin(), policies.end(), name) == policies.end()) {
        context.reader.fail(*nodes[i].find("policies"), unknown_word("policy", name, policies));
      }
    }
    for (const std::string& name : key.models) {
      if (name.find('*') == std::string::npos &&
          std::find(targets.begin(), targets.end(), name) == targets.end()) {
        context.reader.fail(*nodes[i].find("models"), unknown_word("target", name, targets));
      }
    }
  }
}

void check_budgets(ConfigContext& context) {
  for (const Budget& budget : context.config.budgets) {
    const auto named = [&](const KeyRecord& key) { return key.name == budget.match_key; };
    const auto& keys = context.config.keys;
    if (budget.match_key.empty() || budget.match_key == "anonymous" ||
        std::any_of(keys.begin(), keys.end(), named)) {
      continue;
    }
    context.config.warnings.push_back("budget '" + budget.name + "' is for key '" +
                                      budget.match_key +
                                      "', which this file does not define; it "
                                      "applies if 'jevons keys create' made that key");
  }
}

}  // namespace jevons
