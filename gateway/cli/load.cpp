#include "gateway/cli/load.h"

#include <filesystem>

namespace jevons {

std::optional<LoadedConfig> load_for_command(const std::string& config_option, const CliIo& io) {
  const ConfigSources sources = system_sources();
  const std::string found = find_config(config_option, sources);
  if (found.empty()) {
    io.err << (config_option.empty()
                   ? "no jevons.yaml here, in $XDG_CONFIG_HOME/jevons or in /etc/jevons; "
                     "`jevons init` writes one\n"
                   : config_option + ": no such file\n");
    return std::nullopt;
  }
  LoadedConfig loaded;
  loaded.path = std::filesystem::absolute(found).string();
  std::vector<ConfigError> errors;
  if (!load_config(loaded.path, sources, loaded.config, errors)) {
    io.err << config_errors_text(errors) << '\n';
    return std::nullopt;
  }
  return loaded;
}

}  // namespace jevons
