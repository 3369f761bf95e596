#include "gateway/hold.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>

#include "gateway/exchange.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t output_tokens_min = 64;  // less is no answer
constexpr auto budget_wait = std::chrono::seconds(2);

struct Wait {
  explicit Wait(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::optional<Result<BudgetGrant>> granted;
};

BudgetSubject subject_of(const Exchange& x) {
  return BudgetSubject{x.caller.key_name, x.caller.session, x.caller.tags};
}

std::optional<Nanodollars> bound(const Exchange& x, const Target& target, std::int64_t cap) {
  return reservation_of(x.config->catalog, target, x.classification, cap, x.request,
                        x.started_unix_s());
}

// The largest cap that `amount` affords, between `low` (affordable) and `high` (not).
std::int64_t affordable_cap(const Exchange& x, const Target& target, Nanodollars amount,
                            std::int64_t low, std::int64_t high) {
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    const std::optional<Nanodollars> cost = bound(x, target, middle);
    (cost && *cost <= amount ? low : high) = middle;
  }
  return low;
}

asio::awaitable<Result<BudgetGrant>> reserve(Exchange& x, Nanodollars wanted, Nanodollars minimum) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto wait = std::make_shared<Wait>(executor);
  wait->timer.expires_after(budget_wait);
  // The grant may come from another thread: it is handed over on ours.
  BudgetBook& book = x.services.budgets;
  auto ready = [wait, executor](Result<BudgetGrant> granted) {
    auto hand_over = [wait, granted] {
      wait->granted = granted;
      wait->timer.cancel();
    };
    asio::post(executor, std::move(hand_over));
  };
  const std::uint64_t id =
      book.reserve_or_wait(subject_of(x), wanted, minimum, x.started_unix_s(), std::move(ready));
  while (!wait->granted) {
    boost::system::error_code error;
    co_await wait->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (wait->granted) break;
    if (!error && book.stop_waiting(id)) co_return BudgetBook::busy_error();
    wait->timer.expires_after(budget_wait);  // the grant is on its way
  }
  co_return *wait->granted;
}

}  // namespace

Hold& Hold::operator=(Hold&& other) noexcept {
  release();
  amount = other.amount;
  output_cap = other.output_cap;
  capped = other.capped;
  book_ = std::exchange(other.book_, nullptr);
  metrics_ = other.metrics_;
  id_ = other.id_;
  return *this;
}

void Hold::settle(std::optional<Nanodollars> cost) {
  BudgetBook* book = std::exchange(book_, nullptr);
  if (!book) return;
  const Nanodollars over = book->settle(id_, cost.value_or(amount));
  if (over.value > 0) metrics_->budget_overshoot(over);
}

void Hold::release() {
  if (BudgetBook* book = std::exchange(book_, nullptr)) book->release(id_);
}

Error spent_budget_error(const Exchange& x, Error otherwise) {
  std::optional<Nanodollars> least;
  for (const Candidate& candidate : x.decision.candidates) {
    if (candidate.why_not != WhyNot::budget) continue;
    const Target& target = x.target(candidate.target);
    const std::int64_t cap = output_cap(x.request, x.classification, target);
    const auto need = bound(x, target, std::min(cap, output_tokens_min));
    if (need) least = std::min(least.value_or(*need), *need);
  }
  if (!least) return otherwise;
  BudgetBook& book = x.services.budgets;
  const auto granted = book.reserve(subject_of(x), *least, *least, x.started_unix_s());
  if (granted.has_error()) return granted.error();
  book.release(granted->id);
  return otherwise;
}

asio::awaitable<Result<Hold>> hold_budget(Exchange& x, const Target& target) {
  const std::int64_t cap = output_cap(x.request, x.classification, target);
  const std::optional<Nanodollars> wanted = bound(x, target, cap);
  if (!wanted) {
    const bool budgeted =
        x.services.budgets.left(subject_of(x), x.started_unix_s()).left.has_value();
    const bool allowed = x.decision.policy && x.decision.policy->allow_unpriced;
    if (budgeted || !allowed)
      co_return Error(Fault::price_unknown,
                      "what this request may cost at target '" + target.name +
                          "' is unknown: its price is, or it may run web searches without limit");
    Hold unpriced;
    unpriced.output_cap = cap;
    co_return unpriced;
  }
  const std::int64_t cap_min = std::min(cap, output_tokens_min);
  const Nanodollars minimum = bound(x, target, cap_min).value_or(*wanted);
  Result<BudgetGrant> grant = co_await reserve(x, *wanted, minimum);
  if (grant.has_error()) co_return grant.error();
  Hold hold(x.services.budgets, x.services.metrics, *grant);
  hold.output_cap = cap;
  if (grant->amount < *wanted) {
    hold.capped = true;
    hold.output_cap = affordable_cap(x, target, grant->amount, cap_min, cap);
  }
  co_return hold;
}

}  // namespace jevons
