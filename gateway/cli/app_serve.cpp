// Registers the commands that run the gateway or call providers: serve, targets.
#include <sched.h>

#include "gateway/cli/app_parts.h"
#include "gateway/cli/targets.h"
#include "gateway/gateway.h"
#include "gateway/log.h"

namespace jevons {
namespace {

Exit serve_command(App& app, const ServeOptions& wanted) {
  auto loaded = load_for_command(app.config, app.io);
  if (!loaded) return Exit::config;
  ServeOptions options = wanted;
  options.config_path = loaded->path;
  options.config = std::move(loaded->config);
  configure_log(LogLevel::info, !app.io.tty);
  const Result<void> served = serve(std::move(options));
  if (served.has_value()) return Exit::good;
  app.io.err << served.error().message() << '\n';
  return Exit::config;
}

// The cores that this process may use, which taskset or a container can make fewer than there are.
unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;  // more than 1,024 cores
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

void add_serve(App& app) {
  auto options = std::make_shared<ServeOptions>();
  options->threads = std::min(usable_cores(), 4u);
  CLI::App* command = add_command(app.root, "serve", "Run the gateway.");
  command->add_option("--threads", options->threads, "I/O threads")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--drain-ms", options->drain_ms, "How long a stop waits for open streams")
      ->capture_default_str();
  command->add_flag("--access-log", options->access_log, "Log one line a request");
  command->callback(
      [&app, options] { app.run = [&app, options] { return serve_command(app, *options); }; });
}

struct TargetWords {
  std::vector<std::string> names;
  bool json = false;
};

void add_targets(App& app) {
  auto words = std::make_shared<TargetWords>();
  CLI::App* targets = add_command(app.root, "targets", "What requests can be sent to.");
  targets->require_subcommand(1);
  CLI::App* list = add_command(*targets, "list", "The catalog.");
  CLI::App* test = add_command(*targets, "test", "One cheap live call to each remote target.");
  test->add_option("names", words->names, "Only these");
  for (CLI::App* command : {list, test}) command->add_flag("--json", words->json, "As JSON");
  on_config(app, list, [&app, words](const Config& config) {
    return targets_list_command(config, words->json, app.io);
  });
  test->callback([&app, words] {
    app.run = [&app, words] {
      auto loaded = load_for_command(app.config, app.io);
      if (!loaded) return Exit::config;
      return targets_test_command(std::move(loaded->config), words->names, words->json, app.io);
    };
  });
}

}  // namespace

void add_serve_commands(App& app) {
  add_serve(app);
  add_targets(app);
}

}  // namespace jevons
