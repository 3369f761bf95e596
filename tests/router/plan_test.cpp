#include "router/plan.h"

#include <doctest/doctest.h>

#include <string>

using namespace jevons;

namespace {

constexpr std::size_t a = 0, b = 1, c = 2, d = 3;

Decision planned(std::vector<PlanStep> plan) {
  Decision decision;
  decision.target = plan.empty() ? std::nullopt : std::optional(plan[0].target);
  decision.plan = std::move(plan);
  return decision;
}

const std::vector<PlanStep> abc = {
    {a, PlanOn::start}, {b, PlanOn::fallback}, {c, PlanOn::fallback}};
const std::vector<PlanStep> stepped = {
    {a, PlanOn::start}, {b, PlanOn::escalate}, {c, PlanOn::escalate}, {d, PlanOn::fallback}};
const std::vector<PlanStep> hedged = {
    {a, PlanOn::start}, {b, PlanOn::fallback}, {c, PlanOn::fallback}, {b, PlanOn::hedge}};

std::string shown(const Step& step) {
  const std::string target(1, static_cast<char>('a' + step.target));
  switch (step.kind) {
    case Step::Kind::send:
      return "send " + target + " on " + std::string(plan_on_name(step.on));
    case Step::Kind::hedge:
      return "hedge " + target;
    case Step::Kind::wait:
      return "wait";
    case Step::Kind::deliver:
      return "deliver " + target;
    case Step::Kind::give_up:
      return "give up";
  }
  return "";
}

Error status(int code) {
  return Error(Fault::upstream_error, Origin::upstream, "it answered " + std::to_string(code))
      .with_upstream_status(code)
      .with_retry(code == 429 || code >= 500);
}
Error refused_connection() {
  return Error(Fault::upstream_error, Origin::upstream, "connection refused").with_retry(true);
}
Error cut_after_sending() {
  return Error(Fault::upstream_error, Origin::upstream, "closed without an answer")
      .with_maybe_billed(true);
}
Error rejected() {
  return Error(Fault::upstream_rejected, Origin::upstream, "prompt is too long")
      .with_upstream_status(400);
}
Error wrong_key() {
  return Error(Fault::upstream_auth, Origin::upstream, "key refused").with_upstream_status(401);
}

AttemptResult failed(std::size_t target, Error error) {
  return {.target = target, .error = std::move(error)};
}
AttemptResult answered(std::size_t target, bool weak = false) {
  return {.target = target, .weak = weak};
}

constexpr std::int64_t deadline = 60'000;

// The steps of a plan whose attempts end as scripted, in one line.
std::string run(std::vector<PlanStep> steps, const std::vector<AttemptResult>& script,
                PlanLimits limits = {}) {
  AttemptPlan plan(planned(std::move(steps)), limits, deadline, 1);
  std::string text = shown(plan.begin(0));
  for (const AttemptResult& result : script) text += "; " + shown(plan.after(result, 100));
  return text;
}

}  // namespace

TEST_CASE("plan: what follows an attempt") {
  const PlanLimits two{.attempts_max = 2}, none_left{.retries_allowed = false};
  AttemptResult committed = failed(a, status(500));
  committed.committed = true;
  struct {
    std::string when;
    std::vector<PlanStep> plan;
    std::vector<AttemptResult> script;
    PlanLimits limits;
    std::string steps;
  } rows[] = {
      {"an answer is delivered", abc, {answered(a)}, {}, "send a on start; deliver a"},
      {"an overload falls back",
       abc,
       {failed(a, status(503)), answered(b)},
       {},
       "send a on start; send b on fallback; deliver b"},
      {"a rate limit falls back at once",
       abc,
       {failed(a, status(429))},
       {},
       "send a on start; send b on fallback"},
      {"a refused connection falls back",
       abc,
       {failed(a, refused_connection())},
       {},
       "send a on start; send b on fallback"},
      {"three attempts and no more",
       abc,
       {failed(a, status(500)), failed(b, status(500)), failed(c, status(500))},
       {},
       "send a on start; send b on fallback; send c on fallback; give up"},
      {"fewer where the policy says so",
       abc,
       {failed(a, status(500)), failed(b, status(500))},
       two,
       "send a on start; send b on fallback; give up"},
      {"with no other target the same one is asked again",
       {{a, PlanOn::start}},
       {failed(a, status(503)), failed(a, status(503)), failed(a, status(503))},
       {},
       "send a on start; send a on retry; send a on retry; give up"},
      {"what was sent and may be billed is not sent again",
       abc,
       {failed(a, cut_after_sending())},
       {},
       "send a on start; give up"},
      {"the request's own fault is not tried elsewhere",
       abc,
       {failed(a, rejected())},
       {},
       "send a on start; give up"},
      {"a wrong key at one provider says nothing about the next",
       abc,
       {failed(a, wrong_key())},
       {},
       "send a on start; send b on fallback"},
      {"but the same provider is not asked again",
       {{a, PlanOn::start}},
       {failed(a, wrong_key())},
       {},
       "send a on start; give up"},
      {"nothing after the commit", abc, {committed}, {}, "send a on start; give up"},
      {"a used-up retry budget ends it",
       abc,
       {failed(a, status(503))},
       none_left,
       "send a on start; give up"},
      {"but what never reached an upstream costs no budget",
       abc,
       {failed(a, refused_connection())},
       none_left,
       "send a on start; send b on fallback"},
      {"and the same target is not asked again without budget",
       {{a, PlanOn::start}},
       {failed(a, refused_connection())},
       none_left,
       "send a on start; give up"},
      {"a fault takes the fallback, not the escalation",
       stepped,
       {failed(a, status(500))},
       {},
       "send a on start; send d on fallback"},
      {"then what is left of the plan",
       stepped,
       {failed(a, status(500)), failed(d, status(500))},
       {},
       "send a on start; send d on fallback; send b on fallback"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(run(row.plan, row.script, row.limits) == row.steps);
  }
}

TEST_CASE("plan: a weak answer steps up while it may, and is never lost") {
  const PlanLimits one{.escalations_max = 1}, two{.escalations_max = 2};
  AttemptResult shown_already = answered(a, true);
  shown_already.committed = true;
  struct {
    std::string when;
    std::vector<AttemptResult> script;
    PlanLimits limits;
    std::string steps;
  } rows[] = {
      {"not without permission", {answered(a, true)}, {}, "send a on start; deliver a"},
      {"once",
       {answered(a, true), answered(b)},
       one,
       "send a on start; send b on escalate; deliver b"},
      {"a second weak answer is delivered",
       {answered(a, true), answered(b, true)},
       one,
       "send a on start; send b on escalate; deliver b"},
      {"or steps up again",
       {answered(a, true), answered(b, true)},
       two,
       "send a on start; send b on escalate; send c on escalate"},
      {"a failed step delivers the weak answer",
       {answered(a, true), failed(b, rejected())},
       one,
       "send a on start; send b on escalate; deliver a"},
      {"a failed step may step on",
       {answered(a, true), failed(b, status(500))},
       two,
       "send a on start; send b on escalate; send c on escalate"},
      {"not after the commit", {shown_already}, one, "send a on start; deliver a"},
      {"a fallback's weak answer steps up too",
       {failed(a, status(500)), answered(d, true)},
       one,
       "send a on start; send d on fallback; send b on escalate"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(run(stepped, row.script, row.limits) == row.steps);
  }
}

TEST_CASE("plan: Retry-After is honoured, backoff is jittered, the deadline holds") {
  const auto wait = [](std::optional<std::int64_t> retry_after, std::uint64_t seed,
                       std::int64_t now, int earlier = 0) -> std::optional<std::int64_t> {
    AttemptPlan plan(planned({{a, PlanOn::start}}), {.attempts_max = 9}, deadline, seed);
    plan.begin(0);
    for (int i = 0; i < earlier; ++i) plan.after(failed(a, status(503)), 0);
    const Step step = plan.after(failed(a, status(503).with_retry_after_ms(retry_after)), now);
    if (step.kind != Step::Kind::send) return std::nullopt;
    return step.wait_ms;
  };
  std::int64_t least = INT64_MAX, most = 0, most_later = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const std::int64_t first = *wait({}, seed, 0), asked = *wait(2'000, seed, 0);
    least = std::min(least, first);
    most = std::max(most, first);
    most_later = std::max(most_later, *wait({}, seed, 0, 6));
    CHECK(asked >= 2'000);
    CHECK(asked <= 2'100);
  }
  CHECK(least < 20);
  CHECK(most > 230);
  CHECK(most <= 250);
  CHECK(most_later > 3'500);
  CHECK(most_later <= 4'000);
  CHECK_FALSE(wait(31'000, 1, 0).has_value());       // longer than a client would sit through
  CHECK_FALSE(wait(20'000, 1, 45'000).has_value());  // it would end behind the deadline
  CHECK_FALSE(wait({}, 1, deadline).has_value());
}

TEST_CASE("plan: a deadline that has passed starts nothing") {
  AttemptPlan plan(planned(abc), {}, 1'000, 1);
  CHECK(shown(plan.begin(1'000)) == "give up");
  CHECK(plan.failure().fault() == Fault::deadline_exceeded);
  CHECK(plan.attempts() == 0);
  AttemptPlan empty(planned({}), {}, 1'000, 1);
  CHECK(shown(empty.begin(0)) == "give up");
  CHECK(empty.failure().fault() == Fault::no_eligible_target);
}

TEST_CASE("plan: the failure is the most telling, retryable only if nothing can be billed") {
  struct {
    std::string when;
    std::vector<AttemptResult> script;
    std::string code, message;
    bool retryable, billed;
    std::optional<std::int64_t> retry_after;
  } rows[] = {
      {"an overload after the whole plan keeps its retry-after",
       {failed(a, status(429).with_retry_after_ms(7'000)), failed(b, refused_connection()),
        failed(c, refused_connection())},
       "upstream_error",
       "it answered 429",
       true,
       false,
       7'000},
      {"of two overloads the sooner one",
       {failed(a, status(429).with_retry_after_ms(7'000)),
        failed(b, status(503).with_retry_after_ms(2'000)), failed(c, status(503))},
       "upstream_error",
       "it answered 503",
       true,
       false,
       2'000},
      {"a fallback's refusal does not hide the overload",
       {failed(a, status(503)), failed(b, rejected())},
       "upstream_error",
       "it answered 503",
       true,
       false,
       {}},
      {"a refusal of the first is the answer",
       {failed(a, rejected())},
       "upstream_rejected",
       "prompt is too long",
       false,
       false,
       {}},
      {"one attempt that may be billed makes all of it not retryable",
       {failed(a, status(503).with_maybe_billed(true)), failed(b, status(503)),
        failed(c, status(503))},
       "upstream_error",
       "it answered 503",
       false,
       true,
       {}},
      {"what was cut may be billed",
       {failed(a, cut_after_sending())},
       "upstream_error",
       "closed without an answer",
       false,
       true,
       {}},
      {"only wrong keys",
       {failed(a, wrong_key()), failed(b, wrong_key()), failed(c, wrong_key())},
       "upstream_auth",
       "key refused",
       false,
       false,
       {}},
      {"an account out of money answers 429, which no waiting mends",
       {failed(
            a,
            Error(Fault::upstream_auth, Origin::upstream, "no credit").with_upstream_status(429)),
        failed(b, wrong_key()), failed(c, wrong_key())},
       "upstream_auth",
       "no credit",
       false,
       false,
       {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    AttemptPlan plan(planned(abc), {}, deadline, 1);
    plan.begin(0);
    Step step;
    for (const AttemptResult& result : row.script) step = plan.after(result, 10);
    CHECK(shown(step) == "give up");
    const Error error = plan.failure();
    CHECK(fault_code(error.fault()) == row.code);
    CHECK(error.message() == row.message);
    CHECK(error.retryable() == row.retryable);
    CHECK(error.maybe_billed() == row.billed);
    CHECK(error.retry_after_ms() == row.retry_after);
  }
}

TEST_CASE("plan: an overload after the plan is a 503, a broken answer a 502") {
  AttemptPlan overloaded(planned({{a, PlanOn::start}}), {.attempts_max = 1}, deadline, 1);
  overloaded.begin(0);
  overloaded.after(failed(a, status(529)), 1);
  CHECK(overloaded.failure().fault() == Fault::upstream_overloaded);
  AttemptPlan broken(planned({{a, PlanOn::start}}), {.attempts_max = 1}, deadline, 1);
  broken.begin(0);
  broken.after(failed(a, Error(Fault::upstream_protocol_error, Origin::upstream, "no JSON")), 1);
  CHECK(broken.failure().fault() == Fault::upstream_protocol_error);
}

TEST_CASE("plan: a hedge runs beside the first attempt, once, when its time has come") {
  Decision decision = planned(hedged);
  decision.hedge_after_ms = 400;
  PlanLimits limits{.hedging_allowed = true};
  AttemptPlan plan(decision, limits, deadline, 1);
  plan.begin(1'000);
  CHECK(plan.hedge_at_ms() == 1'400);
  CHECK(shown(plan.hedge(1'399)) == "wait");
  CHECK(shown(plan.hedge(1'400)) == "hedge b");
  CHECK_FALSE(plan.hedge_at_ms().has_value());
  CHECK(plan.attempts() == 2);
  // The first fails: the hedge is still running, and is what the fallback would have been.
  CHECK(shown(plan.after(failed(a, status(500)), 1'500)) == "wait");
  CHECK(shown(plan.after(failed(b, status(500)), 1'600)) == "send c on fallback");
  CHECK(shown(plan.after(answered(c), 1'700)) == "deliver c");
}

TEST_CASE("plan: no hedge without permission, time, plan or attempts") {
  Decision decision = planned(hedged);
  decision.hedge_after_ms = 400;
  const auto due = [](const Decision& with, PlanLimits limits) {
    AttemptPlan plan(with, limits, deadline, 1);
    plan.begin(0);
    return plan.hedge_at_ms().has_value();
  };
  CHECK(due(decision, {.hedging_allowed = true}));
  CHECK_FALSE(due(decision, {}));
  CHECK_FALSE(due(decision, {.retries_allowed = false, .hedging_allowed = true}));
  CHECK_FALSE(due(decision, {.attempts_max = 1, .hedging_allowed = true}));
  decision.hedge_after_ms = 70'000;
  CHECK_FALSE(due(decision, {.hedging_allowed = true}));
  decision.hedge_after_ms.reset();
  CHECK_FALSE(due(decision, {.hedging_allowed = true}));
  CHECK_FALSE(due(planned(abc), {.hedging_allowed = true}));
}

TEST_CASE("plan: with a hedge running, a weak answer waits for the other") {
  Decision decision = planned(hedged);
  decision.hedge_after_ms = 0;
  AttemptPlan plan(decision, {.hedging_allowed = true}, deadline, 1);
  plan.begin(0);
  plan.hedge(0);
  CHECK(shown(plan.after(answered(a, true), 10)) == "wait");
  CHECK(shown(plan.after(failed(b, status(500)), 20)) == "deliver a");
}

TEST_CASE("plan: whatever happens, at most attempts_max sends and none after a commit") {
  const std::vector<Error> errors = {status(429),         status(503), refused_connection(),
                                     cut_after_sending(), rejected(),  wrong_key()};
  std::uint64_t state = 3;
  const auto draw = [&state](std::size_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 33) % n;
  };
  for (int round = 0; round < 3'000; ++round) {
    const PlanLimits limits{.attempts_max = static_cast<int>(1 + draw(4)),
                            .escalations_max = static_cast<int>(draw(3)),
                            .retries_allowed = draw(4) != 0,
                            .hedging_allowed = draw(2) != 0};
    Decision decision = planned(draw(2) ? hedged : stepped);
    decision.hedge_after_ms = 5;
    AttemptPlan plan(decision, limits, deadline, static_cast<std::uint64_t>(round));
    Step step = plan.begin(0);
    std::vector<std::size_t> running = {step.target};
    bool committed = false;
    for (std::int64_t now = 10; !running.empty(); now += 10) {
      if (draw(3) == 0 && plan.hedge_at_ms()) running.push_back(plan.hedge(now).target);
      const std::size_t i = draw(running.size());
      AttemptResult result{.target = running[i], .committed = draw(8) == 0};
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
      if (draw(3) != 0) result.error = errors[draw(errors.size())];
      result.weak = !result.error && draw(2) == 0;
      committed = committed || result.committed;
      step = plan.after(result, now);
      if (step.kind == Step::Kind::send) running.push_back(step.target);
      if (step.kind == Step::Kind::deliver || committed) break;
    }
    CHECK(plan.attempts() <= limits.attempts_max);
    if (committed) CHECK(step.kind != Step::Kind::send);
    if (step.kind == Step::Kind::give_up) CHECK_FALSE(plan.failure().message().empty());
  }
}

TEST_CASE("plan: two samples are compared before a stronger target is asked") {
  PlanLimits limits{.attempts_max = 4, .escalations_max = 1, .second_sample = true};
  struct {
    const char* when;
    std::vector<PlanStep> steps;
    std::vector<AttemptResult> script;
    const char* expected;
  } rows[] = {
      {"they agree",
       stepped,
       {answered(a), answered(a)},
       "send a on start; send a on sample; deliver a"},
      {"they disagree",
       stepped,
       {answered(a), answered(a, true), answered(b)},
       "send a on start; send a on sample; send b on escalate; deliver b"},
      {"the second one fails",
       stepped,
       {answered(a), failed(a, status(503))},
       "send a on start; send a on sample; deliver a"},
      {"the first one is weak already",
       stepped,
       {answered(a, true), answered(b)},
       "send a on start; send b on escalate; deliver b"},
      {"nothing stronger is left", abc, {answered(a)}, "send a on start; deliver a"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(run(row.steps, row.script, limits) == row.expected);
  }
}
