// policies/catalog.yaml: every form of contract.md 3, every mistake with its message.
#include <doctest/doctest.h>

#include "tests/router/catalog_text.h"

using namespace jevons;

namespace {

std::string errors_of(const std::string& text) {
  return testing::catalog_errors(load_targets, {"c.yaml", "targets:\n" + text});
}

Catalog loaded(const std::string& text) {
  return testing::catalog_of(load_targets, {"c.yaml", text});
}

}  // namespace

TEST_CASE("catalog: the example of the contract") {
  const Catalog catalog = loaded(
      "targets:\n"
      "  - name: claude-sonnet\n"
      "    aliases: [sonnet]\n"
      "    provider: anthropic\n"
      "    model: claude-sonnet-4-6\n"
      "    price: anthropic/claude-sonnet-4-6\n"
      "    tier: premium\n"
      "    context: 1000000\n"
      "    max_output: 64000\n"
      "    can: [chat, stream, tools, json_schema, vision, thinking]\n"
      "    efforts: [low, medium, high]\n"
      "    rejects: []\n"
      "    image_tokens_max: 1600\n"
      "    labels: {region: us, compliance: [soc2, iso]}\n"
      "    ability: {overall: 0.86, code: 0.88, tool-use: 1}\n"
      "    latency: {ttft_ms: 700, tpot_ms: 14.5}\n"
      "  - {name: copy, like: claude-sonnet, provider: p, model: m, tier: budget,\n"
      "     ability: {code: 0.5}}\n"
      "  - name: local-moe\n"
      "    provider: local\n"
      "    model: ../models/olmoe.gguf\n"
      "    tier: local\n"
      "    device: cuda\n"
      "    context: 2048\n"
      "    slots: 16\n"
      "    cost: {usd_per_hour: 0.90}\n");
  const Target& sonnet = *catalog.find("sonnet");
  CHECK(sonnet.name == "claude-sonnet");
  CHECK(sonnet.provider == "anthropic");
  CHECK(sonnet.model == "claude-sonnet-4-6");
  CHECK(sonnet.price_id == "anthropic/claude-sonnet-4-6");
  CHECK(sonnet.tier == Tier::premium);
  CHECK(sonnet.context == 1'000'000);
  CHECK(sonnet.max_output == 64'000);
  CHECK(has(sonnet.can, Capability::thinking));
  CHECK_FALSE(has(sonnet.can, Capability::audio));
  CHECK(sonnet.efforts == std::vector<std::string>{"low", "medium", "high"});
  CHECK(sonnet.rejects.empty());
  CHECK(sonnet.labels.at("region") == std::vector<std::string>{"us"});
  CHECK(sonnet.labels.at("compliance") == std::vector<std::string>{"soc2", "iso"});
  CHECK(sonnet.ability.at("overall") == 0.86);
  CHECK(sonnet.ability.at("tool-use") == 0.999);  // its logit must exist
  CHECK(sonnet.ttft_ms == 700);
  CHECK(sonnet.tpot_ms == 14.5);
  CHECK(catalog.find("copy")->ability.at("overall") == 0.86);
  CHECK(catalog.find("copy")->ability.at("code") == 0.5);
  const Target& local = *catalog.find("local-moe");
  CHECK(local.device == "cuda");
  CHECK(local.slots == 16);
  CHECK(local.max_output == 2048);  // the default, within the context
  CHECK(local.can == (static_cast<Capabilities>(Capability::chat) |
                      static_cast<Capabilities>(Capability::stream)));
  CHECK(local.local_cost_per_hour == Nanodollars{900'000'000});
  CHECK(local.ability.at("overall") == 0.5);  // no evidence
}

TEST_CASE("catalog: what an hour of the local engine costs") {
  const struct {
    const char* when;
    const char* cost;
    std::int64_t nanodollars;
  } rows[] = {
      {"said outright", "{usd_per_hour: 0.9}", 900'000'000},
      {"hardware over its life", "{hardware_usd: 730, life_months: 10}", 100'000'000},
      {"with energy", "{hardware_usd: 730, life_months: 10, watts: 500, usd_per_kwh: 0.3}",
       250'000'000},
      {"half idle costs twice as much",
       "{hardware_usd: 730, life_months: 10, watts: 500, usd_per_kwh: 0.3, utilisation: 0.5}",
       500'000'000},
      {"rounded up", "{hardware_usd: 730, life_months: 10, utilisation: 0.3}", 333'333'334},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Catalog catalog =
        loaded("targets:\n  - {name: l, provider: p, model: m, tier: local, cost: " +
               std::string(row.cost) + "}\n");
    REQUIRE(catalog.targets.at(0).local_cost_per_hour.has_value());
    CHECK(catalog.targets.at(0).local_cost_per_hour->value == row.nanodollars);
  }
}

TEST_CASE("catalog: a price used for embeddings needs no output rate, in either loading order") {
  const std::string targets =
      "targets:\n  - {name: e, provider: p, model: m, price: p/e, tier: budget, can: "
      "[embeddings]}\n";
  const std::string prices = "prices:\n  - {id: p/e, from: 2026-01-01, input: 0.02}\n";
  for (const bool prices_first : {true, false}) {
    Catalog catalog;
    std::vector<ConfigError> errors;
    if (prices_first) load_prices({"p.yaml", prices}, catalog, errors);
    load_targets({"c.yaml", targets}, catalog, errors);
    if (!prices_first) load_prices({"p.yaml", prices}, catalog, errors);
    REQUIRE(errors.empty());
    CHECK(catalog.prices.at(0).embeddings);
  }
}

namespace {

const struct {
  const char* when;
  const char* rows;
  const char* error;
} mistakes[] = {
    {"a misspelt key", "  - {name: a, provider: p, modle: m, model: m, tier: budget}\n",
     "c.yaml:2:28: unknown key 'modle' in a target; did you mean 'model'?\n"
     "  - {name: a, provider: p, modle: m, model: m, tier: budget}\n"
     "                           ^\n"},
    {"what every target needs", "  - {name: a}\n",
     "c.yaml:2:5: a target needs 'provider'\n  - {name: a}\n    ^\n"
     "c.yaml:2:5: a target needs 'model'\n  - {name: a}\n    ^\n"
     "c.yaml:2:5: a target needs 'tier'\n  - {name: a}\n    ^\n"},
    {"an unknown tier", "  - {name: a, provider: p, model: m, tier: cheap}\n",
     "c.yaml:2:44: tier takes local, budget or premium, got 'cheap'\n"
     "  - {name: a, provider: p, model: m, tier: cheap}\n"
     "                                           ^\n"},
    {"tokens with a unit", "  - {name: a, provider: p, model: m, tier: budget, context: 128k}\n",
     "c.yaml:2:61: context takes a whole number from 1 to 1000000000, got '128k'\n"
     "  - {name: a, provider: p, model: m, tier: budget, context: 128k}\n"
     "                                                            ^\n"},
    {"tokens with a leading zero",
     "  - {name: a, provider: p, model: m, tier: budget, context: 012}\n",
     "c.yaml:2:61: context must not have leading zeros, got '012'\n"
     "  - {name: a, provider: p, model: m, tier: budget, context: 012}\n"
     "                                                            ^\n"},
    {"more output than context",
     "  - {name: a, provider: p, model: m, tier: budget, context: 10, max_output: 11}\n",
     "c.yaml:2:77: max_output is larger than context (10)\n"
     "  - {name: a, provider: p, model: m, tier: budget, context: 10, max_output: 11}\n"
     "                                                                            ^\n"},
    {"an unknown capability", "  - {name: a, provider: p, model: m, tier: budget, can: [tool]}\n",
     "c.yaml:2:58: can takes chat, stream, tools, json_schema, vision, thinking, audio, file, "
     "logprobs or embeddings, got 'tool'\n"
     "  - {name: a, provider: p, model: m, tier: budget, can: [tool]}\n"
     "                                                         ^\n"},
    {"an ability in percent",
     "  - {name: a, provider: p, model: m, tier: budget, ability: {overall: 86}}\n",
     "c.yaml:2:71: overall takes a plain decimal from 0 to 1, got '86'\n"
     "  - {name: a, provider: p, model: m, tier: budget, ability: {overall: 86}}\n"
     "                                                                      ^\n"},
    {"a name twice",
     "  - {name: a, provider: p, model: m, tier: budget}\n"
     "  - {name: b, aliases: [a], provider: p, model: m, tier: budget}\n",
     "c.yaml:3:5: the name 'a' is taken already by target 'a'\n"
     "  - {name: b, aliases: [a], provider: p, model: m, tier: budget}\n    ^\n"},
    {"like nobody", "  - {name: a, provider: p, model: m, tier: budget, like: b}\n",
     "c.yaml:2:58: unknown target 'b'; did you mean 'a'?\n"
     "  - {name: a, provider: p, model: m, tier: budget, like: b}\n"
     "                                                         ^\n"},
    {"like itself", "  - {name: a, provider: p, model: m, tier: budget, like: a}\n",
     "c.yaml:2:58: like: leads back to 'a'; one target of the circle needs an ability\n"
     "  - {name: a, provider: p, model: m, tier: budget, like: a}\n"
     "                                                         ^\n"},
    {"a cost on a remote target",
     "  - {name: a, provider: p, model: m, tier: budget, cost: {usd_per_hour: 1}}\n",
     "c.yaml:2:58: cost belongs to targets of tier local; others take a 'price'\n"
     "  - {name: a, provider: p, model: m, tier: budget, cost: {usd_per_hour: 1}}\n"
     "                                                         ^\n"},
    {"half a cost",
     "  - {name: a, provider: p, model: m, tier: local, cost: {hardware_usd: 100}}\n",
     "c.yaml:2:57: cost needs 'life_months'\n"
     "  - {name: a, provider: p, model: m, tier: local, cost: {hardware_usd: 100}}\n"
     "                                                        ^\n"},
    {"a name with spaces", "  - {name: a b, provider: p, model: m, tier: budget}\n",
     "c.yaml:2:12: name takes a name of letters, digits and . _ - / : (at most 128), got 'a b'\n"
     "  - {name: a b, provider: p, model: m, tier: budget}\n           ^\n"},
    {"a key without a value", "  - {name: a, provider: p, model: m, tier: budget, price: }\n",
     "c.yaml:2:52: price needs a value; remove the key to leave it out\n"
     "  - {name: a, provider: p, model: m, tier: budget, price: }\n"
     "                                                   ^\n"},
    {"a text where a mapping belongs", "  - a\n",
     "c.yaml:2:5: a target must be a mapping of 'key: value'\n  - a\n    ^\n"},
};

}  // namespace

TEST_CASE("catalog: by_effort makes a target of each effort") {
  const Catalog catalog = loaded(
      "targets:\n"
      "  - {name: gpt, aliases: [g], provider: p, model: m, tier: budget, efforts: [low, high],\n"
      "     ability: {overall: 0.8, code: 0.6}, labels: {region: us},\n"
      "     by_effort: {high: {overall: 0.9, math: 0.95}, low: {}}}\n"
      "  - {name: other, provider: p, model: m, tier: budget}\n");
  std::string names;
  for (const Target& target : catalog.targets)
    names += target.name + "(" +
             (target.labels.contains("effort") ? target.labels.at("effort").at(0) : "") + ") ";
  CHECK(names == "gpt(stated) other() gpt:low(low) gpt:high(high) ");
  const Target& low = *catalog.find("gpt:low");
  const Target& high = *catalog.find("gpt:high");
  CHECK(catalog.find("g")->name == "gpt");
  CHECK(low.aliases.empty());
  CHECK(low.model == "m");
  CHECK(low.labels.at("region") == std::vector<std::string>{"us"});
  CHECK(low.ability.at("overall") == doctest::Approx(0.8));
  CHECK(low.ability.at("code") == doctest::Approx(0.6));
  CHECK(high.ability.at("overall") == 0.9);
  CHECK(high.ability.at("math") == 0.95);
  CHECK(high.ability.at("code") == doctest::Approx(0.7714).epsilon(0.001));  // odds x 9 / 4
}

TEST_CASE("catalog: mistakes in by_effort") {
  const std::string head =
      "  - {name: a, provider: p, model: m, tier: budget, efforts: [low, high],";
  struct {
    const char* when;
    const char* rows;
    const char* error;
  } rows[] = {
      {"an effort that it does not take", "\n     by_effort: {medium: {overall: 0.5}}}\n",
       "c.yaml:3:18: unknown effort 'medium' in efforts (known: low, high)"},
      {"a number in place of abilities", "\n     by_effort: {low: 0.5}}\n",
       "c.yaml:3:23: ability must be a mapping of 'key: value'"},
      {"nothing", "\n     by_effort: {}}\n",
       "c.yaml:3:17: by_effort takes {effort: ability}, such as {low: {overall: 0.8}}"},
      {"a label of that name", "\n     by_effort: {low: {}}, labels: {effort: mine}}\n",
       "c.yaml:3:17: by_effort sets the label 'effort', which this target has already"},
      {"a name that is taken",
       "\n     by_effort: {low: {}}}\n  - {name: \"a:low\", provider: p, model: m, tier: budget}\n",
       "c.yaml:4:5: the name 'a:low' is taken already by target 'a:low'"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const std::string said = errors_of(head + row.rows);
    CHECK(said.substr(0, said.find('\n')) == row.error);
  }
}

TEST_CASE("catalog: mistakes, each with its message") {
  for (const auto& row : mistakes) {
    CAPTURE(row.when);
    CHECK(errors_of(row.rows) == row.error);
  }
}
