// policies/prices.yaml -> Catalog::prices (contract.md 4). Rates are read as exact decimals.
#include <algorithm>
#include <set>
#include <utility>

#include "router/config_load.h"
#include "router/yaml_values.h"

namespace jevons {

void mark_embedding_prices(Catalog& catalog);

namespace {

using std::string_view;

constexpr struct {
  string_view key;
  TokenClass token_class;
} rate_keys[] = {
    {"input", TokenClass::input},
    {"cache_read", TokenClass::cache_read},
    {"output", TokenClass::output},
    {"reasoning", TokenClass::reasoning},
    {"audio_input", TokenClass::audio_input},
    {"image_input", TokenClass::image_input},
    {"audio_output", TokenClass::audio_output},
};

constexpr string_view row_keys[] = {
    "id",         "from",      "until",       "input",       "cache_read",   "cache_write",
    "output",     "reasoning", "audio_input", "image_input", "audio_output", "per_call",
    "per_second", "windows",   "tiers",       "modes",       "multipliers",  "discount_percent",
    "source"};
constexpr string_view overlay_keys[] = {"input",     "cache_read",  "cache_write", "output",
                                        "reasoning", "audio_input", "image_input", "audio_output",
                                        "per_call",  "per_second",  "tiers"};
constexpr string_view tier_keys[] = {"above",       "from",        "input",     "cache_read",
                                     "cache_write", "output",      "reasoning", "audio_input",
                                     "image_input", "audio_output"};
constexpr string_view window_keys[] = {"utc",         "input",       "cache_read",
                                       "cache_write", "output",      "reasoning",
                                       "audio_input", "image_input", "audio_output"};
constexpr string_view cache_write_keys[] = {"5m", "1h"};
constexpr string_view per_call_keys[] = {"web_search"};
constexpr string_view mode_names[] = {"batch", "flex", "priority", "fast", "scale"};

enum class Layer { row, overlay };

// "unknown" in a row says on purpose what an absent rate says silently. In an overlay an absent
// rate is the row's, so there the word would mean something else.
std::optional<Picodollars> read_rate(YamlReader& reader, const YamlNode& node, string_view what,
                                     Layer layer) {
  if (node.kind != YamlNode::Kind::scalar || node.text != "unknown") {
    return yaml_per_million(reader, node, what);
  }
  if (layer == Layer::overlay) {
    reader.fail(node, "'unknown' stands in the row itself; a mode that is not known is left out");
  }
  return {};
}

void read_cache_write(YamlReader& reader, const YamlNode& node, Layer layer, Rates& rates) {
  auto& five_minutes = rates[TokenClass::cache_write_5m];
  auto& one_hour = rates[TokenClass::cache_write_1h];
  if (node.kind != YamlNode::Kind::map) {
    five_minutes = one_hour = read_rate(reader, node, "cache_write", layer);
    return;
  }
  const YamlMap map(reader, node, "cache_write", cache_write_keys);
  if (const YamlNode* value = map.get("5m")) five_minutes = read_rate(reader, *value, "5m", layer);
  if (const YamlNode* value = map.get("1h")) one_hour = read_rate(reader, *value, "1h", layer);
}

// Dollars per call or second are stored in picodollars.
std::optional<Picodollars> read_unit_price(YamlReader& reader, const YamlNode& node,
                                           string_view what) {
  const auto dollars = yaml_dollars(reader, node, what);
  if (!dollars) return {};
  if (dollars->value > INT64_MAX / 1000) {
    reader.fail(node, std::string(what) + " is too large");
    return {};
  }
  return Picodollars{dollars->value * 1000};
}

Rates read_rates(YamlReader& reader, const YamlMap& map, Layer layer) {
  Rates rates;
  for (const auto& [key, token_class] : rate_keys) {
    if (const YamlNode* value = map.get(key))
      rates[token_class] = read_rate(reader, *value, key, layer);
  }
  if (const YamlNode* value = map.get("cache_write"))
    read_cache_write(reader, *value, layer, rates);
  if (const YamlNode* value = map.get("per_call")) {
    const YamlMap calls(reader, *value, "per_call", per_call_keys);
    if (const YamlNode* search = calls.get("web_search")) {
      rates.web_search = read_unit_price(reader, *search, "web_search");
    }
  }
  if (const YamlNode* value = map.get("per_second")) {
    rates.per_second = read_unit_price(reader, *value, "per_second");
  }
  return rates;
}

std::vector<PriceTier> read_tiers(YamlReader& reader, const YamlMap& row) {
  constexpr std::int64_t tokens_max = 1'000'000'000;
  std::vector<PriceTier> tiers;
  for (const YamlNode& node : row.list("tiers")) {
    const YamlMap map(reader, node, "a tier", tier_keys);
    PriceTier tier;
    std::int64_t above = 0;
    const bool has_above = map.integer("above", above, 0, tokens_max);
    const bool has_from = map.integer("from", tier.from_tokens, 1, tokens_max);
    if (node.find("above") != nullptr && node.find("from") != nullptr) {
      reader.fail(node, "a tier takes 'above' (more than) or 'from' (at least), not both");
    } else if (node.kind == YamlNode::Kind::map && node.find("above") == nullptr &&
               node.find("from") == nullptr) {
      reader.fail(node, "a tier needs 'above' (more than) or 'from' (at least) a number of tokens");
    }
    if (has_above) tier.from_tokens = above + 1;
    tier.rates = read_rates(reader, map, Layer::overlay);
    if ((has_above || has_from) && !tiers.empty() && tier.from_tokens <= tiers.back().from_tokens) {
      reader.fail(node, "tiers must be in ascending order, each once");
    }
    tiers.push_back(std::move(tier));
  }
  return tiers;
}

void read_windows(YamlReader& reader, const YamlMap& row, Price& price) {
  for (const YamlNode& node : row.list("windows")) {
    const YamlMap map(reader, node, "a window", window_keys);
    PriceWindow window;
    if (const YamlNode* utc = map.need("utc")) {
      for (const YamlNode* one : yaml_several(reader, *utc, "utc")) {
        if (const auto daily = yaml_daily_window(reader, *one, "utc")) window.utc.push_back(*daily);
      }
    }
    window.rates = read_rates(reader, map, Layer::overlay);
    price.windows.push_back(std::move(window));
  }
}

void read_modes(YamlReader& reader, const YamlNode& node, Price& price) {
  const YamlMap modes(reader, node, "modes", mode_names);
  for (const string_view name : mode_names) {
    const YamlNode* mode = modes.get(name);
    if (mode == nullptr) continue;
    const YamlMap map(reader, *mode, "a mode", overlay_keys);
    price.modes[std::string(name)] = read_rates(reader, map, Layer::overlay);
    auto tiers = read_tiers(reader, map);
    if (!tiers.empty()) price.mode_tiers[std::string(name)] = std::move(tiers);
  }
}

void read_multipliers(YamlReader& reader, const YamlNode& node, Price& price) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node, "multipliers takes {region: factor}, such as {us: 1.1}");
    return;
  }
  for (std::size_t i = 0; i < node.keys.size(); ++i) {
    const std::string& region = node.keys[i].text;
    if (const auto factor = yaml_rational(reader, node.items[i], "multipliers." + region)) {
      price.multipliers[region] = *factor;
    }
  }
}

// discount_percent: 12.5 -> 875/1000.
void read_discount(YamlReader& reader, const YamlNode& node, Price& price) {
  const auto percent = yaml_decimal(reader, node, "discount_percent", 0, 100);
  if (!percent || *percent == 0) return;
  if (*percent == 100) {
    price.discount = Rational{0, 1};
    return;
  }
  if (const auto exact = yaml_rational(reader, node, "discount_percent")) {
    price.discount =
        Rational{100 * exact->denominator - exact->numerator, 100 * exact->denominator};
  }
}

Price read_price(YamlReader& reader, const YamlNode& node) {
  const YamlMap map(reader, node, "a price row", row_keys);
  Price price;
  if (map.need("id") != nullptr) map.name("id", price.id);
  if (const YamlNode* from = map.need("from")) {
    price.from_unix_s = yaml_date(reader, *from, "from").value_or(0);
    price.row_id = price.id + "@" + from->text;
  }
  if (const YamlNode* until = map.get("until")) {
    price.until_unix_s = yaml_date(reader, *until, "until").value_or(INT64_MAX);
    if (price.until_unix_s <= price.from_unix_s) {
      reader.fail(*until, "until must be after from: the row is valid from 'from', before 'until'");
    }
  }
  price.base = read_rates(reader, map, Layer::row);
  price.tiers = read_tiers(reader, map);
  read_windows(reader, map, price);
  if (const YamlNode* modes = map.get("modes")) read_modes(reader, *modes, price);
  if (const YamlNode* factors = map.get("multipliers")) read_multipliers(reader, *factors, price);
  if (const YamlNode* discount = map.get("discount_percent")) {
    read_discount(reader, *discount, price);
  }
  map.text("source", price.source);
  return price;
}

}  // namespace

void load_prices(const YamlFile& file, Catalog& catalog, std::vector<ConfigError>& errors) {
  YamlReader reader(file, errors);
  if (!reader.ok()) return;
  static constexpr string_view keys[] = {"prices"};
  const YamlMap top(reader, reader.root(), "the price file", keys);
  std::set<std::string> row_ids;
  for (const Price& price : catalog.prices) row_ids.insert(price.row_id);
  if (top.need("prices") == nullptr) return;
  for (const YamlNode& node : top.list("prices")) {
    Price price = read_price(reader, node);
    if (!price.row_id.empty() && !row_ids.insert(price.row_id).second) {
      reader.fail(node, "price row '" + price.row_id +
                            "' exists already; the ledger names rows by " +
                            "id and date, so give this one another 'from'");
    }
    catalog.prices.push_back(std::move(price));
  }
  mark_embedding_prices(catalog);
}

}  // namespace jevons
