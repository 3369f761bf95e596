// AttemptPlan: every rule about retries, fallbacks, escalations and hedges, sans-I/O. The loop in
// gateway/run_attempts.cpp tells it what happened and performs the step it answers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "router/decision.h"
#include "router/error.h"

namespace jevons {

struct AttemptResult {
  std::size_t target = 0;
  bool committed = false;      // a byte went to the client: nothing may change any more
  std::optional<Error> error;  // empty: the upstream answered
  bool weak = false;           // answered, but an escalation signal fired and is worth its price
};

struct Step {
  // send: start an attempt after wait_ms. hedge: the same, beside the one that runs. wait: nothing
  // to start, another attempt is still running. deliver: answer the client with what `target`
  // said (with two answers, the one named). give_up: answer with failure().
  enum class Kind : std::uint8_t { send, hedge, wait, deliver, give_up };
  Kind kind = Kind::give_up;
  std::size_t target = 0;
  PlanOn on = PlanOn::start;
  std::int64_t wait_ms = 0;  // send after this delay (backoff, Retry-After)
};

struct PlanLimits {
  int attempts_max = 3;
  int escalations_max = 0;
  bool retries_allowed = true;   // retry budget (20 % of active, floor 3) and drain state
  bool hedging_allowed = false;  // policy's at_most share not used up
  bool second_sample = false;    // ask the first target twice and compare
};

class AttemptPlan {
 public:
  AttemptPlan(const Decision& decision, PlanLimits limits, std::int64_t deadline_ms,
              std::uint64_t seed);

  // The first step. `now_ms` is a steady clock.
  Step begin(std::int64_t now_ms);
  // What next, after an attempt ended. Never a send after a commit.
  Step after(const AttemptResult& last, std::int64_t now_ms);
  // When to start the hedge beside the running attempt; empty: never.
  std::optional<std::int64_t> hedge_at_ms() const;
  Step hedge(std::int64_t now_ms);
  // The target that a weak answer would be sent on to; empty: none is left.
  std::optional<std::size_t> next_escalation() const;
  // The error to report when it gives up: the most telling of all attempts.
  Error failure() const;
  int attempts() const { return attempts_; }

 private:
  Step send(std::size_t target, PlanOn on, std::int64_t wait_ms);
  Step deliver(std::size_t target) const;
  Step give_up(const Error& error);
  Step compare_or_deliver(std::size_t target);
  Step escalate_or_deliver(std::int64_t now_ms);
  Step another_after(const Error& error, std::size_t target, std::int64_t now_ms);
  std::optional<std::size_t> next_step(PlanOn on);
  void use(std::size_t target);
  std::int64_t backoff_ms(const Error& error) const;
  void note(const Error& error);

  std::vector<PlanStep> plan_;
  std::vector<bool> used_;  // by plan step: its target was sent to
  PlanLimits limits_;
  std::int64_t deadline_ms_ = 0;
  std::uint64_t seed_ = 0;
  std::int64_t started_ms_ = 0;
  std::optional<double> hedge_after_ms_;
  int attempts_ = 0;
  int running_ = 0;  // attempts sent and not reported back
  int retries_ = 0;
  int escalations_ = 0;
  bool hedged_ = false;
  bool sampled_ = false;  // a second sample was sent
  bool any_billed_ = false;
  bool failed_ = false;
  std::optional<std::size_t> weak_answer_;  // delivered if nothing better comes
  Error failure_;
};

}  // namespace jevons
