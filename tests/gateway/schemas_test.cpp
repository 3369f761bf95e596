// The JSON Schemas that editors use know exactly the keys that the loaders know, and explain each.
#include <doctest/doctest.h>
#include <rapidjson/document.h>
#include <rapidjson/pointer.h>

#include <algorithm>
#include <set>

#include "gateway/config.h"
#include "gateway/embedded_files.h"

using namespace jevons;

namespace {

using Keys = std::set<std::string>;

rapidjson::Document schema(const std::string& name) {
  const std::string_view text = embedded_file("policies/schemas/" + name + ".schema.json");
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  REQUIRE_FALSE(document.HasParseError());
  return document;
}

// The "(known: a, b)" of an error about the key `zzzzzzzzzz`.
Keys known_keys(const std::vector<ConfigError>& errors) {
  for (const ConfigError& error : errors) {
    const std::size_t begin = error.message.find("(known: ");
    if (begin == std::string::npos || error.message.find("zzzzzzzzzz") == std::string::npos)
      continue;
    Keys keys;
    std::string list = error.message.substr(begin + 8);
    list.pop_back();  // ")"
    for (std::size_t at = 0; at <= list.size();) {
      const std::size_t comma = std::min(list.find(", ", at), list.size());
      keys.insert(list.substr(at, comma - at));
      at = comma + 2;
    }
    return keys;
  }
  return {};
}

std::vector<ConfigError> load(const std::string& kind, const std::string& text) {
  std::vector<ConfigError> errors;
  Catalog catalog;
  if (kind == "prices") load_prices({"f", text}, catalog, errors);
  if (kind == "catalog") load_targets({"f", text}, catalog, errors);
  if (kind == "policy") load_policy({"f", text}, catalog, errors);
  if (kind == "jevons") {
    Config config;
    const ConfigSources sources{
        .read_file = [&](const std::string&, std::string&) { return std::optional(text); },
        .environment = [](const std::string&) { return std::optional<std::string>("x"); },
        .exists = [](const std::string&) { return false; }};
    load_config("/f", sources, config, errors);
  }
  return errors;
}

// `yaml` holds an unknown key at the place that `pointer` describes.
const struct {
  const char* kind;
  const char* pointer;
  const char* yaml;
  Keys open;  // keys that the schema describes by pattern
} places[] = {
    {"prices", "/properties", "zzzzzzzzzz: 1", {}},
    {"prices", "/properties/prices/items/properties", "prices: [{zzzzzzzzzz: 1}]", {}},
    {"prices", "/definitions/tiers/items/properties", "prices: [{tiers: [{zzzzzzzzzz: 1}]}]", {}},
    {"prices", "/definitions/mode/properties", "prices: [{modes: {batch: {zzzzzzzzzz: 1}}}]", {}},
    {"prices",
     "/properties/prices/items/properties/modes/properties",
     "prices: [{modes: {zzzzzzzzzz: {}}}]",
     {}},
    {"prices",
     "/properties/prices/items/properties/windows/items/properties",
     "prices: [{windows: [{zzzzzzzzzz: 1}]}]",
     {}},
    {"prices",
     "/definitions/cache_write/oneOf/1/properties",
     "prices: [{cache_write: {zzzzzzzzzz: 1}}]",
     {}},
    {"prices",
     "/properties/prices/items/properties/per_call/properties",
     "prices: [{per_call: {zzzzzzzzzz: 1}}]",
     {}},
    {"catalog", "/properties", "zzzzzzzzzz: 1", {}},
    {"catalog", "/properties/targets/items/properties", "targets: [{zzzzzzzzzz: 1}]", {}},
    {"catalog",
     "/properties/targets/items/properties/ability/properties",
     "targets: [{ability: {zzzzzzzzzz: 1}}]",
     {}},
    {"catalog",
     "/properties/targets/items/properties/latency/properties",
     "targets: [{latency: {zzzzzzzzzz: 1}}]",
     {}},
    {"catalog",
     "/properties/targets/items/properties/cost/properties",
     "targets: [{cost: {zzzzzzzzzz: 1}}]",
     {}},
    {"policy", "/properties", "zzzzzzzzzz: 1", {}},
    {"policy", "/properties/quality/properties", "quality: {zzzzzzzzzz: 1}", {}},
    {"policy", "/properties/sla/properties", "sla: {zzzzzzzzzz: 1}", {}},
    {"policy",
     "/properties/on_infeasible/oneOf/1/properties",
     "on_infeasible: {zzzzzzzzzz: 1}",
     {}},
    {"policy", "/properties/rules/items/properties", "rules: [{zzzzzzzzzz: 1}]", {}},
    {"policy",
     "/properties/rules/items/properties/when/properties",
     "rules: [{when: {zzzzzzzzzz: 1}}]",
     {"tag.NAME"}},
    {"policy",
     "/properties/rules/items/properties/only/properties",
     "rules: [{only: {zzzzzzzzzz: 1}}]",
     {"labels.NAME"}},
    {"policy", "/properties/escalate/properties", "escalate: {zzzzzzzzzz: 1}", {}},
    {"policy", "/properties/fallback/properties", "fallback: {zzzzzzzzzz: 1}", {}},
    {"policy", "/properties/hedge/properties", "hedge: {zzzzzzzzzz: 1}", {}},
    {"policy", "/properties/session/properties", "session: {zzzzzzzzzz: 1}", {}},
    {"policy", "/properties/explore/properties", "explore: {zzzzzzzzzz: 1}", {}},
    {"jevons", "/properties", "zzzzzzzzzz: 1", {}},
    {"jevons", "/properties/listen/properties", "listen: {zzzzzzzzzz: 1}", {}},
    {"jevons", "/properties/tls/properties", "tls: {zzzzzzzzzz: 1}", {}},
    {"jevons", "/properties/admin/properties", "admin: {zzzzzzzzzz: 1}", {}},
    {"jevons", "/properties/cors/properties", "cors: {zzzzzzzzzz: 1}", {}},
    {"jevons",
     "/properties/providers/additionalProperties/properties",
     "providers: {a: {zzzzzzzzzz: 1}}",
     {}},
    {"jevons",
     "/properties/providers/additionalProperties/properties/timeouts/properties",
     "providers: {a: {timeouts: {zzzzzzzzzz: 1}}}",
     {}},
    {"jevons", "/properties/keys/items/properties", "keys: [{zzzzzzzzzz: 1}]", {}},
    {"jevons", "/properties/budgets/items/properties", "budgets: [{zzzzzzzzzz: 1}]", {}},
    {"jevons",
     "/properties/budgets/items/properties/match/properties",
     "budgets: [{match: {zzzzzzzzzz: 1}}]",
     {"tag.NAME"}},
};

// Walks a schema: every property says what it is, every object is closed or open on purpose.
void check_node(const rapidjson::Value& node, const std::string& where) {
  if (node.IsArray()) {
    for (const auto& item : node.GetArray()) check_node(item, where);
    return;
  }
  if (!node.IsObject()) return;
  CAPTURE(where);
  if (node.HasMember("properties")) {
    CHECK(node.HasMember("additionalProperties"));
    for (const auto& property : node["properties"].GetObject()) {
      const std::string key = where + "." + property.name.GetString();
      CAPTURE(key);
      if (property.value.HasMember("$ref")) continue;  // described where it is defined
      CHECK(property.value.HasMember("title"));
      CHECK(property.value.HasMember("description"));
      CHECK(property.value.HasMember("examples"));
    }
  }
  for (const auto& member : node.GetObject()) {
    const std::string name = member.name.GetString();
    if (name != "examples" && name != "default") check_node(member.value, where + "." + name);
  }
}

}  // namespace

TEST_CASE("schemas: the keys are the loaders' keys, at every level") {
  for (const auto& place : places) {
    const std::string where = std::string(place.kind) + place.pointer;
    CAPTURE(where);
    const rapidjson::Document document = schema(place.kind);
    const rapidjson::Value* properties = rapidjson::Pointer(place.pointer).Get(document);
    REQUIRE(properties != nullptr);
    Keys described = place.open;
    for (const auto& member : properties->GetObject()) described.insert(member.name.GetString());
    const Keys known = known_keys(load(place.kind, place.yaml));
    CHECK(known == described);
  }
}

TEST_CASE("schemas: draft-07, closed, and every key explained") {
  for (const char* name : {"jevons", "catalog", "prices", "policy", "policy_test"}) {
    const rapidjson::Document document = schema(name);
    CHECK(std::string(document["$schema"].GetString()) ==
          "http://json-schema.org/draft-07/schema#");
    check_node(document, name);
  }
}

TEST_CASE("schemas: every shipped YAML file names the schema it holds to") {
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.path.ends_with(".yaml")) continue;
    CAPTURE(file.path);
    const std::string_view head = file.text.substr(0, file.text.find('\n'));
    CHECK(head.starts_with("# yaml-language-server: $schema=schemas/"));
    const std::string_view named = head.substr(head.find('=') + 1);
    CHECK_FALSE(embedded_file("policies/" + std::string(named)).empty());
  }
}
