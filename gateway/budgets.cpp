#include "gateway/budgets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace jevons {
namespace {

constexpr std::int64_t ns_a_second = 1'000'000'000;
constexpr std::int64_t nanodollars_a_cent = 10'000'000;
constexpr std::string_view tag_prefix = "tag.";

// "$4.98": whole cents, rounded down; budgets below a dollar show what they have.
std::string usd(Nanodollars amount, Nanodollars limit) {
  if (limit.value >= 100 * nanodollars_a_cent) {
    const std::int64_t cents = amount.value / nanodollars_a_cent;
    return fmt::format("${}.{:02}", cents / 100, cents % 100);
  }
  std::string text = dollars_text(amount);
  while (text.size() > 4 && text.back() == '0' && text[text.size() - 3] != '.') text.pop_back();
  return "$" + text;
}

// What the alert's share of the limit is, in integers.
Nanodollars share_of(Nanodollars limit, double share) {
  constexpr std::int64_t million = 1'000'000;
  const std::int64_t parts = std::llround(share * million);
  return {limit.value / million * parts + limit.value % million * parts / million};
}

// The budget's value of `per` for this request; empty optional: the budget does not apply.
std::optional<std::string> value_of(const Budget& budget, const BudgetSubject& subject) {
  if (!budget.match_key.empty() && budget.match_key != subject.key) return std::nullopt;
  if (!budget.match_session.empty() && budget.match_session != subject.session) return std::nullopt;
  for (const auto& [name, value] : budget.match_tags) {
    const auto tag = subject.tags.find(name);
    if (tag == subject.tags.end() || tag->second != value) return std::nullopt;
  }
  if (budget.per.empty()) return std::string();
  if (budget.per == "key") return subject.key;
  if (budget.per == "session") {
    if (subject.session.empty()) return std::nullopt;
    return subject.session;
  }
  const auto tag = subject.tags.find(budget.per.substr(tag_prefix.size()));
  if (tag == subject.tags.end()) return std::nullopt;
  return tag->second;
}

struct Scope {
  std::string kind, name;  // "key", "ci"; kind empty: everything
};

Scope scope_of(const Budget& budget, const std::string& value) {
  if (budget.per == "key") return {"key", value};
  if (budget.per == "session") return {"session", value};
  if (budget.per.starts_with(tag_prefix)) {
    const std::string name = budget.per.substr(tag_prefix.size());
    return name == "team" ? Scope{"team", value} : Scope{"tag " + name, value};
  }
  if (!budget.match_key.empty()) return {"key", budget.match_key};
  if (!budget.match_session.empty()) return {"session", budget.match_session};
  if (!budget.match_tags.empty()) {
    const auto& [name, tag] = *budget.match_tags.begin();
    return name == "team" ? Scope{"team", tag} : Scope{"tag " + name, tag};
  }
  return {};
}

std::string scope_text(const Scope& scope) {
  return scope.kind.empty() ? "all" : scope.kind + " " + scope.name;
}

struct Balance {
  WindowBounds window;
  Nanodollars spent, reserved;
};

// One budget for one value of its `per`.
struct Account {
  std::size_t budget = 0;
  std::string value;
  std::vector<Balance> balances;  // the current window, and earlier ones with open reservations
};

struct Hold {
  std::shared_ptr<Account> account;
  std::int64_t window_begin = 0;
};

struct Reservation {
  BudgetSubject subject;
  std::int64_t time = 0;
  Nanodollars amount;
  std::vector<Hold> holds;
};

struct Waiter {
  std::uint64_t id = 0;
  BudgetSubject subject;
  Nanodollars wanted, minimum;
  std::int64_t time = 0;
  BudgetBook::Ready ready;
};

using Ripe = std::vector<std::pair<BudgetBook::Ready, Result<BudgetGrant>>>;

}  // namespace

struct BudgetBook::State {
  std::mutex mutex;
  std::vector<Budget> budgets;
  std::vector<TimeZone> zones;
  std::multimap<std::string, std::size_t> of_key;  // budgets of one key; the others:
  std::vector<std::size_t> of_all;
  std::map<std::pair<std::size_t, std::string>, std::shared_ptr<Account>> accounts;
  std::map<std::uint64_t, Reservation> reservations;
  std::list<Waiter> waiters;
  std::uint64_t next_id = 1;
  std::int64_t latest_ns = 0;
  std::size_t sweep_at = 1'024;
  bool journaling = false;
  std::vector<SpendSlice> journal;
  std::function<void(const BudgetAlert&)> alert;

  // All of these with the mutex held.
  std::int64_t time(std::int64_t now) {
    latest_ns = std::max(latest_ns, now * ns_a_second);
    return latest_ns / ns_a_second;
  }
  std::vector<std::shared_ptr<Account>> accounts_of(const BudgetSubject& subject);
  void add_account(std::size_t budget, const BudgetSubject& subject,
                   std::vector<std::shared_ptr<Account>>& found);
  Balance& balance(Account& account, std::int64_t at);
  Balance& held(const Hold& hold) { return balance(*hold.account, hold.window_begin); }
  void sweep(std::int64_t now);
  Error exceeded(const Account& account, const Balance& balance, Nanodollars minimum) const;
  Result<Nanodollars> afford(const std::vector<Hold>& holds, Nanodollars wanted,
                             Nanodollars minimum);
  Result<BudgetGrant> reserve(const BudgetSubject& subject, Nanodollars wanted, Nanodollars minimum,
                              std::int64_t now);
  void hold(Reservation& reservation, Nanodollars amount);
  void spend(const SpendSlice& slice);
  Nanodollars end(std::uint64_t id, Nanodollars cost, std::vector<BudgetAlert>& alerts);
  Ripe ripe_waiters();
};

std::vector<std::shared_ptr<Account>> BudgetBook::State::accounts_of(const BudgetSubject& subject) {
  std::vector<std::shared_ptr<Account>> found;
  const auto [begin, end] = of_key.equal_range(subject.key);
  for (auto at = begin; at != end; ++at) add_account(at->second, subject, found);
  for (const std::size_t budget : of_all) add_account(budget, subject, found);
  return found;
}

void BudgetBook::State::add_account(std::size_t budget, const BudgetSubject& subject,
                                    std::vector<std::shared_ptr<Account>>& found) {
  auto value = value_of(budgets[budget], subject);
  if (!value) return;
  auto& account = accounts[{budget, *value}];
  if (!account) account = std::make_shared<Account>(Account{budget, std::move(*value), {}});
  found.push_back(account);
}

Balance& BudgetBook::State::balance(Account& account, std::int64_t at) {
  for (Balance& balance : account.balances)
    if (at >= balance.window.begin && at < balance.window.end) return balance;
  // A window that has ended and holds nothing any more is history.
  std::erase_if(account.balances, [&](const Balance& balance) {
    return balance.window.end <= at && balance.reserved.value == 0;
  });
  const Budget& budget = budgets[account.budget];
  account.balances.push_back({window_at(budget.window, zones[account.budget], at), {}, {}});
  return account.balances.back();
}

void BudgetBook::State::sweep(std::int64_t now) {
  if (accounts.size() < sweep_at) return;
  std::erase_if(accounts, [&](const auto& entry) {
    const auto& balances = entry.second->balances;
    return !budgets[entry.second->budget].per.empty() &&
           std::all_of(balances.begin(), balances.end(), [&](const Balance& balance) {
             return balance.window.end <= now && balance.reserved.value == 0;
           });
  });
  sweep_at = std::max<std::size_t>(1'024, 2 * accounts.size());
}

Error BudgetBook::State::exceeded(const Account& account, const Balance& balance,
                                  Nanodollars minimum) const {
  const Budget& budget = budgets[account.budget];
  const Scope scope = scope_of(budget, account.value);
  const bool all = scope.kind.empty();
  if (minimum > budget.limit) {  // waiting for the next window would not help
    return Error(
        Fault::budget_exceeded, Origin::client,
        fmt::format("even a short answer to this request may cost {}, more than the whole {} {} "
                    "budget of {}; send a shorter prompt",
                    usd(minimum, minimum), usd(budget.limit, budget.limit),
                    window_adjective(budget.window),
                    all ? std::string("all keys together")
                        : fmt::format("{} '{}'", scope.kind, scope.name)));
  }
  return Error(Fault::budget_exceeded, Origin::client,
               fmt::format("{} spent {} of {} {} {} budget; it resets {} {}",
                           all ? std::string("all keys together have")
                               : fmt::format("{} '{}' has", scope.kind, scope.name),
                           usd(balance.spent, budget.limit), all ? "their" : "its",
                           usd(budget.limit, budget.limit), window_adjective(budget.window),
                           budget.window >= Window::week ? "on" : "at",
                           reset_text(budget.window, zones[account.budget], balance.window.end)));
}

Result<Nanodollars> BudgetBook::State::afford(const std::vector<Hold>& holds, Nanodollars wanted,
                                              Nanodollars minimum) {
  Nanodollars amount = std::max(wanted, minimum);
  bool busy = false;
  for (const Hold& hold : holds) {
    const Budget& budget = budgets[hold.account->budget];
    if (!budget.hard) continue;
    const Balance& balance = held(hold);
    const Nanodollars unspent = budget.limit - balance.spent;
    if (unspent < minimum) return exceeded(*hold.account, balance, minimum);
    const Nanodollars left = unspent - balance.reserved;
    busy = busy || left < minimum;
    amount = std::min(amount, left);
  }
  if (busy) return busy_error();
  return std::max(amount, Nanodollars{});
}

void BudgetBook::State::hold(Reservation& reservation, Nanodollars amount) {
  reservation.amount += amount;
  for (const Hold& hold : reservation.holds) held(hold).reserved += amount;
}

Result<BudgetGrant> BudgetBook::State::reserve(const BudgetSubject& subject, Nanodollars wanted,
                                               Nanodollars minimum, std::int64_t now) {
  Reservation reservation;
  reservation.time = time(now);
  sweep(reservation.time);
  for (auto& account : accounts_of(subject)) {
    const std::int64_t begin = balance(*account, reservation.time).window.begin;
    reservation.holds.push_back({std::move(account), begin});
  }
  const auto amount = afford(reservation.holds, wanted, minimum);
  if (!amount) return amount.error();
  reservation.subject = subject;
  hold(reservation, *amount);
  const std::uint64_t id = next_id++;
  reservations.emplace(id, std::move(reservation));
  return BudgetGrant{.id = id, .amount = *amount};
}

void BudgetBook::State::spend(const SpendSlice& slice) {
  const BudgetSubject subject{slice.key, slice.session, slice.tags};
  const std::int64_t now = latest_ns / ns_a_second;
  for (const auto& account : accounts_of(subject)) {
    // Only the current window decides anything.
    const Budget& budget = budgets[account->budget];
    const WindowBounds current = window_at(budget.window, zones[account->budget], now);
    if (slice.time_unix_s >= current.begin && slice.time_unix_s < current.end)
      balance(*account, now).spent += slice.cost;
  }
}

Nanodollars BudgetBook::State::end(std::uint64_t id, Nanodollars cost,
                                   std::vector<BudgetAlert>& alerts) {
  const auto found = reservations.find(id);
  if (found == reservations.end()) return {};
  const Reservation& reservation = found->second;
  Nanodollars overshoot;
  for (const Hold& hold : reservation.holds) {
    const Budget& budget = budgets[hold.account->budget];
    Balance& balance = held(hold);
    const Nanodollars before = balance.spent;
    balance.reserved = balance.reserved - reservation.amount;
    balance.spent += cost;
    if (budget.hard) {
      const Nanodollars excess = balance.spent - std::max(before, budget.limit);
      overshoot = std::max(overshoot, excess);
    }
    for (const double share : budget.alert_at) {
      const Nanodollars threshold = share_of(budget.limit, share);
      if (before >= threshold || balance.spent < threshold) continue;
      alerts.push_back({.budget = budget,
                        .scope = scope_text(scope_of(budget, hold.account->value)),
                        .share = share,
                        .spent = balance.spent,
                        .window = balance.window});
    }
  }
  if (journaling && cost.value > 0) {
    journal.push_back({.time_unix_s = reservation.time,
                       .key = reservation.subject.key,
                       .session = reservation.subject.session,
                       .tags = reservation.subject.tags,
                       .cost = cost});
  }
  reservations.erase(found);
  return overshoot;
}

Ripe BudgetBook::State::ripe_waiters() {
  Ripe ripe;
  for (auto at = waiters.begin(); at != waiters.end();) {
    auto grant = reserve(at->subject, at->wanted, at->minimum, at->time);
    if (!grant && grant.error().fault() == Fault::budget_busy) {
      ++at;
      continue;
    }
    ripe.emplace_back(std::move(at->ready), std::move(grant));
    at = waiters.erase(at);
  }
  return ripe;
}

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
  state_->journaling = true;
  state_->journal.clear();
}

Result<void> BudgetBook::configure(std::vector<Budget> budgets,
                                   const std::vector<SpendSlice>& slices, std::int64_t now) {
  std::vector<TimeZone> zones;
  for (const Budget& budget : budgets) {
    auto zone = TimeZone::load(budget.tz);
    if (!zone) return zone.error();
    zones.push_back(std::move(*zone));
  }
  State& state = *state_;
  Ripe ripe;
  {
    const std::lock_guard lock(state.mutex);
    const bool unchanged = state.budgets == budgets;
    state.journaling = false;
    state.time(now);
    if (unchanged && !budgets.empty()) return {};  // the balances are right as they are
    for (const SpendSlice& slice : slices) state.time(slice.time_unix_s);
    state.budgets = std::move(budgets);
    state.zones = std::move(zones);
    state.accounts.clear();
    state.of_key.clear();
    state.of_all.clear();
    for (std::size_t i = 0; i < state.budgets.size(); ++i) {
      const Budget& budget = state.budgets[i];
      if (budget.match_key.empty())
        state.of_all.push_back(i);
      else
        state.of_key.emplace(budget.match_key, i);
      if (budget.per.empty())
        state.accounts[{i, std::string()}] = std::make_shared<Account>(Account{i, {}, {}});
    }
    for (const SpendSlice& slice : slices) state.spend(slice);
    // Settled since begin_reload: perhaps in the slices as well, which errs on the safe side.
    for (const SpendSlice& slice : state.journal) state.spend(slice);
    state.journal.clear();
    for (auto& [id, reservation] : state.reservations) {
      const Nanodollars amount = std::exchange(reservation.amount, Nanodollars{});
      reservation.holds.clear();
      for (auto& account : state.accounts_of(reservation.subject)) {
        const std::int64_t begin = state.balance(*account, reservation.time).window.begin;
        reservation.holds.push_back({std::move(account), begin});
      }
      state.hold(reservation, amount);
    }
    ripe = state.ripe_waiters();
  }
  for (auto& [ready, grant] : ripe) ready(std::move(grant));
  return {};
}

std::int64_t BudgetBook::stamp(std::int64_t now_unix_ns) {
  const std::lock_guard lock(state_->mutex);
  state_->latest_ns = std::max(state_->latest_ns, now_unix_ns);
  return state_->latest_ns;
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
  return state_->reserve(subject, wanted, minimum, now);
}

std::uint64_t BudgetBook::reserve_or_wait(const BudgetSubject& subject, Nanodollars wanted,
                                          Nanodollars minimum, std::int64_t now, Ready ready) {
  Result<BudgetGrant> grant;
  {
    const std::lock_guard lock(state_->mutex);
    grant = state_->reserve(subject, wanted, minimum, now);
    if (!grant && grant.error().fault() == Fault::budget_busy) {
      const std::uint64_t id = state_->next_id++;
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
  state_->time(now);
  const auto found = state_->reservations.find(id);
  if (found == state_->reservations.end())
    return Error(Fault::internal, "this reservation has ended");
  const auto amount = state_->afford(found->second.holds, wanted, minimum);
  if (!amount) return amount.error();
  state_->hold(found->second, *amount);
  return *amount;
}

void BudgetBook::shrink(std::uint64_t id, Nanodollars keep) {
  Ripe ripe;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->reservations.find(id);
    if (found == state_->reservations.end() || found->second.amount <= keep) return;
    state_->hold(found->second, keep - found->second.amount);
    ripe = state_->ripe_waiters();
  }
  for (auto& [ready, grant] : ripe) ready(std::move(grant));
}

Nanodollars BudgetBook::settle(std::uint64_t id, Nanodollars cost) {
  std::vector<BudgetAlert> alerts;
  Ripe ripe;
  Nanodollars overshoot;
  std::function<void(const BudgetAlert&)> alert;
  {
    const std::lock_guard lock(state_->mutex);
    overshoot = state_->end(id, std::max(cost, Nanodollars{}), alerts);
    ripe = state_->ripe_waiters();
    alert = state_->alert;
  }
  for (auto& [ready, grant] : ripe) ready(std::move(grant));
  if (alert)
    for (const BudgetAlert& one : alerts) alert(one);
  return overshoot;
}

void BudgetBook::release(std::uint64_t id) { settle(id, Nanodollars{}); }

BudgetLeft BudgetBook::left(const BudgetSubject& subject, std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  BudgetLeft least;
  const std::int64_t at = state_->time(now);
  for (const auto& account : state_->accounts_of(subject)) {
    const Budget& budget = state_->budgets[account->budget];
    if (!budget.hard) continue;
    const Balance& balance = state_->balance(*account, at);
    const Nanodollars unspent = std::max(budget.limit - balance.spent, Nanodollars{});
    least.unspent = std::min(least.unspent.value_or(unspent), unspent);
    const Nanodollars left = std::max(unspent - balance.reserved, Nanodollars{});
    if (least.left && *least.left <= left) continue;
    least.left = left;
    least.percent = budget.limit.value > 0 ? 100.0 * static_cast<double>(left.value) /
                                                 static_cast<double>(budget.limit.value)
                                           : 0.0;
  }
  return least;
}

std::vector<BudgetStatus> BudgetBook::statuses(std::int64_t now) {
  const std::lock_guard lock(state_->mutex);
  std::vector<BudgetStatus> statuses;
  const std::int64_t at = state_->time(now);
  for (const auto& [key, account] : state_->accounts) {
    const Budget& budget = state_->budgets[account->budget];
    const Balance& balance = state_->balance(*account, at);
    statuses.push_back({.name = budget.name,
                        .scope = scope_text(scope_of(budget, account->value)),
                        .limit = budget.limit,
                        .spent = balance.spent,
                        .reserved = balance.reserved,
                        .window = balance.window,
                        .hard = budget.hard});
  }
  return statuses;
}

std::int64_t BudgetBook::open_reservations() const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<std::int64_t>(state_->reservations.size());
}

std::string BudgetBook::find_leak() const {
  const std::lock_guard lock(state_->mutex);
  std::map<std::pair<const Account*, std::int64_t>, std::int64_t> expected;
  for (const auto& [id, reservation] : state_->reservations)
    for (const Hold& hold : reservation.holds)
      expected[{hold.account.get(), hold.window_begin}] += reservation.amount.value;
  for (const auto& [key, account] : state_->accounts) {
    for (const Balance& balance : account->balances) {
      const std::int64_t sum = expected[{account.get(), balance.window.begin}];
      if (sum == balance.reserved.value) continue;
      const Budget& budget = state_->budgets[account->budget];
      return fmt::format("budget '{}' ({}) holds {} nanodollars for open reservations of {}",
                         budget.name, scope_text(scope_of(budget, account->value)),
                         balance.reserved.value, sum);
    }
  }
  return {};
}

std::string BudgetBook::compare(const std::vector<SpendSlice>& slices, std::int64_t now) {
  BudgetBook fresh;
  std::vector<Budget> budgets;
  {
    const std::lock_guard lock(state_->mutex);
    budgets = state_->budgets;
    now = state_->time(now);
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
