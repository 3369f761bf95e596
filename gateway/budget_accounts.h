// Balances and reservations of all budgets, and the arithmetic between them. BudgetBook makes it
// safe to share; here there is no lock and nobody waits.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gateway/budgets.h"

namespace jevons {

class BudgetAccounts {
 public:
  // `now`, or the latest time seen if the clock went back. Unix seconds.
  std::int64_t time(std::int64_t now);
  std::int64_t stamp(std::int64_t now_unix_ns);

  const std::vector<Budget>& budgets() const { return budgets_; }
  // Settlements are kept from begin_journal() until configure() counts them, as it does `slices`
  // and the reservations in flight. One zone a budget.
  void begin_journal();
  void configure(std::vector<Budget> budgets, std::vector<TimeZone> zones,
                 const std::vector<SpendSlice>& slices, std::int64_t now);

  // As BudgetBook's calls of the same names.
  Result<BudgetGrant> reserve(const BudgetSubject& subject, Nanodollars wanted, Nanodollars minimum,
                              std::int64_t now);
  Result<Nanodollars> extend(std::uint64_t id, Nanodollars wanted, Nanodollars minimum,
                             std::int64_t now);
  // False: nothing is above `keep`.
  bool shrink(std::uint64_t id, Nanodollars keep);
  // Ends the reservation; by how much it pushed a hard budget past its limit. Adds what alerts are
  // due.
  Nanodollars end(std::uint64_t id, Nanodollars cost, std::vector<BudgetAlert>& alerts);
  std::uint64_t next_id() { return next_id_++; }

  BudgetLeft left(const BudgetSubject& subject, std::int64_t now);
  std::vector<BudgetStatus> statuses(std::int64_t now);
  std::int64_t open_reservations() const { return static_cast<std::int64_t>(reservations_.size()); }
  std::string find_leak() const;

 private:
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

  std::vector<std::shared_ptr<Account>> accounts_of(const BudgetSubject& subject);
  void add_account(std::size_t budget, const BudgetSubject& subject,
                   std::vector<std::shared_ptr<Account>>& found);
  Balance& balance(Account& account, std::int64_t at);
  Balance& held(const Hold& hold) { return balance(*hold.account, hold.window_begin); }
  void sweep(std::int64_t now);
  Error exceeded(const Account& account, const Balance& balance, Nanodollars minimum) const;
  Result<Nanodollars> afford(const std::vector<Hold>& holds, Nanodollars wanted,
                             Nanodollars minimum);
  void hold(Reservation& reservation, Nanodollars amount);
  void spend(const SpendSlice& slice);

  std::vector<Budget> budgets_;
  std::vector<TimeZone> zones_;
  std::multimap<std::string, std::size_t> of_key_;  // budgets of one key; the others:
  std::vector<std::size_t> of_all_;
  std::map<std::pair<std::size_t, std::string>, std::shared_ptr<Account>> accounts_;
  std::map<std::uint64_t, Reservation> reservations_;
  std::uint64_t next_id_ = 1;
  std::int64_t latest_ns_ = 0;
  std::size_t sweep_at_ = 1'024;
  bool journaling_ = false;
  std::vector<SpendSlice> journal_;
};

}  // namespace jevons
