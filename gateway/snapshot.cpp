#include "gateway/snapshot.h"

namespace jevons {

Snapshot take_snapshot(Exchange& x) {
  Snapshot snapshot;
  snapshot.now_unix_s = x.started_unix_s();
  // Half of the request id is random, and the ledger keeps it: the draw can be repeated.
  snapshot.seed = x.id.low;
  const std::int64_t now_ms = x.services.clock.steady_ms();
  const Catalog& catalog = x.config->catalog;
  if (x.services.learning) snapshot.learned = x.services.learning->learned();
  snapshot.targets = x.services.targets.snapshot(catalog, now_ms);
  for (std::size_t i = 0; i < catalog.targets.size(); ++i) {
    const Target& target = catalog.targets[i];
    const ProviderConfig* provider = x.config->provider(target.provider);
    // A local model that is not loaded can serve nobody: like an open breaker.
    if (provider && provider->api == Api::local && !x.services.engines.find(target.name))
      snapshot.targets[i].breaker = BreakerState::open;
    if (provider && provider->max_in_flight > 0)
      snapshot.targets[i].at_limit =
          x.services.targets.in_flight(target.name) >= provider->max_in_flight;
  }
  const BudgetLeft left = x.services.budgets.left(
      BudgetSubject{x.caller.key_name, x.caller.session, x.caller.tags}, snapshot.now_unix_s);
  snapshot.budget_left = left.left;
  snapshot.budget_unspent = left.unspent;
  snapshot.budget_left_percent = left.percent;
  const Policy* policy = x.resolution.policy;
  if (policy && policy->explore_rate > 0 && policy->explore_budget_per_day)
    snapshot.explore_left = x.services.exploration.left(
        policy->name, *policy->explore_budget_per_day, snapshot.now_unix_s);
  if (!x.caller.session.empty()) {
    const auto session = x.services.sessions.find(x.caller.key_name, x.caller.session, now_ms);
    const Target* target = session ? catalog.find(session->target) : nullptr;
    if (target) {
      snapshot.session_target = static_cast<std::size_t>(target - catalog.targets.data());
      snapshot.session_cached_tokens = session->cached_tokens;
    }
  }
  return snapshot;
}

}  // namespace jevons
