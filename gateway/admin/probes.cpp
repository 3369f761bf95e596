// Probes, metrics, targets, budgets, reload: what a running gateway knows of itself.
#include "gateway/admin/actions.h"
#include "gateway/engine_metrics.h"
#include "gateway/http_error.h"
#include "gateway/target_test.h"
#include "providers/json.h"

namespace jevons {
namespace {

void refresh_gauges(AdminContext& context) {
  Services& services = context.services;
  const auto config = services.config.load();
  Metrics& metrics = services.metrics;
  metrics.inflight(services.in_flight.load());
  metrics.ledger(services.ledger.healthy(), services.ledger.queued());
  const auto states = services.targets.snapshot(config->catalog, services.clock.steady_ms());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Target& target = config->catalog.targets[i];
    metrics.upstream_healthy(TargetId{target.name, target.provider, target.reported_model()},
                             states[i].breaker == BreakerState::closed);
  }
  const std::int64_t now = services.clock.unix_ns() / 1'000'000'000;
  for (const BudgetStatus& budget : services.budgets.statuses(now))
    metrics.budget(budget.scope, budget.name, budget.limit, budget.spent);
}

std::string_view breaker_name(BreakerState state) {
  switch (state) {
    case BreakerState::closed:
      return "closed";
    case BreakerState::open:
      return "open";
    case BreakerState::half_open:
      return "half_open";
  }
  return "closed";
}

void optional_number(JsonWriter& json, std::string_view name, const std::optional<double>& value) {
  json.key(name);
  if (value)
    json.number(*value);
  else
    json.null();
}

}  // namespace

AdminAnswer admin_livez(AdminContext&, const HttpRequest&) {
  return AdminAnswer{200, "text/plain; charset=utf-8", "ok\n"};
}

AdminAnswer admin_readyz(AdminContext& context, const HttpRequest&) {
  Services& services = context.services;
  std::string why;
  if (services.draining) why = "draining\n";
  if (!services.ledger.healthy()) why += "the ledger cannot be written\n";
  const auto config = services.config.load();
  bool any_healthy = config->catalog.targets.empty();
  for (const TargetState& state :
       services.targets.snapshot(config->catalog, services.clock.steady_ms()))
    any_healthy = any_healthy || state.breaker != BreakerState::open;
  if (!any_healthy) why += "every target is resting after failures\n";
  if (why.empty()) return AdminAnswer{200, "text/plain; charset=utf-8", "ok\n"};
  return AdminAnswer{503, "text/plain; charset=utf-8", why};
}

AdminAnswer admin_metrics(AdminContext& context, const HttpRequest&) {
  refresh_gauges(context);
  return AdminAnswer{200, "text/plain; version=0.0.4; charset=utf-8",
                     context.services.metrics.text() +
                         engine_metrics_text(stats_of(context.services.engines.all()))};
}

AdminAnswer admin_targets(AdminContext& context, const HttpRequest&) {
  Services& services = context.services;
  const auto config = services.config.load();
  const auto states = services.targets.snapshot(config->catalog, services.clock.steady_ms());
  AdminAnswer answer;
  JsonWriter json(answer.body);
  json.begin_object();
  json.key("targets").begin_array();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const Target& target = config->catalog.targets[i];
    json.begin_object();
    json.key("target").string(target.name);
    json.key("provider").string(target.provider);
    json.key("model").string(target.reported_model());
    json.key("tier").string(tier_name(target.tier));
    json.key("breaker").string(breaker_name(states[i].breaker));
    json.key("in_flight").integer(services.targets.in_flight(target.name));
    optional_number(json, "ttft_ms_p50", states[i].ttft_ms_p50);
    optional_number(json, "ttft_ms_p95", states[i].ttft_ms_p95);
    optional_number(json, "tpot_ms", states[i].tpot_ms);
    json.end_object();
  }
  json.end_array().end_object();
  return answer;
}

AdminAnswer admin_budgets(AdminContext& context, const HttpRequest&) {
  Services& services = context.services;
  AdminAnswer answer;
  JsonWriter json(answer.body);
  json.begin_object();
  json.key("budgets").begin_array();
  const std::int64_t now = services.clock.unix_ns() / 1'000'000'000;
  for (const BudgetStatus& budget : services.budgets.statuses(now)) {
    json.begin_object();
    json.key("name").string(budget.name);
    json.key("scope").string(budget.scope);
    json.key("kind").string(budget.hard ? "hard" : "soft");
    json.key("limit_nanodollars").integer(budget.limit.value);
    json.key("spent_nanodollars").integer(budget.spent.value);
    json.key("reserved_nanodollars").integer(budget.reserved.value);
    json.end_object();
  }
  json.end_array().end_object();
  return answer;
}

// {"targets": ["a", "b"]}, or an empty body for all remote ones.
boost::asio::awaitable<AdminAnswer> admin_test_targets(AdminContext& context,
                                                       const HttpRequest& http) {
  std::vector<std::string> names;
  JsonDocument document;
  if (!http.body.empty()) {
    const Result<JsonView> root = document.parse(http.body);
    if (root.has_error()) {
      AdminAnswer refused;
      refused.status = 400;
      refused.body = error_body(root.error(), Dialect::openai, "");
      co_return refused;
    }
    for (const JsonView name : (*root)["targets"]) names.emplace_back(name.text());
  }
  const std::vector<TargetTest> tests = co_await test_targets(context.worker, std::move(names));
  AdminAnswer answer;
  answer.body = target_tests_json(tests);
  co_return answer;
}

AdminAnswer admin_reload(AdminContext& context, const HttpRequest&) {
  const Result<void> reloaded = context.reloader.reload("admin");
  AdminAnswer answer;
  JsonWriter json(answer.body);
  json.begin_object();
  json.key("reloaded").boolean(reloaded.has_value());
  if (reloaded.has_error()) {
    answer.status = 400;
    json.key("error").begin_object();
    json.key("message").string(reloaded.error().message());
    json.key("type").string("invalid_request_error");
    json.key("param").null();
    json.key("code").string(fault_code(reloaded.error().fault()));
    json.end_object();
  }
  json.end_object();
  return answer;
}

}  // namespace jevons
