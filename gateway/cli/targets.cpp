#include "gateway/cli/targets.h"

#include "gateway/cli/ledger_client.h"
#include "gateway/cli/table.h"
#include "gateway/gateway.h"
#include "providers/json.h"

namespace jevons {
namespace {

std::string catalog_json(const Config& config) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("targets").begin_array();
  for (const Target& target : config.catalog.targets) {
    json.begin_object();
    json.key("target").string(target.name);
    json.key("provider").string(target.provider);
    json.key("model").string(target.reported_model());
    json.key("tier").string(tier_name(target.tier));
    json.key("price").string(target.price_id);
    json.key("context").integer(target.context);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

// The tests' JSON, from the running gateway or made here.
Result<std::string> tested(Config config, const std::vector<std::string>& names) {
  if (const auto running = running_gateway(config.ledger_path)) {
    LedgerCall call;
    call.method = "POST";
    call.path = "/admin/v1/targets/test";
    JsonWriter json(call.body);
    json.begin_object();
    json.key("targets").begin_array();
    for (const std::string& name : names) json.string(name);
    json.end_array().end_object();
    return ask_gateway(config, *running, call);
  }
  auto tests = test_targets_alone(std::move(config), names);
  if (tests.has_error()) return tests.error();
  return target_tests_json(*tests);
}

}  // namespace

Exit targets_list_command(const Config& config, bool json, const CliIo& io) {
  const auto running = running_gateway(config.ledger_path);
  if (json) {
    if (!running) {
      io.out << catalog_json(config) << '\n';
      return Exit::good;
    }
    LedgerCall call;
    call.path = "/admin/v1/targets";
    const Result<std::string> states = ask_gateway(config, *running, call);
    if (states.has_error()) return report_failure(io, states.error());
    io.out << *states << '\n';
    return Exit::good;
  }
  Table table({{"target"}, {"provider"}, {"tier"}, {"model"}, {"price"}});
  for (const Target& target : config.catalog.targets)
    table.add({target.name, target.provider, std::string(tier_name(target.tier)),
               target.reported_model(), target.price_id});
  io.out << table.text(io.color);
  return Exit::good;
}

Exit targets_test_command(Config config, const std::vector<std::string>& names, bool json,
                          const CliIo& io) {
  for (const std::string& name : names)
    if (!config.catalog.find(name)) {
      io.err << "no target '" << name << "' in the catalog; `jevons targets list` shows them\n";
      return Exit::usage;
    }
  const Result<std::string> text = tested(std::move(config), names);
  if (text.has_error()) return report_failure(io, text.error());
  JsonDocument document;
  const Result<JsonView> root = document.parse(*text);
  if (root.has_error()) return report_failure(io, root.error());
  bool all_good = true;
  Table table({{"target"}, {"result"}, {"ms", true}, {"cost", true}, {"message"}});
  for (const JsonView test : (*root)["tests"]) {
    const bool ok = test["ok"].boolean();
    all_good = all_good && ok;
    table.add({std::string(test["target"].text()), ok ? "ok" : std::string(test["code"].text()),
               std::string(test["duration_ms"].text()), std::string(test["cost_usd"].text()),
               std::string(test["message"].text())});
  }
  io.out << (json ? *text + "\n" : table.text(io.color));
  return all_good ? Exit::good : Exit::failure;
}

}  // namespace jevons
