// The budget that one attempt holds: reserved before the call, settled or released exactly once.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "gateway/budgets.h"
#include "gateway/metrics.h"
#include "router/error.h"
#include "router/target.h"

namespace jevons {

struct Exchange;

class Hold {
 public:
  Hold() = default;
  Hold(BudgetBook& book, Metrics& metrics, BudgetGrant grant)
      : amount(grant.amount), book_(&book), metrics_(&metrics), id_(grant.id) {}
  Hold(Hold&& other) noexcept { *this = std::move(other); }
  Hold& operator=(Hold&& other) noexcept;
  ~Hold() { release(); }

  Nanodollars amount;           // reserved on every matching hard budget
  std::int64_t output_cap = 0;  // output tokens that it affords
  bool capped = false;          // fewer than the request asked for

  // An unknown cost (unpriced) spends the whole reservation: never guessed as zero.
  void settle(std::optional<Nanodollars> cost);
  void release();

 private:
  BudgetBook* book_ = nullptr;
  Metrics* metrics_ = nullptr;
  std::uint64_t id_ = 0;
};

// Reserves the upper bound of one attempt at `target`, lowering the output cap before it refuses,
// and waits up to 2 s where only open reservations block (contract.md 10). Errors: budget_exceeded,
// budget_busy, price_unknown.
boost::asio::awaitable<Result<Hold>> hold_budget(Exchange& exchange, const Target& target);

// Where the budget left no target to decide for: which budget is spent, by how much, and until
// when. `otherwise` if money has become free meanwhile.
Error spent_budget_error(const Exchange& exchange, Error otherwise);

}  // namespace jevons
