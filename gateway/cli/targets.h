// `jevons targets list` and `jevons targets test`.
#pragma once

#include <string>
#include <vector>

#include "gateway/cli/commands.h"
#include "gateway/config.h"

namespace jevons {

// The catalog as a table; --json with breakers and latency where a gateway runs.
Exit targets_list_command(const Config& config, bool json, const CliIo& io);
// One cheap live call to each; exit 1 if one fails. Through the running gateway if there is one.
Exit targets_test_command(Config config, const std::vector<std::string>& names, bool json,
                          const CliIo& io);

}  // namespace jevons
