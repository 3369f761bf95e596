// Catalog of targets and the dated price table: immutable after loading.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/classification.h"
#include "router/money.h"
#include "router/usage.h"

namespace jevons {

// Rates of one price row or one of its overlays. Per token in picodollars; absent = inherit, and
// at the end of inheritance: cache_* = input, reasoning = output, other classes = own side's rate.
struct Rates {
  std::array<std::optional<Picodollars>, token_class_count> per_token{};
  std::optional<Picodollars> web_search;  // per call
  std::optional<Picodollars> per_second;

  std::optional<Picodollars>& operator[](TokenClass c) {
    return per_token[static_cast<std::size_t>(c)];
  }
  const std::optional<Picodollars>& operator[](TokenClass c) const {
    return per_token[static_cast<std::size_t>(c)];
  }
};

struct DailyWindow {  // minutes after 00:00 UTC, [from, until), may wrap past midnight
  int from_minute = 0;
  int until_minute = 0;
};

struct PriceWindow {
  std::vector<DailyWindow> utc;
  Rates rates;
};

struct PriceTier {               // a cliff: total input picks one tier for all tokens of the call
  std::int64_t from_tokens = 0;  // first total input that it covers (`above: N` is stored as N+1)
  Rates rates;
};

// A multiplier as an exact fraction (1.1 = 11/10).
struct Rational {
  std::int64_t numerator = 1;
  std::int64_t denominator = 1;
};

struct Price {
  std::string id;                // "deepseek/deepseek-v4-flash"
  std::string row_id;            // id@from, what the ledger stores
  std::int64_t from_unix_s = 0;  // valid [from, until)
  std::int64_t until_unix_s = INT64_MAX;
  bool embeddings = false;  // needs no output rate
  Rates base;
  std::map<std::string, Rates> modes;  // batch, flex, priority, fast
  std::vector<PriceTier> tiers;        // ascending
  std::map<std::string, std::vector<PriceTier>> mode_tiers;
  std::vector<PriceWindow> windows;
  std::map<std::string, Rational> multipliers;  // by the target's label region
  std::optional<Rational> discount;             // e.g. 90/100 for discount_percent: 10
  std::string source;
};

enum class Tier : std::uint8_t { local, budget, premium };
std::string_view tier_name(Tier tier);

// Capabilities as a bit set.
enum class Capability : std::uint32_t {
  chat = 1,
  stream = 2,
  tools = 4,
  json_schema = 8,
  vision = 16,
  thinking = 32,
  audio = 64,
  file = 128,
  logprobs = 256,
  embeddings = 512
};
using Capabilities = std::uint32_t;
constexpr bool has(Capabilities set, Capability c) {
  return (set & static_cast<Capabilities>(c)) != 0;
}
std::string_view capability_name(Capability capability);

struct LocalCost {                      // true price of the local target (product.md 6)
  std::optional<Nanodollars> per_hour;  // usd_per_hour, or derived from hardware and energy
};

struct Target {
  std::string name;
  std::vector<std::string> aliases;
  std::string provider;
  std::string model;     // the upstream's name; a path for local targets
  std::string price_id;  // empty for local
  Tier tier = Tier::budget;
  std::int64_t context = 8192;
  std::int64_t max_output = 4096;
  Capabilities can = 0;
  std::vector<std::string> efforts;
  std::vector<std::string> rejects;
  std::int64_t image_tokens_max = 1600;
  std::map<std::string, std::vector<std::string>> labels;  // a scalar is a list of one
  std::map<std::string, double> ability;                   // "overall" and task names, 0..1
  std::string like;                                        // resolved at load: ability copied
  double ttft_ms = 1000;                                   // prior until measured
  double tpot_ms = 20;
  // local only
  std::string device = "auto";
  std::int64_t slots = 8;
  std::optional<Nanodollars> local_cost_per_hour;

  // The reported name: upstream's, or a local target's own.
  const std::string& reported_model() const { return tier == Tier::local ? name : model; }
};

struct Catalog {
  std::vector<Target> targets;
  std::vector<Price> prices;  // all rows, file order; the last match wins
  const Target* find(std::string_view name_or_alias) const;
};

// The row valid at a time, or null: the last matching row in file order wins.
const Price* price_at(const Catalog& catalog, std::string_view price_id, std::int64_t unix_s);

struct PriceQuery {
  std::int64_t unix_s = 0;       // time of the intent
  std::string mode;              // empty or "standard", "batch", "flex", "priority", "fast"
  std::int64_t total_input = 0;  // cached included: picks the tier
  std::string region;            // label region of the target, empty none
};

// Effective rates: row, then mode, then its tier, then window (contract.md 4). Empty for an
// unlisted mode, and where input (or output, unless embeddings) stays absent.
std::optional<Rates> effective_rates(const Price& price, const PriceQuery& query);

struct CostBreakdown {  // picodollars before rounding, by metric component
  Nanodollars total;
  Nanodollars input, cache_read, cache_write, output, reasoning,
      call;  // rounded to nearest, informative
};

// Cost of one attempt, rounded up once (contract.md 4). Empty when the price is unknown for the
// query or a sum leaves int64.
std::optional<CostBreakdown> cost_of(const Price& price, const PriceQuery& query,
                                     const Usage& usage, std::int64_t engine_milliseconds = 0);
// The same total without its parts and without engine time, from the query's effective rates: what
// a decision weighs and a budget holds, many times a request.
std::optional<Nanodollars> total_cost(const Price& price, const Rates& rates,
                                      const PriceQuery& query, const Usage& usage);

// Local target: cost per hour times engine time, rounded up.
Nanodollars local_cost(Nanodollars per_hour, std::int64_t engine_microseconds);

}  // namespace jevons
