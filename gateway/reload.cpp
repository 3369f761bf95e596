#include "gateway/reload.h"

#include <algorithm>

#include "gateway/local_models.h"
#include "gateway/log.h"

namespace jevons {
namespace {

std::int64_t newest_price(const Catalog& catalog, std::int64_t now_unix_s) {
  std::int64_t newest = 0;
  for (const Price& price : catalog.prices)
    if (price.from_unix_s <= now_unix_s) newest = std::max(newest, price.from_unix_s);
  return newest;
}

}  // namespace

// Read once, and only where some policy explores: it looks at every decision of the day.
Result<void> Reloader::restore_exploration(const Config& config, std::int64_t now_unix_s) {
  const bool explores = std::any_of(config.policies.begin(), config.policies.end(),
                                    [](const Policy& policy) { return policy.explore_rate > 0; });
  if (!explores || services_.exploration.restored()) return Result<void>();
  const auto spent = explore_spend_since(services_.ledger, config.catalog, day_start(now_unix_s));
  if (spent.has_error()) return spent.error();
  services_.exploration.restore(*spent, now_unix_s);
  return Result<void>();
}

Result<void> Reloader::take(Config config) {
  Clock& clock = services_.clock;
  const std::int64_t now = clock.unix_ns() / 1'000'000'000;
  Result<std::vector<KeyRecord>> stored = services_.ledger.keys();
  if (stored.has_error()) return stored.error();
  Result<std::int64_t> from = BudgetBook::slices_from(config.budgets, now);
  if (from.has_error()) return from.error();
  // Settlements from here on are kept aside, so that none is lost between reading and swapping.
  services_.budgets.begin_reload();
  if (Result<void> durable = services_.ledger.flush(); durable.has_error()) return durable;
  Result<std::vector<SpendSlice>> slices = services_.ledger.spend_since(*from);
  if (slices.has_error()) return slices.error();
  Result<void> counted = restore_exploration(config, now);
  if (counted.has_error()) return counted;
  Result<bool> configured = services_.ledger.keys_ever_configured();
  if (configured.has_error()) return configured.error();
  if (*configured) services_.keys.note_configured();
  // Remembered, so that taking the keys out of the file again does not open the door.
  if (!config.keys.empty() && !*configured) {
    Result<void> noted = services_.ledger.note_keys_configured();
    if (noted.has_error()) return noted;
  }
  if (config.needs_ledger_key && stored->empty())
    return Error(Fault::config,
                 "the data listener is reachable from other machines and no key exists: create one "
                 "with `jevons keys create NAME`, or listen on 127.0.0.1");
  Result<void> keys = services_.keys.replace(config.keys, std::move(*stored));
  if (keys.has_error()) return keys;
  Result<void> budgets = services_.budgets.configure(config.budgets, *slices, now);
  if (budgets.has_error()) return budgets;
  std::vector<std::string> policies;
  for (const Policy& policy : config.policies) policies.push_back(policy.name);
  services_.metrics.configure(config.catalog, policies);
  services_.metrics.price_table_updated(newest_price(config.catalog, now));
  services_.metrics.config_reloaded(now, true);
  load_local_models(config, services_.engines);
  services_.config.store(std::make_shared<const Config>(std::move(config)));
  return Result<void>();
}

void Reloader::audit_start() {
  const auto config = services_.config.load();
  const auto rows = services_.ledger.audit_rows(0);
  if (rows.has_error()) return;  // the ledger says itself what is wrong with it
  std::string before;
  for (const AuditRow& row : *rows)
    if (row.what == "reload" || row.what == "start") before = row.after_hash;
  if (before == config->hash) return;
  services_.ledger.audit({.time_unix_ns = services_.clock.unix_ns(),
                          .who = "start",
                          .what = "start",
                          .detail = config->file,
                          .before_hash = before,
                          .after_hash = config->hash});
}

Result<void> Reloader::refresh_keys() {
  std::lock_guard lock(mutex_);
  Result<std::vector<KeyRecord>> stored = services_.ledger.keys();
  if (stored.has_error()) return stored.error();
  return services_.keys.replace(services_.config.load()->keys, std::move(*stored));
}

// Sockets stay as they are until a restart, and so does what the configuration says of them.
void Reloader::keep_addresses(const Config& old, Config& config) const {
  const auto keep = [](std::string_view name, const ListenAddress& before, ListenAddress& now) {
    if (before == now) return;
    const auto text = [](const ListenAddress& one) {
      return one.host + ":" + std::to_string(one.port);
    };
    log_event(LogLevel::warning, "config",
              {{"message", std::string(name) + " stays " + text(before) + " until a restart, not " +
                               text(now)}});
    now = before;
  };
  keep("`listen.data`", old.data, config.data);
  keep("`listen.admin`", old.admin, config.admin);
}

Result<void> Reloader::reload_files(const std::string& who) {
  if (path_.empty())
    return Error(Fault::config, "started without a configuration file: nothing to reload");
  Config config;
  std::vector<ConfigError> errors;
  if (!load_config(path_, system_sources(), config, errors))
    return Error(Fault::config, config_errors_text(errors));
  const auto old = services_.config.load();
  if (config.ledger_path != old->ledger_path)
    return Error(Fault::config, "`ledger` cannot change while the gateway runs; restart it");
  AuditRow row;
  row.time_unix_ns = services_.clock.unix_ns();
  row.who = who;
  row.what = "reload";
  row.detail = config.file;
  row.before_hash = old->hash;
  row.after_hash = config.hash;
  keep_addresses(*old, config);
  for (HttpServer* server : servers_) {
    if (config.tls.empty()) break;
    Result<void> swapped = server->swap_tls(config.tls);
    if (swapped.has_error()) return swapped;
  }
  Result<void> taken = take(std::move(config));
  if (taken.has_value()) services_.ledger.audit(std::move(row));
  return taken;
}

Result<void> Reloader::reload(const std::string& who) {
  std::lock_guard lock(mutex_);
  Result<void> result = reload_files(who);
  const std::int64_t now = services_.clock.unix_ns() / 1'000'000'000;
  if (result.has_error()) {
    services_.metrics.config_reloaded(now, false);
    log_event(LogLevel::error, "reload_refused", {{"message", result.error().message()}});
  } else {
    log_event(LogLevel::info, "reload", {{"by", who}});
  }
  return result;
}

}  // namespace jevons
