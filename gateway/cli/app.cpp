#include "gateway/cli/app.h"

#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string_view>

#include "gateway/cli/app_parts.h"
#include "gateway/log.h"
#include "router/yaml_values.h"

namespace jevons {
namespace {

bool wants_colour() {
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): before any thread
  return isatty(STDOUT_FILENO) == 1 && !std::getenv("NO_COLOR") &&
         !(term && std::string_view(term) == "dumb");
}

// What is wrong where a command belongs: a word that is none, with the nearest one, or no word at
// all, with what there is. Empty if all is well; CLI11 would only say that a command is missing.
std::string missing_command(const CLI::App& root, int argc, char** argv) {
  const CLI::App* at = &root;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "-h" || word == "--help" || word == "--version") return {};
    if (word.starts_with('-')) {
      if (word == "--config") ++i;
      continue;
    }
    const auto commands = at->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return {};
    std::vector<std::string_view> names;
    const CLI::App* chosen = nullptr;
    for (const CLI::App* command : commands) {
      names.push_back(command->get_name());
      if (command->get_name() == word) chosen = command;
    }
    if (!chosen) return unknown_word("command", word, names) + '\n';
    at = chosen;
  }
  return at->get_subcommands([](const CLI::App*) { return true; }).empty() ? "" : at->help();
}

}  // namespace

int run_cli(int argc, char** argv) {
  configure_log(LogLevel::warning, false);  // `serve` chooses its own
  App app(CliIo{std::cout, std::cerr, wants_colour(), isatty(STDERR_FILENO) == 1});
  app.root.set_version_flag("--version", std::string("jevons ") + JEVONS_VERSION);
  app.root.add_option("--config", app.config,
                      "jevons.yaml (default: here, $XDG_CONFIG_HOME/jevons, /etc/jevons)");
  bool no_color = false;
  app.root.add_flag("--no-color", no_color, "No colours, as with NO_COLOR");
  app.root.require_subcommand(1);
  app.root.fallthrough();
  add_serve_commands(app);
  add_router_commands(app);
  add_model_commands(app);
  add_config_commands(app);
  add_ledger_commands(app);
  if (const std::string missing = missing_command(app.root, argc, argv); !missing.empty()) {
    std::cerr << missing;
    return static_cast<int>(Exit::usage);
  }
  try {
    app.root.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.root.exit(done);  // --help, --version
  } catch (const CLI::ParseError& error) {
    app.root.exit(error, std::cout, std::cerr);
    return static_cast<int>(Exit::usage);
  }
  app.io.color = app.io.color && !no_color;
  try {
    return static_cast<int>(app.run());
  } catch (const std::exception& bug) {
    std::cerr << "jevons: " << bug.what() << '\n';
    return static_cast<int>(Exit::failure);
  }
}

}  // namespace jevons
