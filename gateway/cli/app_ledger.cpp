// Registers the commands about money: spend, replay, keys, ledger, audit.
#include <sys/ioctl.h>
#include <unistd.h>

#include "gateway/cli/app_parts.h"
#include "gateway/cli/ledger_commands.h"
#include "gateway/cli/replay.h"

namespace jevons {
namespace {

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col;
  return 100;
}

void add_spend(App& app) {
  auto options = std::make_shared<SpendOptions>();
  options->width = terminal_width();
  CLI::App* spend = add_command(app.root, "spend",
                                "What was spent and saved: jevons spend --by model --since 7d.");
  spend->add_option("--by", options->words.by,
                    "model, target, provider, key, team, tag.NAME, policy, task, day or session; "
                    "repeatable");
  spend->add_option("--since", options->words.since, "7d, 24h, today, month or a date");
  spend->add_option("--until", options->words.until, "The same, exclusive");
  spend->add_option("--tz", options->words.tz, "Time zone of days, like Europe/Berlin");
  CLI::Option* json = spend->add_flag("--json", options->json, "As JSON, money in nanodollars");
  spend->add_flag("--csv", options->csv, "As CSV")->excludes(json);
  on_ledger(app, spend, [&app, options](const Config& config) {
    return spend_command(config, *options, app.io);
  });
}

void add_replay(App& app) {
  auto options = std::make_shared<ReplayOptions>();
  options->width = terminal_width();
  CLI::App* replay = add_command(
      app.root, "replay",
      "What another policy would have cost: jevons replay --policy new.yaml --since 7d.");
  replay->add_option("--policy", options->policy_file, "The new policy's file")->required();
  replay->add_option("--from-policy,--against", options->from_policies,
                     "Only requests that this policy decided; repeatable (default: all)");
  replay->add_option("--since", options->since, "7d, 24h, today, month or a date")
      ->capture_default_str();
  replay->add_option("--until", options->until, "The same, exclusive");
  replay->add_flag("--json", options->json, "As JSON, money in nanodollars");
  on_config(app, replay, [&app, options](const Config& config) {
    return replay_command(config, system_sources(), *options, now_unix_s(), app.io);
  });
}

void add_new_key(App& app, CLI::App& keys) {
  auto options = std::make_shared<NewKeyOptions>();
  CLI::App* create = add_command(keys, "create", "Make a key; its secret is shown once.");
  create->add_option("name", options->name, "Name in reports")->required();
  create->add_option("--policy", options->policies, "Policies it may name; repeatable");
  create->add_option("--model", options->models, "Globs on target names; repeatable");
  create->add_option("--tag", options->tags, "name=value, wins over the header; repeatable");
  create->add_option("--require-tag", options->require_tags, "Requests must carry it; repeatable");
  create->add_option("--min-quality", options->min_quality, "Lowest quality floor")
      ->check(CLI::Range(0.0, 1.0));
  create->add_option("--requests-per-minute", options->requests_per_minute, "0: no limit");
  create->add_option("--tokens-per-minute", options->tokens_per_minute, "0: no limit");
  create->add_option("--expires", options->expires, "Date or instant, exclusive");
  create->add_flag("--json", options->json, "name, id, key and hash as JSON");
  on_ledger(app, create, [&app, options](const Config& config) {
    return keys_create_command(config, *options, app.io);
  });
}

struct KeyWords {
  std::string name, overlap = "24h";
  bool json = false;
};

void add_keys(App& app) {
  CLI::App* keys = add_command(app.root, "keys", "Virtual keys of clients.");
  keys->require_subcommand(1);
  add_new_key(app, *keys);
  auto words = std::make_shared<KeyWords>();
  CLI::App* list = add_command(*keys, "list", "All keys, without secrets.");
  CLI::App* revoke = add_command(*keys, "revoke", "End a key now.");
  CLI::App* rotate = add_command(*keys, "rotate", "A new secret beside the old one.");
  for (CLI::App* command : {list, revoke, rotate})
    command->add_flag("--json", words->json, "As JSON");
  for (CLI::App* command : {revoke, rotate})
    command->add_option("name", words->name, "Name or id")->required();
  rotate->add_option("--overlap", words->overlap, "How long the old secret still works")
      ->capture_default_str();
  on_ledger(app, list, [&app, words](const Config& config) {
    return keys_list_command(config, words->json, app.io);
  });
  on_ledger(app, revoke, [&app, words](const Config& config) {
    return keys_revoke_command(config, words->name, words->json, app.io);
  });
  on_ledger(app, rotate, [&app, words](const Config& config) {
    return keys_rotate_command(config, words->name, words->overlap, words->json, app.io);
  });
}

struct LedgerWords {
  std::string file, since;
  bool json = false, csv = false;
};

void add_ledger(App& app) {
  auto words = std::make_shared<LedgerWords>();
  CLI::App* ledger = add_command(app.root, "ledger", "Back up, verify and export the ledger.");
  ledger->require_subcommand(1);
  CLI::App* backup = add_command(*ledger, "backup", "A consistent copy of the live ledger.");
  backup->add_option("file", words->file, "Where to")->required();
  CLI::App* verify = add_command(*ledger, "verify", "Check the file and that the books balance.");
  verify->add_flag("--json", words->json, "As JSON");
  CLI::App* exported = add_command(*ledger, "export", "Every attempt, a line each.");
  exported->add_flag("--csv", words->csv, "The only format so far");
  on_ledger(app, backup, [&app, words](const Config& config) {
    return ledger_backup_command(config, words->file, app.io);
  });
  on_ledger(app, verify, [&app, words](const Config& config) {
    return ledger_verify_command(config, words->json, app.io);
  });
  on_ledger(app, exported,
            [&app](const Config& config) { return ledger_export_command(config, app.io); });
  CLI::App* audit = add_command(app.root, "audit", "Who changed what, and when.");
  audit->add_option("--since", words->since, "Date or instant");
  audit->add_flag("--json", words->json, "As JSON");
  on_ledger(app, audit, [&app, words](const Config& config) {
    return audit_command(config, words->since, words->json, app.io);
  });
}

}  // namespace

void add_ledger_commands(App& app) {
  add_spend(app);
  add_replay(app);
  add_keys(app);
  add_ledger(app);
}

}  // namespace jevons
