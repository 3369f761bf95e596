#include "gateway/run_attempts.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "gateway/attempt.h"
#include "gateway/race.h"
#include "gateway/teach.h"
#include "gateway/weak_answer.h"
#include "router/escalation.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> pause(std::int64_t ms) {
  if (ms <= 0) co_return;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(std::chrono::milliseconds(ms));
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

PlanLimits limits_of(const Exchange& x) {
  PlanLimits limits;
  if (const Policy* policy = x.decision.policy) {
    limits.attempts_max = policy->fallback_attempts;
    limits.escalations_max = policy->escalate_max;
    limits.second_sample = wants_second_sample(*policy, x.request);
    limits.hedging_allowed = x.services.hedges.allowed(policy->hedge_at_most);
  }
  limits.retries_allowed = x.services.retries.allowed();
  return limits;
}

// A weak answer may be replaced before the commit, if the policy says so, a step is left, and what
// is gained exceeds its price. `first` is what a second sample is compared with.
bool is_weak(const Exchange& x, const AttemptPlan& plan, const Attempt& attempt,
             const Attempt* first) {
  const Policy* policy = x.decision.policy;
  const auto next = plan.next_escalation();
  if (!policy || policy->escalate_on.empty() || !next) return false;
  const std::optional<ChatResponse> answer = attempt.uncommitted_answer();
  if (!answer) return false;
  std::optional<EscalateOn> signal = weak_answer(*policy, x.request, *answer);
  if (!signal && attempt.on() == PlanOn::sample && first && first->whole() &&
      disagree(*first->whole(), *answer))
    signal = EscalateOn::disagreement;
  if (!signal) return false;
  const EscalationPrice price{attempt.target_index(), *next, x.cost + attempt.cost_so_far()};
  return worth_escalating(x.decision, x.caller, *signal, price);
}

void note_fallback(Exchange& x, std::size_t from, const Step& next, const Error& error) {
  x.services.retries.spent();
  x.services.metrics.fell_back(x.target(from).name, x.target(next.target).name,
                               fault_code(error.fault()));
}

}  // namespace

asio::awaitable<Result<void>> run_attempts(Exchange& x) {
  AttemptPlan plan(x.decision, limits_of(x), x.deadline_ms, x.services.clock.random());
  x.services.retries.started();
  x.services.hedges.started();
  Step step = plan.begin(x.services.clock.steady_ms());
  std::unique_ptr<Attempt> held;  // a weak answer, kept until a better one is there
  while (step.kind == Step::Kind::send) {
    co_await pause(step.wait_ms);
    if (x.client_gone || x.stopping) co_return interrupted_error(x);
    auto attempt = std::make_unique<Attempt>(x, step.target, step.on, ++x.attempts);
    Result<void> opened = co_await open_with_hedge(x, plan, attempt);
    if (opened.has_error() && x.stopping) co_return opened.error();
    AttemptResult result;
    result.target = attempt->target_index();
    if (opened.has_error()) result.error = opened.error();
    result.weak = !result.error && is_weak(x, plan, *attempt, held.get());
    if (!result.error) teach_from_answer(x, *attempt);
    const Step next = plan.after(result, x.services.clock.steady_ms());
    if (next.kind == Step::Kind::deliver) {
      // Where the stronger target failed, the weak answer is still an answer.
      std::unique_ptr<Attempt>& chosen = result.error ? held : attempt;
      std::unique_ptr<Attempt>& other = result.error ? attempt : held;
      other.reset();  // settles it, so that the cost in the headers is the whole cost
      co_return co_await chosen->deliver();
    }
    if (!result.error) {
      if (held) held->discard();
      held = std::move(attempt);
    } else if (next.kind == Step::Kind::send) {
      note_fallback(x, result.target, next, *result.error);
    }
    step = next;
  }
  co_return plan.failure();
}

}  // namespace jevons
