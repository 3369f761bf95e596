// model: info, bench, pull.
#include "gateway/cli/app_parts.h"
#include "gateway/cli/model_commands.h"

namespace jevons {
namespace {

void add_info(App& app, CLI::App& parent) {
  auto options = std::make_shared<ModelInfoOptions>();
  CLI::App* command = add_command(parent, "info", "What a GGUF file holds, without loading it.");
  command->add_option("FILE", options->file, "A GGUF file, or the first of a split")->required();
  command->add_flag("--json", options->json, "As JSON");
  command->callback(
      [&app, options] { app.run = [&app, options] { return run_model_info(app.io, *options); }; });
}

void add_bench(App& app, CLI::App& parent) {
  auto options = std::make_shared<ModelBenchOptions>();
  CLI::App* command = add_command(parent, "bench", "How fast a model runs on this machine.");
  command->add_option("FILE", options->file, "A GGUF file, or the first of a split")->required();
  command->add_option("--prompt", options->prompt, "Prompt tokens")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_option("--generate", options->generate, "Tokens an answer")
      ->check(CLI::Range(2, 100'000))
      ->capture_default_str();
  command->add_option("--together", options->together, "Answers at the same time")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  command->add_option("--runs", options->runs, "Medians of so many runs")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Compute threads (default: one per core)")
      ->check(CLI::Range(0, 1'024));
  command->add_option("--usd-per-hour", options->usd_per_hour, "Also dollars per million tokens")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--json", options->json, "As JSON");
  command->callback(
      [&app, options] { app.run = [&app, options] { return run_model_bench(app.io, *options); }; });
}

void add_pull(App& app, CLI::App& parent) {
  auto options = std::make_shared<ModelPullOptions>();
  CLI::App* command = add_command(
      parent, "pull", "Download or copy a GGUF file; goes on where it was interrupted.");
  command->add_option("SOURCE", options->source, "https://..., http://... or a file")->required();
  command->add_option("--to", options->to, "Folder or file name")->capture_default_str();
  command->add_option("--sha256", options->sha256, "The digest it must have");
  command->add_flag("--force", options->force, "Replace a file that exists");
  command->add_flag("--json", options->json, "Path, size and digest as JSON");
  command->callback(
      [&app, options] { app.run = [&app, options] { return run_model_pull(app.io, *options); }; });
}

}  // namespace

void add_model_commands(App& app) {
  CLI::App* model = add_command(app.root, "model", "Models for the engine inside the gateway.");
  model->require_subcommand(1);
  add_info(app, *model);
  add_bench(app, *model);
  add_pull(app, *model);
}

}  // namespace jevons
