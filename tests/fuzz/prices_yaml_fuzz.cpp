// A price table may hold anything: it is refused with placed errors, or no price is negative.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "router/config_load.h"
#include "tests/fuzz/config_checks.h"

namespace {

void check_rates(const jevons::Rates& rates) {
  for (const auto& rate : rates.per_token) {
    if (rate && rate->value < 0) std::abort();
  }
  if (rates.web_search && rates.web_search->value < 0) std::abort();
  if (rates.per_second && rates.per_second->value < 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  const YamlFile file{"f.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  std::vector<ConfigError> errors;
  Catalog catalog;
  load_prices(file, catalog, errors);
  check_errors(file, errors);
  if (!errors.empty()) return 0;
  for (const Price& price : catalog.prices) {
    check_rates(price.base);
    for (const auto& entry : price.modes) check_rates(entry.second);
    for (const PriceTier& tier : price.tiers) check_rates(tier.rates);
    for (const PriceWindow& window : price.windows) check_rates(window.rates);
    for (const auto& entry : price.multipliers) {
      if (entry.second.numerator <= 0 || entry.second.denominator <= 0) std::abort();
    }
    if (price.discount && (price.discount->numerator < 0 || price.discount->denominator <= 0 ||
                           price.discount->numerator > price.discount->denominator)) {
      std::abort();
    }
    // Whatever loads can be priced or is unknown, without a crash.
    Usage usage;
    usage[TokenClass::input] = {1'000'000'000'000, Provenance::measured};
    usage[TokenClass::output] = {1'000'000'000'000, Provenance::measured};
    for (const char* mode : {"", "batch", "priority"}) {
      const auto cost = cost_of(
          price, {.unix_s = price.from_unix_s, .mode = mode, .total_input = 1, .region = "us"},
          usage);
      if (cost && cost->total.value < 0) std::abort();
    }
  }
  return 0;
}
