// A running gateway: wires the parts together, serves, reloads and drains.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "gateway/config.h"
#include "gateway/target_test.h"
#include "router/error.h"

namespace jevons {

struct ServeOptions {
  std::string config_path;  // absolute; empty: only `config` is used and reload is refused
  Config config;
  std::size_t threads = 1;  // I/O threads
  bool access_log = false;
  std::int64_t drain_ms = 30'000;
};

// Serves until SIGTERM or SIGINT, then drains; a second signal ends at once. Prints the listening
// line on stdout once it accepts. Errors: Fault::config (address, certificate, ledger, keys).
Result<void> serve(ServeOptions options);

// Tests targets (all remote ones if none is named) with the ledger opened by this process; for when
// no gateway runs. Errors: Fault::config.
Result<std::vector<TargetTest>> test_targets_alone(Config config, std::vector<std::string> names);

}  // namespace jevons
