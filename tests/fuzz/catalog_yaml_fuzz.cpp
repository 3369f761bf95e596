// A catalog may hold anything: it is refused with placed errors, or its targets are sound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "router/config_load.h"
#include "tests/fuzz/config_checks.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  const YamlFile file{"f.yaml", std::string(reinterpret_cast<const char*>(data), size)};
  std::vector<ConfigError> errors;
  Catalog catalog;
  load_targets(file, catalog, errors);
  check_errors(file, errors);
  if (!errors.empty()) return 0;
  for (const Target& target : catalog.targets) {
    const auto& cost = target.local_cost_per_hour;
    const bool sound = !target.name.empty() && !target.provider.empty() && target.context >= 1 &&
                       target.max_output >= 1 && target.max_output <= target.context &&
                       target.can != 0 && (!cost || cost->value >= 0) &&
                       catalog.find(target.name) != nullptr;
    if (!sound) std::abort();
    for (const auto& [task, value] : target.ability) {
      if (!(value > 0 && value < 1)) std::abort();
    }
  }
  return 0;
}
