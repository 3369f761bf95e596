// What most commands begin with: the configuration, or all that is wrong with it.
#pragma once

#include <optional>
#include <string>

#include "gateway/cli/commands.h"
#include "gateway/config.h"

namespace jevons {

struct LoadedConfig {
  std::string path;  // absolute
  Config config;
};

// Empty after printing why to `err`; the exit code is then Exit::config.
std::optional<LoadedConfig> load_for_command(const std::string& config_option, const CliIo& io);

}  // namespace jevons
