#include "router/plan.h"

#include <algorithm>

namespace jevons {
namespace {

// Backoff before the same target is asked again, where it did not say when: full jitter under a
// doubling ceiling. A wait longer than a client would sit through is not taken.
constexpr std::int64_t backoff_first_ms = 250;
constexpr std::int64_t backoff_max_ms = 4'000;
constexpr std::int64_t retry_after_max_ms = 30'000;

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// An account out of money is told with 429 as well, and no waiting helps there.
bool upstream_is_busy(const Error& error) {
  if (error.fault() == Fault::upstream_auth) return false;
  return error.upstream_status() == 429 || error.upstream_status() >= 500;
}

// Of several failures the client is told the one that says most about what to do: an overload
// passes, a broken answer may, a refusal of one fallback says little about the request.
int telling(const Error& error) {
  if (upstream_is_busy(error)) return 6;
  switch (error.fault()) {
    case Fault::upstream_overloaded:
    case Fault::overloaded:  // the local model's queue is full
      return 6;
    case Fault::upstream_error:
      return 5;
    case Fault::upstream_protocol_error:
      return 4;
    case Fault::deadline_exceeded:
      return 3;
    case Fault::upstream_rejected:
      return 2;
    case Fault::upstream_auth:
      return 1;
    default:
      return 0;
  }
}

// The upstream was never reached, so nothing was asked of it twice.
bool not_sent(const Error& error) { return !error.maybe_billed() && error.upstream_status() == 0; }

// Wrong credentials at one provider say nothing about another; nothing was billed.
bool may_fall_back(const Error& error) {
  return error.retryable() || (error.fault() == Fault::upstream_auth && !error.maybe_billed());
}

}  // namespace

AttemptPlan::AttemptPlan(const Decision& decision, PlanLimits limits, std::int64_t deadline_ms,
                         std::uint64_t seed)
    : plan_(decision.plan),
      limits_(limits),
      deadline_ms_(deadline_ms),
      seed_(seed),
      hedge_after_ms_(decision.hedge_after_ms),
      failure_(Fault::internal, "no attempt was made") {}

Step AttemptPlan::begin(std::int64_t now_ms) {
  started_ms_ = now_ms;
  if (plan_.empty() || limits_.attempts_max < 1) {
    return give_up(Error(Fault::no_eligible_target, "the plan of this request has no target"));
  }
  if (now_ms >= deadline_ms_) {
    return give_up(Error(Fault::deadline_exceeded, "the deadline passed before the first attempt"));
  }
  used_.assign(plan_.size(), false);
  used_[0] = true;
  return send(plan_[0].target, PlanOn::start, 0);
}

Step AttemptPlan::send(std::size_t target, PlanOn on, std::int64_t wait_ms) {
  ++attempts_;
  ++running_;
  return {.kind = Step::Kind::send, .target = target, .on = on, .wait_ms = wait_ms};
}

Step AttemptPlan::after(const AttemptResult& last, std::int64_t now_ms) {
  running_ = std::max(0, running_ - 1);
  if (last.error) note(*last.error);
  if (last.committed) {
    return last.error ? give_up(*last.error) : deliver(last.target);
  }
  if (!last.error && !last.weak) return compare_or_deliver(last.target);
  // The second sample failed: the first answer stands.
  if (last.error && sampled_ && attempts_ == 2 && running_ == 0) return deliver(last.target);
  if (!last.error) weak_answer_ = last.target;
  // The other of two parallel attempts may still bring a good answer.
  if (running_ > 0) return {.kind = Step::Kind::wait, .target = last.target};
  if (weak_answer_) return escalate_or_deliver(now_ms);
  return another_after(*last.error, last.target, now_ms);
}

Step AttemptPlan::deliver(std::size_t target) const {
  return {.kind = Step::Kind::deliver, .target = target};
}

// A good first answer is delivered, or asked for once more where the policy compares two samples
// and a stronger target could settle it.
Step AttemptPlan::compare_or_deliver(std::size_t target) {
  const bool compares = limits_.second_sample && !sampled_ && attempts_ == 1 && next_escalation();
  if (!compares) return deliver(target);
  sampled_ = true;
  return send(target, PlanOn::sample, 0);
}

std::optional<std::size_t> AttemptPlan::next_escalation() const {
  if (escalations_ >= limits_.escalations_max || attempts_ >= limits_.attempts_max)
    return std::nullopt;
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (plan_[i].on == PlanOn::escalate && !used_[i]) return plan_[i].target;
  }
  return std::nullopt;
}

Step AttemptPlan::escalate_or_deliver(std::int64_t now_ms) {
  const bool allowed = escalations_ < limits_.escalations_max && attempts_ < limits_.attempts_max &&
                       now_ms < deadline_ms_;
  if (const auto step = allowed ? next_step(PlanOn::escalate) : std::nullopt) {
    ++escalations_;
    return send(*step, PlanOn::escalate, 0);
  }
  return deliver(*weak_answer_);
}

Step AttemptPlan::another_after(const Error& error, std::size_t target, std::int64_t now_ms) {
  if (attempts_ >= limits_.attempts_max || now_ms >= deadline_ms_ || !may_fall_back(error)) {
    return give_up(error);
  }
  // The retry budget protects an upstream in trouble; one that was never reached costs it nothing.
  if (limits_.retries_allowed || not_sent(error)) {
    if (const auto next = next_step(PlanOn::fallback)) return send(*next, PlanOn::fallback, 0);
    if (const auto next = next_step(PlanOn::escalate)) return send(*next, PlanOn::fallback, 0);
  }
  if (!limits_.retries_allowed || !error.retryable()) return give_up(error);
  const std::int64_t wait = backoff_ms(error);
  if (wait > retry_after_max_ms || now_ms + wait >= deadline_ms_) return give_up(error);
  ++retries_;
  return send(target, PlanOn::retry, wait);
}

// The first target of this kind that no attempt has used, marked as used.
std::optional<std::size_t> AttemptPlan::next_step(PlanOn on) {
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (plan_[i].on != on || used_[i]) continue;
    use(plan_[i].target);
    return plan_[i].target;
  }
  return std::nullopt;
}

void AttemptPlan::use(std::size_t target) {
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    if (plan_[i].target == target) used_[i] = true;
  }
}

std::int64_t AttemptPlan::backoff_ms(const Error& error) const {
  const std::int64_t ceiling = std::min(backoff_max_ms, backoff_first_ms << std::min(retries_, 8));
  const auto draw = mixed(seed_ + static_cast<std::uint64_t>(attempts_));
  const auto jitter = static_cast<std::int64_t>(draw % static_cast<std::uint64_t>(ceiling + 1));
  // Jitter goes on top of Retry-After: a crowd that was told the same second must not come back
  // in the same millisecond.
  if (error.retry_after_ms()) {
    return std::max<std::int64_t>(0, *error.retry_after_ms()) + jitter / 4;
  }
  return jitter;
}

std::optional<std::int64_t> AttemptPlan::hedge_at_ms() const {
  const bool planned = !plan_.empty() && plan_.back().on == PlanOn::hedge;
  const bool open = limits_.hedging_allowed && limits_.retries_allowed && !hedged_ &&
                    attempts_ == 1 && running_ == 1 && attempts_ < limits_.attempts_max;
  if (!planned || !open || !hedge_after_ms_) return std::nullopt;
  const std::int64_t at = started_ms_ + static_cast<std::int64_t>(*hedge_after_ms_);
  if (at >= deadline_ms_) return std::nullopt;
  return at;
}

Step AttemptPlan::hedge(std::int64_t now_ms) {
  const auto due = hedge_at_ms();
  if (!due || now_ms < *due) return {.kind = Step::Kind::wait};
  hedged_ = true;
  const std::size_t target = plan_.back().target;
  use(target);
  Step step = send(target, PlanOn::hedge, 0);
  step.kind = Step::Kind::hedge;
  return step;
}

void AttemptPlan::note(const Error& error) {
  any_billed_ = any_billed_ || error.maybe_billed();
  // With two overloads the one that names the sooner time is the better advice.
  const bool sooner =
      error.retry_after_ms() &&
      (!failure_.retry_after_ms() || *error.retry_after_ms() < *failure_.retry_after_ms());
  const int now = telling(error), before = failed_ ? telling(failure_) : -1;
  if (now > before || (now == before && sooner)) failure_ = error;
  failed_ = true;
}

Step AttemptPlan::give_up(const Error& error) {
  if (!failed_) note(error);
  return {.kind = Step::Kind::give_up};
}

Error AttemptPlan::failure() const {
  Error error = failure_;
  if (failed_ && upstream_is_busy(failure_) && failure_.fault() != Fault::upstream_rejected) {
    error = Error(Fault::upstream_overloaded, Origin::upstream, failure_.message())
                .with_retry_after_ms(failure_.retry_after_ms())
                .with_upstream_status(failure_.upstream_status())
                .with_retry(failure_.retryable());
  }
  return error.with_retry(error.retryable() && !any_billed_).with_maybe_billed(any_billed_);
}

}  // namespace jevons
