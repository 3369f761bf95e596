// router: train, eval.
#include "gateway/cli/app_parts.h"
#include "gateway/cli/router_commands.h"

namespace jevons {
namespace {

void add_train(App& app, CLI::App& parent) {
  auto options = std::make_shared<RouterTrainOptions>();
  CLI::App* command = add_command(parent, "train", "Build a weight file from recorded outcomes");
  command->add_option("FILES", options->files, "JSON Lines, plain or gzip")->required();
  command->add_option("--vectors", options->vectors, "Word vectors (default: the built-in table)");
  command->add_option("--words", options->words, "How many words of --vectors")
      ->check(CLI::Range(100, 40'000));
  command->add_option("--split", options->split, "Rows of this split; \"\" for all");
  command->add_option("--leave-out", options->leave_out, "A file's stem or set not to train on");
  command->add_option("--ridge", options->ridge, "Strength of the pull to zero")
      ->check(CLI::PositiveNumber);
  command->add_option("--out", options->out, "Weight file to write");
  command->add_flag("--json", options->json, "JSON on stdout");
  command->callback([&app, options] {
    app.run = [&app, options] { return run_router_train(app.io, *options); };
  });
}

void add_eval(App& app, CLI::App& parent) {
  auto options = std::make_shared<RouterEvalOptions>();
  CLI::App* command = add_command(parent, "eval", "How well prompts are ranked for two models");
  auto files = std::make_shared<std::vector<std::string>>();
  command->footer(
      "Without --weak and --strong: the table of all FILES, each in distribution and left\n"
      "out of training, for pairs of models that a rule picks.");
  command->add_option("FILE", *files, "JSON Lines, plain or gzip")->required();
  CLI::Option* weak =
      command->add_option("--weak", options->weak, "The weak model's name in the file");
  CLI::Option* strong =
      command->add_option("--strong", options->strong, "The strong model's name")->needs(weak);
  weak->needs(strong);
  command->add_option("--weights", options->weights, "Weight file (default: the built-in one)");
  command->add_option("--split", options->split, "Only rows of this split");
  command->add_option("--set", options->set, "Only rows whose data set contains this");
  command->add_flag("--static", options->static_rule, "Without weights");
  command->add_flag("--json", options->json, "JSON on stdout");
  command->callback([&app, options, files, weak] {
    if (weak->count() > 0 && files->size() != 1)
      throw CLI::ValidationError("FILE", "with --weak and --strong one file is judged");
    options->file = files->front();
    const bool table = weak->count() == 0;
    app.run = [&app, options, files, table] {
      if (table) return run_router_table(app.io, {.files = *files, .json = options->json});
      return run_router_eval(app.io, *options);
    };
  });
}

}  // namespace

void add_router_commands(App& app) {
  CLI::App* router = add_command(app.root, "router", "Train and judge the router's weights");
  router->require_subcommand(1);
  add_train(app, *router);
  add_eval(app, *router);
}

}  // namespace jevons
