#include "gateway/budgets.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/budget_accounts.h"

namespace jevons {
namespace {

struct Waiter {
  std::uint64_t id = 0;
  BudgetSubject subject;
  Nanodollars wanted, minimum;
  std::int64_t time = 0;
  BudgetBook::Ready ready;
};

using Ripe = std::vector<std::pair<BudgetBook::Ready, Result<BudgetGrant>>>;

// Outside the lock: who is told may come back.
void tell(Ripe& ripe) {
  for (auto& [ready, grant] : ripe) ready(std::move(grant));
}

}  // namespace

struct BudgetBook::State {
  std::mutex mutex;
  BudgetAccounts accounts;
  std::list<Waiter> waiters;
  std::function<void(const BudgetAlert&)> alert;

  // With the mutex held: those who wait no longer, with what they waited for.
  Ripe ripe_waiters() {
    Ripe ripe;
    for (auto at = waiters.begin(); at != waiters.end();) {
      auto grant = accounts.reserve(at->subject, at->wanted, at->minimum, at->time);
      if (!grant && grant.error().fault() == Fault::budget_busy) {
        ++at;
        continue;
      }
      ripe.emplace_back(std::move(at->ready), std::move(grant));
      at = waiters.erase(at);
    }
    return ripe;
  }
};

BudgetBook::BudgetBook() : state_(std::make_unique<State>()) {}
BudgetBook::~BudgetBook() = default;

Result<std::int64_t> BudgetBook::slices_from(const std::vector<Budget>& budgets, std::int64_t now) {
  std::int64_t from = now;
  for (const Budget& budget : budgets) {
    const auto zone = TimeZone::load(budget.tz);
    if (!zone) return zone.error();
    from = std::min(from, window_at(budget.window, *zone, now).begin);
  }
  return from;
}

void BudgetBook::begin_reload() {
  const std::lock_guard lock(state_->mutex);
  state_->accounts.begin_journal();
}

Result<void> BudgetBook::configure(std::vector<Budget> budgets,
                                   const std::vector<SpendSlice>& slices, std::int64_t now) {
  std::vector<TimeZone> zones;
  for (const Budget& budget : budgets) {
    auto zone = TimeZone::load(budget.tz);
    if (!zone) return zone.error();
    zones.push_back(std::move(*zone));
  }
  Ripe ripe;
  {
    const std::lock_guard lock(state_->mutex);
    state_->accounts.configure(std::move(budgets), std::move(zones), slices, now);
    ripe = state_->ripe_waiters();
  }
  tell(ripe);
  return {};
}

std::int64_t BudgetBook::stamp(std::int64_t now_unix_ns) {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.stamp(now_unix_ns);
}

Error BudgetBook::busy_error() {
  return Error(Fault::budget_busy,
               "requests in flight hold the rest of the budget; try again in a moment")
      .with_retry(true)
      .with_retry_after_ms(std::int64_t{1'000});
}

Result<BudgetGrant> BudgetBook::reserve(const BudgetSubject& subject, Nanodollars wanted,
                                        Nanodollars minimum, std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.reserve(subject, wanted, minimum, now);
}

std::uint64_t BudgetBook::reserve_or_wait(const BudgetSubject& subject, Nanodollars wanted,
                                          Nanodollars minimum, std::int64_t now, Ready ready) {
  Result<BudgetGrant> grant;
  {
    const std::lock_guard lock(state_->mutex);
    grant = state_->accounts.reserve(subject, wanted, minimum, now);
    if (!grant && grant.error().fault() == Fault::budget_busy) {
      const std::uint64_t id = state_->accounts.next_id();
      state_->waiters.push_back({id, subject, wanted, minimum, now, std::move(ready)});
      return id;
    }
  }
  ready(std::move(grant));
  return 0;
}

bool BudgetBook::stop_waiting(std::uint64_t wait_id) {
  const std::lock_guard lock(state_->mutex);
  return std::erase_if(state_->waiters,
                       [&](const Waiter& waiter) { return waiter.id == wait_id; }) > 0;
}

Result<Nanodollars> BudgetBook::extend(std::uint64_t id, Nanodollars wanted, Nanodollars minimum,
                                       std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.extend(id, wanted, minimum, now);
}

void BudgetBook::shrink(std::uint64_t id, Nanodollars keep) {
  Ripe ripe;
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->accounts.shrink(id, keep)) return;
    ripe = state_->ripe_waiters();
  }
  tell(ripe);
}

Nanodollars BudgetBook::settle(std::uint64_t id, Nanodollars cost) {
  std::vector<BudgetAlert> alerts;
  Ripe ripe;
  Nanodollars overshoot;
  std::function<void(const BudgetAlert&)> alert;
  {
    const std::lock_guard lock(state_->mutex);
    overshoot = state_->accounts.end(id, std::max(cost, Nanodollars{}), alerts);
    ripe = state_->ripe_waiters();
    alert = state_->alert;
  }
  tell(ripe);
  if (alert)
    for (const BudgetAlert& one : alerts) alert(one);
  return overshoot;
}

void BudgetBook::release(std::uint64_t id) { settle(id, Nanodollars{}); }

BudgetLeft BudgetBook::left(const BudgetSubject& subject, std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.left(subject, now);
}

std::vector<BudgetStatus> BudgetBook::statuses(std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.statuses(now);
}

std::int64_t BudgetBook::open_reservations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.open_reservations();
}

std::string BudgetBook::find_leak() const {
  const std::lock_guard lock(state_->mutex);
  return state_->accounts.find_leak();
}

std::string BudgetBook::compare(const std::vector<SpendSlice>& slices, std::int64_t now) {
  BudgetBook fresh;
  std::vector<Budget> budgets;
  {
    const std::lock_guard lock(state_->mutex);
    budgets = state_->accounts.budgets();
    now = state_->accounts.time(now);
  }
  if (const auto configured = fresh.configure(std::move(budgets), slices, now); !configured)
    return configured.error().message();
  std::map<std::pair<std::string, std::string>, Nanodollars> expected;
  for (const BudgetStatus& status : fresh.statuses(now))
    expected[{status.name, status.scope}] = status.spent;
  for (const BudgetStatus& status : statuses(now)) {
    const Nanodollars sum = expected[{status.name, status.scope}];
    if (sum == status.spent) continue;
    return fmt::format("budget '{}' ({}) counts {} nanodollars, the ledger has {}", status.name,
                       status.scope, status.spent.value, sum.value);
  }
  return {};
}

void BudgetBook::on_alert(std::function<void(const BudgetAlert&)> alert) {
  const std::lock_guard lock(state_->mutex);
  state_->alert = std::move(alert);
}

}  // namespace jevons
