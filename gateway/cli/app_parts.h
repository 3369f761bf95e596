// What the files that register commands share: the parsed root, and small helpers.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "gateway/cli/commands.h"
#include "gateway/cli/load.h"
#include "gateway/clock.h"

namespace jevons {

// What the options of all commands are parsed into, and how the chosen one is run.
struct App {
  explicit App(CliIo streams) : io(streams) {}

  CLI::App root{"A cost-aware gateway for language models.", "jevons"};
  CliIo io;
  std::string config;  // --config
  std::function<Exit()> run;
};

inline std::int64_t now_unix_s() { return system_clock().unix_ns() / 1'000'000'000; }

// --config and the like may stand before or after a command.
inline CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* made = parent.add_subcommand(name, help);
  made->fallthrough();
  return made;
}

// Runs with the configuration loaded for reading: provider keys may be absent.
template <class Act>
void on_config(App& app, CLI::App* command, Act act) {
  command->callback([&app, act] {
    app.run = [&app, act]() -> Exit {
      Config config;
      if (!load_for_reading(app.io, system_sources(), app.config, config)) return Exit::config;
      return act(config);
    };
  });
}

// The same for commands about the ledger: they work while a policy or another file is broken.
template <class Act>
void on_ledger(App& app, CLI::App* command, Act act) {
  command->callback([&app, act] {
    app.run = [&app, act]() -> Exit {
      Config config;
      if (!load_for_ledger(app.io, system_sources(), app.config, config)) return Exit::config;
      return act(config);
    };
  });
}

void add_config_commands(App& app);  // check, init, policy, prices, explain
void add_ledger_commands(App& app);  // spend, keys, ledger, audit
void add_serve_commands(App& app);   // serve, targets
void add_router_commands(App& app);  // router
void add_model_commands(App& app);   // model

}  // namespace jevons
