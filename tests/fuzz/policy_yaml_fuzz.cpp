// A policy file may hold anything: it is refused with placed errors, or what it says is in range.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "router/config_load.h"
#include "tests/fuzz/config_checks.h"

namespace {

const jevons::Catalog& catalog() {
  static const jevons::Catalog loaded = [] {
    jevons::Catalog catalog;
    std::vector<jevons::ConfigError> errors;
    jevons::load_targets(
        {"c.yaml",
         "targets:\n"
         "  - {name: small, provider: up, model: s, tier: budget, labels: {region: [eu, us]}}\n"
         "  - {name: claude-opus, aliases: [opus], provider: up, model: o, tier: premium}\n"
         "  - {name: local-moe, provider: local, model: m, tier: local}\n"},
        catalog, errors);
    return catalog;
  }();
  return loaded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  const YamlFile file{"f.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  std::vector<ConfigError> errors;
  const Policy policy = load_policy(file, catalog(), errors);
  check_errors(file, errors);
  if (!errors.empty()) return 0;
  const bool sound = !policy.name.empty() && policy.quality_floor >= 0 &&
                     policy.quality_floor <= 1 && policy.fallback_attempts >= 1 &&
                     policy.fallback_attempts <= 10 && policy.hedge_at_most >= 0 &&
                     policy.hedge_at_most <= 1 && policy.explore_rate <= 1 &&
                     (!policy.max_cost || policy.max_cost->value >= 0) &&
                     (policy.baseline.empty() || catalog().find(policy.baseline) != nullptr);
  if (!sound) std::abort();
  return 0;
}
