// Registers the commands that run the gateway or call providers: serve, targets.
#include <thread>

#include "gateway/cli/app_parts.h"
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

void add_serve(App& app) {
  auto options = std::make_shared<ServeOptions>();
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  options->threads = std::min(cores, 4u);
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

}  // namespace

void add_serve_commands(App& app) { add_serve(app); }

}  // namespace jevons
