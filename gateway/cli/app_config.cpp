// Registers the commands about configuration: check, init, policy, prices, explain.
#include <iostream>
#include <iterator>

#include "gateway/cli/app_parts.h"
#include "gateway/cli/explain.h"

namespace jevons {
namespace {

std::string read_prompt(const std::string& given) {
  if (given != "-") return given;
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

void add_check(App& app) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* check = add_command(app.root, "check", "Print every error of the configuration.");
  check->add_option("files", options->files, "Configurations, in place of --config");
  check->add_flag("--json", options->json, "Errors as JSON, an object a line for each file");
  check->callback([&app, options] {
    app.run = [&app, options] {
      options->config = app.config;
      return run_check(app.io, system_sources(), *options);
    };
  });
}

void add_init(App& app) {
  auto options = std::make_shared<InitOptions>();
  options->write = write_file;
  CLI::App* init = add_command(app.root, "init",
                               "Write a starter configuration for the provider keys in the "
                               "environment.");
  init->add_option("folder", options->folder, "Where to write")->capture_default_str();
  init->add_flag("--force", options->force, "Overwrite files that exist");
  init->add_flag("--dry-run", options->dry_run, "Only say what would be written");
  init->add_flag("--json", options->json, "What was written, as JSON");
  init->callback([&app, options] {
    app.run = [&app, options] { return run_init(app.io, system_sources(), *options); };
  });
}

void add_policy(App& app) {
  CLI::App* policy = add_command(app.root, "policy", "Test policies, list conditions.");
  policy->require_subcommand(1);
  auto tests = std::make_shared<PolicyTestOptions>();
  CLI::App* test = add_command(*policy, "test", "Run expectations: jevons policy test FILES.");
  test->add_option("files", tests->files, "policies/tests/*.yaml")->required();
  test->add_flag("--json", tests->json, "Results as JSON");
  test->callback([&app, tests] {
    app.run = [&app, tests] {
      tests->config = app.config;
      tests->now_unix_s = now_unix_s();
      return run_policy_test(app.io, system_sources(), *tests);
    };
  });
  auto list = std::make_shared<PolicyConditionsOptions>();
  CLI::App* conditions = add_command(*policy, "conditions", "What `when` can ask.");
  conditions->add_flag("--json", list->json, "As JSON");
  conditions->callback(
      [&app, list] { app.run = [&app, list] { return run_policy_conditions(app.io, *list); }; });
}

void add_prices(App& app) {
  CLI::App* prices = add_command(app.root, "prices", "The dated price table.");
  prices->require_subcommand(1);
  auto options = std::make_shared<PricesListOptions>();
  CLI::App* list = add_command(*prices, "list", "The rows valid at a time.");
  list->add_option("--model", options->model, "Glob on price ids, like 'openai/*'");
  list->add_option("--at", options->at, "YYYY-MM-DD (default: now)");
  list->add_flag("--all", options->all, "Every row, whenever it is valid");
  list->add_flag("--json", options->json, "As JSON");
  list->add_flag("--csv", options->csv, "As CSV");
  list->callback([&app, options] {
    app.run = [&app, options] {
      options->config = app.config;
      options->now_unix_s = now_unix_s();
      return run_prices_list(app.io, system_sources(), *options);
    };
  });
}

void add_explain(App& app) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command =
      add_command(app.root, "explain",
                  "Show where a prompt would go or a request went, and why (`-` reads stdin).");
  command->add_option("prompt", options->prompt, "The user's message, or a request's id: r-...")
      ->required();
  command->add_option("--model", options->model, "What the client asks for")->capture_default_str();
  command->add_option("--policy", options->policy, "Policy by name");
  command->add_option("--key", options->key, "Whose request: a key's name")->capture_default_str();
  command->add_option("--tag", options->tags, "name=value, repeatable");
  command->add_option("--quality", options->quality, "Quality floor")->check(CLI::Range(0.0, 1.0));
  command->add_option("--max-tokens", options->max_tokens, "Output cap of the client");
  command->add_flag("--json", options->json,
                    "The JSON of POST /v1/route, and what would have to change");
  on_config(app, command, [&app, options](const Config& config) {
    options->prompt = read_prompt(options->prompt);
    return explain(config, *options, now_unix_s(), app.io);
  });
}

}  // namespace

void add_config_commands(App& app) {
  add_check(app);
  add_init(app);
  add_policy(app);
  add_prices(app);
  add_explain(app);
}

}  // namespace jevons
