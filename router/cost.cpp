// Prices: which row holds at a time, which rates a call pays, and what an attempt cost. All
// integer; one rounding, up, at the very end (contract.md 4).
#include <algorithm>

#include "router/conditions.h"
#include "router/target.h"

namespace jevons {
namespace {

// Tokens times picodollars leave int64 long before a bill does.
__extension__ using int128 = __int128;

constexpr int128 picodollars_per_nanodollar = 1000;
constexpr int128 milliseconds_per_second = 1000;

void overlay(Rates& rates, const Rates& layer) {
  for (std::size_t i = 0; i < token_class_count; ++i) {
    if (layer.per_token[i]) rates.per_token[i] = layer.per_token[i];
  }
  if (layer.web_search) rates.web_search = layer.web_search;
  if (layer.per_second) rates.per_second = layer.per_second;
}

void overlay_tier(Rates& rates, const std::vector<PriceTier>& tiers, std::int64_t total_input) {
  const PriceTier* reached = nullptr;
  for (const PriceTier& tier : tiers) {
    if (total_input >= tier.from_tokens) reached = &tier;
  }
  if (reached != nullptr) overlay(rates, reached->rates);
}

void fill_derived_classes(Rates& rates) {
  using enum TokenClass;
  for (const TokenClass c :
       {cache_read, cache_write_5m, cache_write_1h, audio_input, image_input}) {
    if (!rates[c]) rates[c] = rates[input];
  }
  for (const TokenClass c : {reasoning, audio_output}) {
    if (!rates[c]) rates[c] = rates[output];
  }
}

// A sum of amounts that remembers when it left its type, so that callers check once.
struct CheckedSum {
  int128 value = 0;
  bool overflow = false;

  void add_product(int128 a, int128 b) {
    int128 product = 0;
    overflow |= __builtin_mul_overflow(a, b, &product);
    overflow |= __builtin_add_overflow(value, product, &value);
  }
  void add(const CheckedSum& other) {
    overflow |= other.overflow || __builtin_add_overflow(value, other.value, &value);
  }
};

// Sums are kept in units of picodollars / 1000, because engine time is in milliseconds.
constexpr int128 sum_units_per_picodollar = milliseconds_per_second;

// Adds one class; false when tokens were used whose rate is unknown.
bool add_tokens(CheckedSum& sum, const Rates& rates, const Usage& usage, TokenClass c) {
  const std::int64_t count = usage[c].count;
  if (count == 0) return true;
  if (count < 0 || !rates[c]) return false;
  sum.add_product(static_cast<int128>(count) * sum_units_per_picodollar, rates[c]->value);
  return true;
}

bool add_calls(CheckedSum& sum, const Rates& rates, const Usage& usage,
               std::int64_t engine_milliseconds) {
  if (usage.web_search_calls != 0) {
    if (usage.web_search_calls < 0 || !rates.web_search) return false;
    sum.add_product(static_cast<int128>(usage.web_search_calls) * sum_units_per_picodollar,
                    rates.web_search->value);
  }
  if (rates.per_second && engine_milliseconds > 0) {
    sum.add_product(engine_milliseconds, rates.per_second->value);
  }
  return true;
}

// The sums by metric component, before multipliers.
struct Sums {
  CheckedSum input, cache_read, cache_write, output, reasoning, call;
};

std::optional<Sums> sums_of(const Rates& rates, const Usage& usage,
                            std::int64_t engine_milliseconds) {
  Sums sums;
  bool known = true;
  const auto add = [&](CheckedSum& sum, TokenClass c) {
    known = add_tokens(sum, rates, usage, c) && known;
  };
  add(sums.input, TokenClass::input);
  add(sums.input, TokenClass::audio_input);
  add(sums.input, TokenClass::image_input);
  add(sums.cache_read, TokenClass::cache_read);
  add(sums.cache_write, TokenClass::cache_write_5m);
  add(sums.cache_write, TokenClass::cache_write_1h);
  add(sums.output, TokenClass::output);
  add(sums.output, TokenClass::audio_output);
  add(sums.reasoning, TokenClass::reasoning);
  known = add_calls(sums.call, rates, usage, engine_milliseconds) && known;
  if (!known) return std::nullopt;
  return sums;
}

// All factors of a call as one fraction: region multiplier, discount, and the units of the sums.
struct Factor {
  int128 numerator = 1;
  int128 denominator = sum_units_per_picodollar * picodollars_per_nanodollar;
  bool valid = true;

  void multiply(const Rational& r) {
    valid = valid && r.numerator >= 0 && r.denominator > 0 &&
            !__builtin_mul_overflow(numerator, static_cast<int128>(r.numerator), &numerator) &&
            !__builtin_mul_overflow(denominator, static_cast<int128>(r.denominator), &denominator);
  }
};

Factor factor_of(const Price& price, const PriceQuery& query) {
  Factor factor;
  if (const auto found = price.multipliers.find(query.region); found != price.multipliers.end()) {
    factor.multiply(found->second);
  }
  if (price.discount) factor.multiply(*price.discount);
  return factor;
}

struct Division {
  int128 quotient, remainder;
};

// Of a number that is not negative; most amounts fit 64 bits, where it is several times quicker.
Division divided(int128 a, int128 b) {
  if (a <= INT64_MAX && b <= INT64_MAX) {
    const auto x = static_cast<std::int64_t>(a), y = static_cast<std::int64_t>(b);
    return {x / y, x % y};
  }
  const int128 quotient = a / b;
  return {quotient, a - quotient * b};
}

enum class Rounding { up, nearest };

std::optional<Nanodollars> scaled(const CheckedSum& sum, const Factor& factor, Rounding rounding) {
  int128 product = 0;
  if (sum.overflow || !factor.valid) return std::nullopt;
  if (__builtin_mul_overflow(sum.value, factor.numerator, &product)) return std::nullopt;
  if (product == 0) return Nanodollars{};
  const Division division = divided(product, factor.denominator);
  int128 quotient = division.quotient;
  const int128 remainder = division.remainder;
  const bool up =
      rounding == Rounding::up ? remainder != 0 : remainder >= factor.denominator - remainder;
  if (up) ++quotient;
  if (quotient > nanodollars_max.value) return std::nullopt;
  return Nanodollars{static_cast<std::int64_t>(quotient)};
}

}  // namespace

const Target* Catalog::find(std::string_view name_or_alias) const {
  for (const Target& target : targets) {
    if (target.name == name_or_alias) return &target;
  }
  for (const Target& target : targets) {
    const auto& aliases = target.aliases;
    if (std::find(aliases.begin(), aliases.end(), name_or_alias) != aliases.end()) return &target;
  }
  return nullptr;
}

const Price* price_at(const Catalog& catalog, std::string_view price_id, std::int64_t unix_s) {
  for (auto row = catalog.prices.rbegin(); row != catalog.prices.rend(); ++row) {
    if (row->id == price_id && unix_s >= row->from_unix_s && unix_s < row->until_unix_s) {
      return &*row;
    }
  }
  return nullptr;
}

std::optional<Rates> effective_rates(const Price& price, const PriceQuery& query) {
  Rates rates = price.base;
  const std::vector<PriceTier>* tiers = &price.tiers;
  if (!query.mode.empty() && query.mode != "standard") {
    const auto mode = price.modes.find(query.mode);
    if (mode == price.modes.end()) return std::nullopt;
    overlay(rates, mode->second);
    // A mode without tiers of its own inherits the row's, like every absent key: a long call is
    // then priced too dear rather than too cheap.
    const auto own = price.mode_tiers.find(query.mode);
    if (own != price.mode_tiers.end()) tiers = &own->second;
  }
  overlay_tier(rates, *tiers, query.total_input);
  const int minute = minute_of_day_utc(query.unix_s);
  for (const PriceWindow& window : price.windows) {
    const auto now = [minute](const DailyWindow& daily) { return in_daily_window(daily, minute); };
    if (std::any_of(window.utc.begin(), window.utc.end(), now)) overlay(rates, window.rates);
  }
  if (!rates[TokenClass::input]) return std::nullopt;
  if (!rates[TokenClass::output] && !price.embeddings) return std::nullopt;
  fill_derived_classes(rates);
  return rates;
}

namespace {

CheckedSum total_of(const Sums& sums) {
  CheckedSum all;
  for (const CheckedSum* part : {&sums.input, &sums.cache_read, &sums.cache_write, &sums.output,
                                 &sums.reasoning, &sums.call}) {
    all.add(*part);
  }
  return all;
}

}  // namespace

std::optional<CostBreakdown> cost_of(const Price& price, const PriceQuery& query,
                                     const Usage& usage, std::int64_t engine_milliseconds) {
  const auto rates = effective_rates(price, query);
  if (!rates) return std::nullopt;
  const auto sums = sums_of(*rates, usage, engine_milliseconds);
  if (!sums) return std::nullopt;
  const Factor factor = factor_of(price, query);
  const auto total = scaled(total_of(*sums), factor, Rounding::up);
  if (!total) return std::nullopt;
  // No part exceeds the total, so none of these can be empty.
  const auto part = [&factor](const CheckedSum& sum) {
    return scaled(sum, factor, Rounding::nearest).value_or(Nanodollars{});
  };
  return CostBreakdown{.total = *total,
                       .input = part(sums->input),
                       .cache_read = part(sums->cache_read),
                       .cache_write = part(sums->cache_write),
                       .output = part(sums->output),
                       .reasoning = part(sums->reasoning),
                       .call = part(sums->call)};
}

std::optional<Nanodollars> total_cost(const Price& price, const Rates& rates,
                                      const PriceQuery& query, const Usage& usage) {
  const auto sums = sums_of(rates, usage, 0);
  if (!sums) return std::nullopt;
  return scaled(total_of(*sums), factor_of(price, query), Rounding::up);
}

Nanodollars local_cost(Nanodollars per_hour, std::int64_t engine_microseconds) {
  constexpr int128 microseconds_per_hour = 3'600'000'000;
  if (per_hour.value <= 0 || engine_microseconds <= 0) return {};
  const int128 product = static_cast<int128>(per_hour.value) * engine_microseconds;
  const int128 cost = (product + microseconds_per_hour - 1) / microseconds_per_hour;
  if (cost > nanodollars_max.value) return nanodollars_max;
  return Nanodollars{static_cast<std::int64_t>(cost)};
}

}  // namespace jevons
