#include "gateway/budget_accounts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

}  // namespace

std::int64_t BudgetAccounts::time(std::int64_t now) {
  return stamp(now * ns_a_second) / ns_a_second;
}

std::int64_t BudgetAccounts::stamp(std::int64_t now_unix_ns) {
  latest_ns_ = std::max(latest_ns_, now_unix_ns);
  return latest_ns_;
}

void BudgetAccounts::begin_journal() {
  journaling_ = true;
  journal_.clear();
}

void BudgetAccounts::configure(std::vector<Budget> new_budgets, std::vector<TimeZone> new_zones,
                               const std::vector<SpendSlice>& slices, std::int64_t now) {
  const bool unchanged = budgets_ == new_budgets;
  journaling_ = false;
  time(now);
  if (unchanged && !new_budgets.empty()) return;  // the balances are right as they are
  for (const SpendSlice& slice : slices) time(slice.time_unix_s);
  budgets_ = std::move(new_budgets);
  zones_ = std::move(new_zones);
  accounts_.clear();
  of_key_.clear();
  of_all_.clear();
  for (std::size_t i = 0; i < budgets_.size(); ++i) {
    const Budget& budget = budgets_[i];
    if (budget.match_key.empty())
      of_all_.push_back(i);
    else
      of_key_.emplace(budget.match_key, i);
    if (budget.per.empty())
      accounts_[{i, std::string()}] = std::make_shared<Account>(Account{i, {}, {}});
  }
  for (const SpendSlice& slice : slices) spend(slice);
  // Settled since begin_journal: perhaps in the slices as well, which errs on the safe side.
  for (const SpendSlice& slice : journal_) spend(slice);
  journal_.clear();
  for (auto& [id, reservation] : reservations_) {
    const Nanodollars amount = std::exchange(reservation.amount, Nanodollars{});
    reservation.holds.clear();
    for (auto& account : accounts_of(reservation.subject)) {
      const std::int64_t begin = balance(*account, reservation.time).window.begin;
      reservation.holds.push_back({std::move(account), begin});
    }
    hold(reservation, amount);
  }
}

auto BudgetAccounts::accounts_of(const BudgetSubject& subject)
    -> std::vector<std::shared_ptr<Account>> {
  std::vector<std::shared_ptr<Account>> found;
  const auto [begin, end] = of_key_.equal_range(subject.key);
  for (auto at = begin; at != end; ++at) add_account(at->second, subject, found);
  for (const std::size_t budget : of_all_) add_account(budget, subject, found);
  return found;
}

void BudgetAccounts::add_account(std::size_t budget, const BudgetSubject& subject,
                                 std::vector<std::shared_ptr<Account>>& found) {
  auto value = value_of(budgets_[budget], subject);
  if (!value) return;
  auto& account = accounts_[{budget, *value}];
  if (!account) account = std::make_shared<Account>(Account{budget, std::move(*value), {}});
  found.push_back(account);
}

auto BudgetAccounts::balance(Account& account, std::int64_t at) -> Balance& {
  for (Balance& balance : account.balances)
    if (at >= balance.window.begin && at < balance.window.end) return balance;
  // A window that has ended and holds nothing any more is history.
  std::erase_if(account.balances, [&](const Balance& balance) {
    return balance.window.end <= at && balance.reserved.value == 0;
  });
  const Budget& budget = budgets_[account.budget];
  account.balances.push_back({window_at(budget.window, zones_[account.budget], at), {}, {}});
  return account.balances.back();
}

void BudgetAccounts::sweep(std::int64_t now) {
  if (accounts_.size() < sweep_at_) return;
  std::erase_if(accounts_, [&](const auto& entry) {
    const auto& balances = entry.second->balances;
    return !budgets_[entry.second->budget].per.empty() &&
           std::all_of(balances.begin(), balances.end(), [&](const Balance& balance) {
             return balance.window.end <= now && balance.reserved.value == 0;
           });
  });
  sweep_at_ = std::max<std::size_t>(1'024, 2 * accounts_.size());
}

Error BudgetAccounts::exceeded(const Account& account, const Balance& balance,
                               Nanodollars minimum) const {
  const Budget& budget = budgets_[account.budget];
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
                           reset_text(budget.window, zones_[account.budget], balance.window.end)));
}

Result<Nanodollars> BudgetAccounts::afford(const std::vector<Hold>& holds, Nanodollars wanted,
                                           Nanodollars minimum) {
  Nanodollars amount = std::max(wanted, minimum);
  bool busy = false;
  for (const Hold& hold : holds) {
    const Budget& budget = budgets_[hold.account->budget];
    if (!budget.hard) continue;
    const Balance& balance = held(hold);
    const Nanodollars unspent = budget.limit - balance.spent;
    if (unspent < minimum) return exceeded(*hold.account, balance, minimum);
    const Nanodollars left = unspent - balance.reserved;
    busy = busy || left < minimum;
    amount = std::min(amount, left);
  }
  if (busy) return BudgetBook::busy_error();
  return std::max(amount, Nanodollars{});
}

void BudgetAccounts::hold(Reservation& reservation, Nanodollars amount) {
  reservation.amount += amount;
  for (const Hold& hold : reservation.holds) held(hold).reserved += amount;
}

Result<BudgetGrant> BudgetAccounts::reserve(const BudgetSubject& subject, Nanodollars wanted,
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
  const std::uint64_t id = next_id();
  reservations_.emplace(id, std::move(reservation));
  return BudgetGrant{.id = id, .amount = *amount};
}

void BudgetAccounts::spend(const SpendSlice& slice) {
  const BudgetSubject subject{slice.key, slice.session, slice.tags};
  const std::int64_t now = latest_ns_ / ns_a_second;
  for (const auto& account : accounts_of(subject)) {
    // Only the current window decides anything.
    const Budget& budget = budgets_[account->budget];
    const WindowBounds current = window_at(budget.window, zones_[account->budget], now);
    if (slice.time_unix_s >= current.begin && slice.time_unix_s < current.end)
      balance(*account, now).spent += slice.cost;
  }
}

Nanodollars BudgetAccounts::end(std::uint64_t id, Nanodollars cost,
                                std::vector<BudgetAlert>& alerts) {
  const auto found = reservations_.find(id);
  if (found == reservations_.end()) return {};
  const Reservation& reservation = found->second;
  Nanodollars overshoot;
  for (const Hold& hold : reservation.holds) {
    const Budget& budget = budgets_[hold.account->budget];
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
  if (journaling_ && cost.value > 0) {
    journal_.push_back({.time_unix_s = reservation.time,
                        .key = reservation.subject.key,
                        .session = reservation.subject.session,
                        .tags = reservation.subject.tags,
                        .cost = cost});
  }
  reservations_.erase(found);
  return overshoot;
}

Result<Nanodollars> BudgetAccounts::extend(std::uint64_t id, Nanodollars wanted,
                                           Nanodollars minimum, std::int64_t now) {
  time(now);
  const auto found = reservations_.find(id);
  if (found == reservations_.end()) return Error(Fault::internal, "this reservation has ended");
  const auto amount = afford(found->second.holds, wanted, minimum);
  if (!amount) return amount.error();
  hold(found->second, *amount);
  return *amount;
}

bool BudgetAccounts::shrink(std::uint64_t id, Nanodollars keep) {
  const auto found = reservations_.find(id);
  if (found == reservations_.end() || found->second.amount <= keep) return false;
  hold(found->second, keep - found->second.amount);
  return true;
}

BudgetLeft BudgetAccounts::left(const BudgetSubject& subject, std::int64_t now) {
  BudgetLeft least;
  const std::int64_t at = time(now);
  for (const auto& account : accounts_of(subject)) {
    const Budget& budget = budgets_[account->budget];
    if (!budget.hard) continue;
    const Balance& current = balance(*account, at);
    const Nanodollars unspent = std::max(budget.limit - current.spent, Nanodollars{});
    least.unspent = std::min(least.unspent.value_or(unspent), unspent);
    const Nanodollars left = std::max(unspent - current.reserved, Nanodollars{});
    if (least.left && *least.left <= left) continue;
    least.left = left;
    least.percent = budget.limit.value > 0 ? 100.0 * static_cast<double>(left.value) /
                                                 static_cast<double>(budget.limit.value)
                                           : 0.0;
  }
  return least;
}

std::vector<BudgetStatus> BudgetAccounts::statuses(std::int64_t now) {
  std::vector<BudgetStatus> statuses;
  const std::int64_t at = time(now);
  for (const auto& [key, account] : accounts_) {
    const Budget& budget = budgets_[account->budget];
    const Balance& current = balance(*account, at);
    statuses.push_back({.name = budget.name,
                        .scope = scope_text(scope_of(budget, account->value)),
                        .limit = budget.limit,
                        .spent = current.spent,
                        .reserved = current.reserved,
                        .window = current.window,
                        .hard = budget.hard});
  }
  return statuses;
}

std::string BudgetAccounts::find_leak() const {
  std::map<std::pair<const Account*, std::int64_t>, std::int64_t> expected;
  for (const auto& [id, reservation] : reservations_)
    for (const Hold& hold : reservation.holds)
      expected[{hold.account.get(), hold.window_begin}] += reservation.amount.value;
  for (const auto& [key, account] : accounts_) {
    for (const Balance& balance : account->balances) {
      const std::int64_t sum = expected[{account.get(), balance.window.begin}];
      if (sum == balance.reserved.value) continue;
      const Budget& budget = budgets_[account->budget];
      return fmt::format("budget '{}' ({}) holds {} nanodollars for open reservations of {}",
                         budget.name, scope_text(scope_of(budget, account->value)),
                         balance.reserved.value, sum);
    }
  }
  return {};
}

}  // namespace jevons
