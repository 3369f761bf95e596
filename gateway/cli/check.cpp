// `jevons check`: every error of the configuration at once.
#include "gateway/cli/commands.h"
#include "gateway/starter.h"
#include "providers/json.h"

namespace jevons {
namespace {

std::string check_json(const std::string& file, const std::vector<ConfigError>& errors,
                       const Config& config) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("file").string(file).key("ok").boolean(errors.empty());
  json.key("errors").begin_array();
  for (const ConfigError& error : errors) {
    json.begin_object().key("file").string(error.file).key("line").integer(error.line);
    json.key("column").integer(error.column).key("message").string(error.message).end_object();
  }
  json.end_array().key("warnings").begin_array();
  for (const std::string& warning : config.warnings) json.string(warning);
  json.end_array().key("hash").string(config.hash).end_object();
  return out + "\n";
}

std::string count(std::size_t number, std::string_view one, std::string_view many) {
  return std::to_string(number) + " " + std::string(number == 1 ? one : many);
}

std::string summary(const std::string& file, const Config& config) {
  return file + " is good: " + count(config.providers.size(), "provider", "providers") + ", " +
         count(config.catalog.targets.size(), "target", "targets") + ", " +
         count(config.catalog.prices.size(), "price row", "price rows") + ", " +
         count(config.policies.size(), "policy", "policies") + ", " +
         count(config.keys.size(), "key", "keys") + ", " +
         count(config.budgets.size(), "budget", "budgets") + "\n";
}

constexpr const char* no_file =
    "no configuration found (./jevons.yaml, $XDG_CONFIG_HOME/jevons/jevons.yaml, "
    "/etc/jevons/jevons.yaml); 'jevons init' writes one\n";

Exit check_file(const CliIo& io, const ConfigSources& sources, const std::string& file, bool json) {
  Config config;
  std::vector<ConfigError> errors;
  const bool good = load_config(file, sources, config, errors);
  if (json) {
    io.out << check_json(file, errors, config);
    return good ? Exit::good : Exit::config;
  }
  for (const std::string& warning : config.warnings) io.err << "warning: " << warning << "\n";
  if (config.needs_ledger_key) {
    io.err << "warning: the data listener can be reached from other machines; the start is refused "
              "unless the ledger holds a key ('jevons keys list')\n";
  }
  if (good) {
    io.out << summary(file, config);
    return Exit::good;
  }
  io.err << config_errors_text(errors);
  return Exit::config;
}

}  // namespace

Exit run_check(const CliIo& io, const ConfigSources& sources, const CheckOptions& options) {
  std::vector<std::string> files = options.files;
  if (files.empty()) files.push_back(find_config(options.config, sources));
  Exit all = Exit::good;
  for (const std::string& file : files) {
    if (file.empty()) {
      io.err << no_file;
      return Exit::config;
    }
    if (check_file(io, sources, file, options.json) != Exit::good) all = Exit::config;
  }
  return all;
}

namespace {

ConfigSources without_secrets(const ConfigSources& sources) {
  ConfigSources lenient = sources;
  lenient.environment = [&sources](const std::string& name) {
    auto value = sources.environment(name);
    return value || name == "HOME" || name.starts_with("XDG_") ? value : "not-needed-here";
  };
  return lenient;
}

}  // namespace

bool load_for_reading(const CliIo& io, const ConfigSources& sources, const std::string& config,
                      Config& out) {
  const ConfigSources lenient = without_secrets(sources);
  const std::string file = find_config(config, sources);
  std::vector<ConfigError> errors;
  bool good = false;
  if (file.empty()) {
    std::vector<std::string> all;
    for (const StarterProvider& provider : starter_providers()) all.push_back(provider.name);
    good = load_starter(all, ".", lenient, out, errors);
  } else {
    good = load_config(file, lenient, out, errors);
  }
  if (!good) io.err << config_errors_text(errors);
  return good;
}

bool load_for_ledger(const CliIo& io, const ConfigSources& sources, const std::string& config,
                     Config& out) {
  const ConfigSources lenient = without_secrets(sources);
  const std::string file = find_config(config, sources);
  if (file.empty()) return load_for_reading(io, sources, config, out);
  std::vector<ConfigError> errors;
  if (load_config(file, lenient, out, errors)) return true;
  io.err << config_errors_text(errors);
  if (!load_ledger_config(file, lenient, out)) return false;
  io.err << "warning: this configuration has errors; only its ledger and its admin listener are "
            "used here\n";
  return true;
}

}  // namespace jevons
