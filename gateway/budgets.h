// Budgets as promises: hard ones are reserved before the call and never overshoot, soft ones only
// alert (contract.md 10). Balances are a function of the ledger; this book holds them in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ledger/ledger.h"
#include "gateway/time_zone.h"
#include "router/error.h"
#include "router/money.h"

namespace jevons {

// One entry of `budgets:`. All parts of the match must hold; an empty match means everything.
struct Budget {
  std::string name;
  std::string match_key;                          // key name, empty: any
  std::map<std::string, std::string> match_tags;  // tag.NAME: value
  std::string match_session;                      // empty: any
  std::string per;  // "", "key", "session" or "tag.NAME": one such budget for each value
  Nanodollars limit;
  Window window = Window::month;
  std::string tz = "UTC";
  bool hard = true;
  std::vector<double> alert_at;  // shares of the limit, ascending
  std::string webhook;           // empty: none
  bool operator==(const Budget&) const = default;
};

// Whose money a request spends.
struct BudgetSubject {
  std::string key;  // key name; "anonymous" without one
  std::string session;
  std::map<std::string, std::string> tags;  // after merging with the key's
};

// A reservation on every matching hard budget, all or none. The holder must settle or release it.
struct BudgetGrant {
  std::uint64_t id = 0;
  Nanodollars amount;  // between minimum and wanted; `wanted` where no hard budget matches
};

struct BudgetStatus {
  std::string name, scope;  // scope: "key ci", "team search", "session s1", "all"
  Nanodollars limit, spent, reserved;
  WindowBounds window;
  bool hard = true;
};

struct BudgetLeft {
  std::optional<Nanodollars> left;     // least over the matching hard budgets; empty: none matches
  std::optional<Nanodollars> unspent;  // the same if nothing were reserved
  std::optional<double> percent;       // of that budget's limit
};

// `spent` has passed `share` of `limit`: for logs and webhooks. Once per window and share.
struct BudgetAlert {
  Budget budget;
  std::string scope;
  double share = 0;
  Nanodollars spent;
  WindowBounds window;
};

// Thread-safe. Times are unix seconds of the wall clock; the book never goes back in time, so a
// clock set back does not reopen a window.
class BudgetBook {
 public:
  using Ready = std::function<void(Result<BudgetGrant>)>;

  BudgetBook();
  ~BudgetBook();

  // Replaces all budgets and derives their balances from the ledger's slices, plus reservations in
  // flight and what was settled since begin_reload(). Errors: Fault::config for an unknown zone.
  Result<void> configure(std::vector<Budget> budgets, const std::vector<SpendSlice>& slices,
                         std::int64_t now);
  // Where slices must begin for these budgets: the earliest start of a current window.
  static Result<std::int64_t> slices_from(const std::vector<Budget>& budgets, std::int64_t now);
  // From here on settlements are kept for the next configure(); then read the slices.
  void begin_reload();

  // The time that intents must carry: `now`, or the latest time seen if the clock went back.
  std::int64_t stamp(std::int64_t now_unix_ns);

  // Errors: budget_exceeded (settled spend alone leaves less than `minimum`) with the sentence for
  // the client; budget_busy (only open reservations block).
  Result<BudgetGrant> reserve(const BudgetSubject& subject, Nanodollars wanted, Nanodollars minimum,
                              std::int64_t now);
  // Like reserve, but where reservations block it queues: `ready` runs once, with a grant as soon
  // as enough is free or with budget_exceeded when spend has taken it, on the thread that freed it.
  // Runs `ready` at once where no waiting is needed (then returns 0).
  std::uint64_t reserve_or_wait(const BudgetSubject& subject, Nanodollars wanted,
                                Nanodollars minimum, std::int64_t now, Ready ready);
  // True: `ready` will not run, answer busy_error(). False: it has run or is about to.
  bool stop_waiting(std::uint64_t wait_id);
  static Error busy_error();

  // Adds up to `wanted` to a reservation; what was added, at least `minimum`. Errors as reserve.
  Result<Nanodollars> extend(std::uint64_t id, Nanodollars wanted, Nanodollars minimum,
                             std::int64_t now);
  // Gives back what is above `keep`.
  void shrink(std::uint64_t id, Nanodollars keep);
  // Replaces the reservation by the cost; spend lands in the window of the reservation. Ends it.
  // Returns by how much it pushed a hard budget past its limit (0: it did not).
  Nanodollars settle(std::uint64_t id, Nanodollars cost);
  // An attempt that cost nothing.
  void release(std::uint64_t id);

  BudgetLeft left(const BudgetSubject& subject, std::int64_t now);
  std::vector<BudgetStatus> statuses(std::int64_t now);
  std::int64_t open_reservations() const;
  // Empty if the reserved sums equal the open reservations, else what differs.
  std::string find_leak() const;
  // Empty if the balances equal what the slices give, else what differs. Only at rest.
  std::string compare(const std::vector<SpendSlice>& slices, std::int64_t now);

  // Runs on the settling thread, outside the lock.
  void on_alert(std::function<void(const BudgetAlert&)> alert);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jevons
