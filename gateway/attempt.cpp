#include "gateway/attempt.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "gateway/durable.h"
#include "gateway/http_error.h"
#include "gateway/teach.h"
#include "router/escalation.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

// How long a finished stream may keep its usage to itself (contract.md 7).
constexpr std::int64_t usage_wait_ms = 2'000;

// Of a streamed answer, while it may still be replaced by a stronger one's.
constexpr std::size_t held_prefix_bytes = 160, held_prefix_bytes_max = 1'024;

// The client would see something of it.
bool is_visible(const StreamEvent& event) {
  return event.kind != StreamEvent::Kind::start && event.kind != StreamEvent::Kind::usage;
}

Outcome outcome_of(const Error& error) {
  switch (error.fault()) {
    case Fault::deadline_exceeded:
      return Outcome::timeout;
    case Fault::cancelled:
      return Outcome::cancelled;
    case Fault::budget_exceeded:
    case Fault::budget_busy:
      return Outcome::budget;
    case Fault::upstream_rejected:
    case Fault::unsupported_parameter:
    case Fault::invalid_value:
      return Outcome::client_error;
    case Fault::upstream_error:
    case Fault::upstream_auth:
    case Fault::upstream_overloaded:
    case Fault::overloaded:
    case Fault::upstream_protocol_error:
      return Outcome::upstream_error;
    default:
      return Outcome::gateway_error;
  }
}

// The target itself is fine: the breaker must not count these.
bool target_healthy(const Error& error) {
  return error.fault() == Fault::upstream_rejected || error.fault() == Fault::invalid_value ||
         error.fault() == Fault::unsupported_parameter;
}

}  // namespace

Attempt::Attempt(Exchange& exchange, std::size_t target, PlanOn on, int number)
    : x_(exchange),
      target_(target),
      on_(on),
      number_(number),
      catalog_target_(exchange.target(target)) {
  started_ms_ = now_ms();
  if (x_.request.stream && learns_from_answers(x_)) streamed_.emplace(x_.request);
  x_.running.push_back(this);
}

Attempt::~Attempt() {
  std::erase(x_.running, this);
  if (!begun_ || settled_) return;
  Error error(Fault::cancelled, Origin::gateway, "superseded");
  error.with_maybe_billed(sent_);
  settle(&error, false);
}

asio::awaitable<Result<void>> Attempt::open() {
  begun_ = x_.services.targets.begin(catalog_target_.name, now_ms());
  if (!begun_) {
    uncount();
    Error refused(Fault::no_target_available,
                  "target '" + catalog_target_.name + "' is resting after failures");
    refused.with_retry(true);
    refused.with_retry_after_ms(x_.services.targets.rests_ms(catalog_target_.name, now_ms()));
    co_return refused;
  }
  // With a drain policy the upstream is read to its end, so that its true usage is billed. So is a
  // whole answer that is kept: the client may have left only to ask for it again.
  const ProviderConfig* provider = x_.config->provider(catalog_target_.provider);
  const bool kept_whole = x_.answer_is_kept && !x_.request.stream;
  drains_ = (provider && provider->on_disconnect == OnDisconnect::drain) || kept_whole;
  Result<void> called = co_await call();
  // A refused key makes room for the provider's next one. Each POST is an attempt with its own row.
  std::size_t keys_left = provider ? provider->keys.size() : 0;
  while (called.has_error() && called.error().rotates_key() && keys_left > 1 && !cancelled_) {
    --keys_left;
    const Error refused = called.error();
    settle(&refused, false);
    if (!begin_again()) break;
    called = co_await call();
  }
  if (called.has_error() && !settled_) {
    if (cancelled_ && x_.stopping)
      called = interrupted_error(x_).with_maybe_billed(called.error().maybe_billed());
    const Error error = called.error();
    settle(&error, false);
    if (!intended_) uncount();
  }
  co_return called;
}

// What ended before its intent was written has no row, and so was no attempt: its number is free.
void Attempt::uncount() {
  if (number_ == x_.attempts) --x_.attempts;
}

// The same target as a new attempt, once the row before is settled.
bool Attempt::begin_again() {
  begun_ = x_.services.targets.begin(catalog_target_.name, now_ms());
  if (!begun_) return false;
  number_ = ++x_.attempts;
  on_ = PlanOn::retry;
  started_ms_ = now_ms();
  settled_ = intended_ = sent_ = false;
  return true;
}

asio::awaitable<Result<void>> Attempt::call() {
  Result<Hold> hold = co_await hold_budget(x_, catalog_target_);
  if (hold.has_error()) co_return hold.error();
  hold_ = std::move(*hold);
  capped_by_budget_ = hold_.capped;
  std::shared_ptr<Upstream> upstream = x_.worker.upstream(x_.config, catalog_target_.provider);
  if (!upstream)
    co_return Error(Fault::internal, "provider '" + catalog_target_.provider + "' has no upstream");
  const std::int64_t before_us = x_.services.clock.steady_us();
  AttemptIntent row = intent();
  Result<void> durable =
      co_await durable_intent(*x_.worker.mailbox, x_.services.ledger, std::move(row));
  if (durable.has_error()) co_return durable.error();
  intended_ = true;
  if (cancelled_) co_return interrupted_error(x_);
  UpstreamCall wire;
  wire.request = &x_.request;
  wire.target = &catalog_target_;
  wire.encode = encode_options();
  asked_logprobs_ = wire.encode.logprobs && !x_.request.sampling.logprobs.value_or(false);
  wire.tenant = x_.caller.key_name;
  wire.total_timeout_ms = std::max<std::int64_t>(x_.deadline_ms - now_ms(), 1);
  wire.engine_microseconds = &engine_microseconds_;
  sent_ = true;
  Result<UpstreamAnswer> answer = co_await upstream->open(wire, *cancel_);
  x_.upstream_us += x_.services.clock.steady_us() - before_us;
  if (answer.has_error()) {
    sent_ = answer.error().maybe_billed();
    co_return answer.error();
  }
  answer_ = std::move(*answer);
  if (answer_.whole) {
    first_ms_ = now_ms();
    observe(*answer_.whole);
    co_return Result<void>();
  }
  co_return co_await first_events();
}

asio::awaitable<Result<void>> Attempt::first_events() {
  const std::int64_t before_us = x_.services.clock.steady_us();
  Result<void> result;
  while (true) {
    const std::size_t seen = events_.size();
    Result<bool> more = co_await answer_.stream->next(events_);
    if (more.has_error()) {
      result = more.error();
      break;
    }
    observe(std::span(events_).subspan(seen));
    finished_ = finished_ || !*more;
    const auto failed = std::find_if(events_.begin(), events_.end(), [](const StreamEvent& e) {
      return e.kind == StreamEvent::Kind::error;
    });
    if (failed != events_.end()) {
      // It had accepted the request with a 2xx head: nobody is asked a second time (rule 8).
      Error error(Fault::upstream_error, Origin::upstream, failed->error_message);
      error.with_maybe_billed(true);
      result = error;
      break;
    }
    if (finished_) break;
    if (std::any_of(events_.begin(), events_.end(), is_visible) && !holds_back()) break;
  }
  x_.upstream_us += x_.services.clock.steady_us() - before_us;
  co_return result;
}

void Attempt::observe(std::span<const StreamEvent> events) {
  if (streamed_) streamed_->add(events);
  for (const StreamEvent& event : events) {
    if (first_ms_ < 0 && is_visible(event) && event.kind != StreamEvent::Kind::error)
      first_ms_ = now_ms();
    if (!event.upstream_id.empty()) upstream_id_ = event.upstream_id;
    if (!event.service_tier.empty()) served_tier_ = event.service_tier;
    switch (event.kind) {
      case StreamEvent::Kind::text:
      case StreamEvent::Kind::refusal:
      case StreamEvent::Kind::tool_call_arguments:
        if (prefix_.size() < held_prefix_bytes_max) prefix_ += event.text;
        output_bytes_ += static_cast<std::int64_t>(event.text.size());
        break;
      case StreamEvent::Kind::tool_call_start:
        output_bytes_ +=
            static_cast<std::int64_t>(event.tool.name.size() + event.tool.arguments.size());
        break;
      case StreamEvent::Kind::reasoning:
        reasoning_bytes_ += static_cast<std::int64_t>(event.text.size());
        break;
      case StreamEvent::Kind::finish:
        finish_ = event.finish;
        finish_seen_ = true;
        break;
      case StreamEvent::Kind::usage:
        claimed_ = *event.usage;
        break;
      default:
        break;
    }
  }
}

void Attempt::observe(const ChatResponse& response) {
  finished_ = true;
  claimed_ = response.usage;
  served_tier_ = response.service_tier;
  upstream_id_ = response.upstream_id;
  for (const Choice& choice : response.choices) {
    finish_ = choice.finish;
    output_bytes_ += static_cast<std::int64_t>(choice.content.size() + choice.refusal.size());
    reasoning_bytes_ += static_cast<std::int64_t>(choice.reasoning.size());
    for (const ToolCall& call : choice.tool_calls)
      output_bytes_ += static_cast<std::int64_t>(call.name.size() + call.arguments.size());
  }
}

// Where a policy may escalate, the beginning of a streamed answer is held back until it shows that
// it is one; what begins like a refusal is held to its end, which comes soon if it is one.
bool Attempt::holds_back() const {
  const Policy* policy = x_.decision.policy;
  if (!policy || policy->escalate_on.empty() || !answer_.stream) return false;
  const auto& plan = x_.decision.plan;
  const bool may_escalate = std::any_of(plan.begin(), plan.end(), [this](const PlanStep& step) {
    return step.on == PlanOn::escalate && step.target != target_;
  });
  if (!may_escalate || on_ == PlanOn::escalate || reasoning_bytes_ > 0) return false;
  if (finish_seen_) return !claimed_;  // only its usage is missing
  return prefix_.size() < held_prefix_bytes || sounds_like_refusal(prefix_);
}

std::optional<ChatResponse> Attempt::uncommitted_answer() const {
  if (answer_.whole) return answer_.whole;
  if (!finish_seen_ || x_.committed) return std::nullopt;
  ChatResponse response;
  Choice& choice = response.choices.emplace_back();
  for (const StreamEvent& event : events_) {
    if (event.choice != 0) return std::nullopt;
    if (event.kind == StreamEvent::Kind::text) choice.content += event.text;
    if (event.kind == StreamEvent::Kind::refusal) choice.refusal += event.text;
    if (event.kind == StreamEvent::Kind::finish) choice.finish = event.finish;
    if (event.kind == StreamEvent::Kind::tool_call_start) choice.tool_calls.push_back(event.tool);
    if (event.kind == StreamEvent::Kind::tool_call_arguments && !choice.tool_calls.empty())
      choice.tool_calls.back().arguments += event.text;
  }
  return response;
}

Nanodollars Attempt::cost_so_far() const {
  const AttemptFacts known = facts();
  const AttemptCost cost = attempt_cost(known, settled_usage(known));
  return cost.cost ? cost.cost->total : Nanodollars{0};
}

void Attempt::discard() {
  if (settled_) return;
  settle(nullptr, false);
}

void Attempt::interrupt(Interrupt why) {
  if (finished_ || settled_ || (why == Interrupt::client_gone && drains_)) return;
  cancel(why == Interrupt::client_gone ? EndedBy::client : EndedBy::gateway);
}

void Attempt::cancel(EndedBy by) {
  cancelled_ = true;
  cancelled_by_ = by;
  cancel_->cancel();
}

asio::awaitable<Result<void>> Attempt::deliver() {
  x_.served_by = target_;
  if (answer_.whole) co_return co_await deliver_whole();
  co_return co_await deliver_stream();
}

asio::awaitable<Result<void>> Attempt::deliver_whole() {
  settle(nullptr, true);
  ChatResponse& response = *answer_.whole;
  response.usage = final_usage_;
  if (asked_logprobs_)
    for (Choice& choice : response.choices) choice.logprobs.clear();
  std::string body = dialect_of(x_.endpoint)->write(x_.request, response, meta());
  std::vector<Header> headers = decision_headers(x_, true);
  add_dropped_params(headers);
  if (capped_by_budget_ && finish_ == FinishReason::length)
    headers.push_back(Header{"x-jevons-ended", "budget"});
  headers.push_back(Header{"content-type", "application/json"});
  x_.committed = true;
  x_.status = 200;
  const bool sent = co_await x_.responder.send(200, std::move(headers), std::move(body));
  if (!sent) x_.client_gone = true;
  co_return Result<void>();
}

void Attempt::add_dropped_params(std::vector<Header>& headers) const {
  std::string names;
  for (const std::string& name : answer_.dropped_params)
    names.append(names.empty() ? "" : ", ").append(name);
  if (!names.empty()) headers.push_back(Header{"x-jevons-dropped-params", names});
}

asio::awaitable<Result<void>> Attempt::deliver_stream() {
  x_.committed = true;
  x_.status = 200;
  std::vector<Header> headers = decision_headers(x_, false);
  add_dropped_params(headers);
  headers.push_back(Header{"content-type", "text/event-stream; charset=utf-8"});
  headers.push_back(Header{"cache-control", "no-cache"});
  headers.push_back(Header{"x-accel-buffering", "no"});
  const bool begun = co_await x_.responder.begin_stream(200, std::move(headers));
  if (!begun) x_.client_gone = true;
  const std::unique_ptr<StreamWriter> writer =
      dialect_of(x_.endpoint)->open_stream(x_.request, meta());
  Result<void> relayed = co_await relay(*writer);
  std::string out;
  if (relayed.has_error()) {
    const Error error = relayed.error();
    settle(&error, true);
    writer->fail(error, out);
    x_.stream_broken = true;
  } else {
    settle(nullptr, true);
    writer->close(stream_end(), out);
  }
  if (!x_.client_gone) {
    co_await flush(out);
    co_await x_.responder.end_stream(!x_.stream_broken);
  }
  co_return relayed;
}

asio::awaitable<bool> Attempt::flush(std::string& out) {
  if (out.empty() || x_.client_gone) co_return !x_.client_gone;
  std::string bytes;
  bytes.swap(out);
  const bool written = co_await x_.responder.write(std::move(bytes));
  if (!written) x_.client_gone = true;
  co_return written;
}

// Relays until the upstream's end. With a drain policy it goes on reading after the client went
// away, so that the true usage is billed.
asio::awaitable<Result<void>> Attempt::relay(StreamWriter& writer) {
  std::string out;
  // A finished answer waits for its usage at most this long.
  asio::steady_timer usage_timer(co_await asio::this_coro::executor);
  bool timed_out = false;
  while (true) {
    for (const StreamEvent& event : events_)
      if (event.kind == StreamEvent::Kind::error) {
        Error error(Fault::upstream_error, Origin::upstream, event.error_message);
        error.with_maybe_billed(true);
        co_return error;
      }
    writer.write(events_, out);
    events_.clear();
    co_await flush(out);
    if (x_.client_gone && cancelled_) co_return interrupted_error(x_);
    if (finished_) co_return Result<void>();
    if (finish_seen_ && !timed_out) {
      timed_out = true;
      usage_timer.expires_after(std::chrono::milliseconds(usage_wait_ms));
      // A timer that has run out may be heard after this attempt's end.
      const auto abort = [slot = std::weak_ptr(cancel_)](boost::system::error_code error) {
        const auto cancel = slot.lock();
        if (!error && cancel) cancel->cancel();
      };
      usage_timer.async_wait(abort);
    }
    const std::int64_t before_us = x_.services.clock.steady_us();
    Result<bool> more = co_await answer_.stream->next(events_);
    x_.upstream_us += x_.services.clock.steady_us() - before_us;
    if (more.has_error()) {
      // The answer was complete but for its usage: what we counted is billed.
      if (finish_seen_ && !cancelled_) co_return Result<void>();
      if (cancelled_ && x_.stopping) co_return interrupted_error(x_).with_maybe_billed(true);
      co_return more.error();
    }
    observe(events_);
    finished_ = !*more;
  }
}

AttemptFacts Attempt::facts() const {
  AttemptFacts facts;
  facts.catalog = &x_.config->catalog;
  facts.target = &catalog_target_;
  if (x_.decision.baseline) facts.baseline = &x_.target(*x_.decision.baseline);
  facts.classification = &x_.classification;
  facts.intent_unix_s = x_.started_unix_s();
  facts.output_cap = hold_.output_cap;
  facts.claimed = claimed_;
  facts.output_bytes = output_bytes_;
  facts.reasoning_bytes = reasoning_bytes_;
  facts.no_output = x_.request.endpoint == Endpoint::embeddings;
  facts.complete = finished_ || finish_seen_;
  facts.served_tier = served_tier_;
  facts.engine_microseconds =
      answer_.stream ? answer_.stream->engine_microseconds() : engine_microseconds_;
  if (facts.engine_microseconds == 0 && first_ms_ >= 0)
    facts.engine_microseconds = (now_ms() - started_ms_) * 1'000;
  return facts;
}

void Attempt::settle(const Error* error, bool delivered) {
  settled_ = true;
  AttemptSettlement row;
  row.request = x_.id;
  row.attempt = number_;
  const bool superseded = !error && !delivered;
  row.outcome = error ? outcome_of(*error) : superseded ? Outcome::superseded : Outcome::ok;
  if (error && error->fault() == Fault::cancelled && cancelled_by_ != EndedBy::client)
    row.outcome = Outcome::superseded;
  if (error && cancelled_ && x_.stopping) row.outcome = Outcome::gateway_error;
  if (error && delivered && error->fault() != Fault::cancelled) row.outcome = Outcome::cut;
  if (error) row.error_code = std::string(fault_code(error->fault()));
  row.status = error ? error->upstream_status() : 200;
  row.ended_by = cancelled_ ? cancelled_by_ : EndedBy::upstream;
  if (!error && capped_by_budget_ && finish_ == FinishReason::length)
    row.ended_by = EndedBy::budget;
  row.delivered = delivered;
  if (!error && delivered && row.ended_by != EndedBy::budget) {
    x_.finish = finish_;
    if (streamed_) x_.streamed = std::move(*streamed_).whole();
  }
  row.duration_ms = now_ms() - started_ms_;
  row.ttft_ms = first_ms_ < 0 ? -1 : first_ms_ - started_ms_;
  row.upstream_id = upstream_id_;
  // What an upstream refused or never saw is not billed; all else is, if only as an estimate.
  const bool billed = !error || delivered || error->maybe_billed() || first_ms_ >= 0 || claimed_;
  row.state = billed ? AttemptState::settled : AttemptState::voided;
  if (billed) {
    const AttemptFacts known = facts();
    final_usage_ = settled_usage(known);
    final_cost_ = attempt_cost(known, final_usage_);
    row.usage = final_usage_;
    row.price_id = final_cost_.price_id;
    row.mode = final_cost_.mode;
    if (final_cost_.cost) row.cost = final_cost_.cost->total;
    if (delivered) row.baseline = final_cost_.baseline;
    if (x_.finish != FinishReason::unset &&
        final_usage_[TokenClass::output].source == Provenance::measured)
      x_.answer_tokens = final_usage_.completion_tokens();
  } else {
    row.cost = Nanodollars{0};
  }
  tell_target_book(error);
  write_settlement(std::move(row), final_cost_.cost);
}

void Attempt::write_settlement(AttemptSettlement row, const std::optional<CostBreakdown>& cost) {
  const std::optional<Nanodollars> spent = row.cost;
  if (row.cost)
    x_.cost += *row.cost;
  else
    x_.unpriced = true;
  x_.baseline += row.baseline;
  FinishedAttempt sample;
  sample.policy = x_.policy_name();
  sample.target = catalog_target_.name;
  sample.provider = catalog_target_.provider;
  sample.model = catalog_target_.reported_model();
  sample.outcome = row.outcome;
  sample.usage = row.state == AttemptState::settled ? &row.usage : nullptr;
  sample.cost = row.state == AttemptState::voided ? std::optional(CostBreakdown{}) : cost;
  sample.baseline = row.baseline;
  sample.ttft_ms = row.ttft_ms;
  sample.duration_ms = row.duration_ms;
  sample.delivered = row.delivered;
  x_.services.metrics.finished(sample);
  const std::int64_t tokens = row.usage.prompt_tokens() + row.usage.completion_tokens();
  x_.used_tokens += tokens;
  if (row.delivered) x_.session_tokens = tokens;
  if (!row.usage.suspicion.empty())
    x_.services.metrics.usage_suspicious(
        TargetId{catalog_target_.name, catalog_target_.provider, catalog_target_.reported_model()});
  // The ledger first: a reload that derives balances from it in between must find the row there.
  if (intended_) x_.services.ledger.settle(std::move(row), {});
  hold_.settle(spent);
}

void Attempt::tell_target_book(const Error* error) {
  TargetBook::Sample sample;
  sample.ok = !error || target_healthy(*error);
  // A full queue of the local model is no fault of it, and passes by itself.
  const bool silent =
      error && (error->fault() == Fault::cancelled || error->fault() == Fault::overloaded);
  sample.counts = intended_ && !silent;
  if (sample.ok && first_ms_ >= 0) {
    sample.ttft_ms = static_cast<double>(first_ms_ - started_ms_);
    const std::int64_t completion = final_usage_.completion_tokens();
    if (completion > 1 && answer_.stream)
      sample.tpot_ms = static_cast<double>(now_ms() - first_ms_) / static_cast<double>(completion);
  }
  x_.services.targets.end(catalog_target_.name, sample, now_ms());
}

std::int64_t Attempt::now_ms() const { return x_.services.clock.steady_ms(); }

}  // namespace jevons
