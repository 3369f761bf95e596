#include "gateway/handle_chat.h"

#include <algorithm>

#include "gateway/exchange.h"
#include "gateway/finish.h"
#include "gateway/hold.h"
#include "gateway/idempotency.h"
#include "gateway/run_attempts.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

constexpr std::size_t idempotency_key_bytes_max = 255;
constexpr std::int64_t busy_retry_ms = 1'000;  // a target's calls in flight end any moment

// When to ask again: as soon as one of the targets that rest may be tried, or has room.
Error with_soonest_try(const Exchange& x, Error error) {
  std::int64_t soonest_ms = busy_retry_ms;
  bool any_rests = false;
  for (const Candidate& candidate : x.decision.candidates) {
    if (!candidate.excluded_only_by(WhyNot::breaker)) continue;
    const auto rests_ms =
        x.services.targets.rests_ms(x.target(candidate.target).name, x.services.clock.steady_ms());
    if (!rests_ms) return error.with_retry_after_ms(busy_retry_ms);
    soonest_ms = any_rests ? std::min(soonest_ms, *rests_ms) : *rests_ms;
    any_rests = true;
  }
  return error.with_retry_after_ms(soonest_ms);
}

Error why_infeasible(const Exchange& x) {
  Error error = infeasible_error(x.decision, x.config->catalog);
  if (error.fault() == Fault::budget_exceeded) return spent_budget_error(x, error);
  if (error.fault() == Fault::no_target_available) return with_soonest_try(x, error);
  return error;
}

// Authenticate, parse, resolve, rate limits, classify, snapshot, decide; then attempts: reserve,
// intent, call, relay, settle.
asio::awaitable<Result<void>> serve(Exchange& x) {
  if (x.services.draining) co_return stopping_error();
  Result<void> prepared = prepare(x);
  if (prepared.has_error()) co_return prepared.error();
  note_decision(x);
  if (!x.decision.target) co_return why_infeasible(x);
  if (!x.services.ledger.healthy())
    co_return Error(Fault::ledger_unavailable, "the ledger cannot be written; nothing was spent");
  co_return co_await run_attempts(x);
}

asio::awaitable<void> answer(Exchange& x) {
  const Result<void> served = co_await serve(x);
  if (served.has_error() && !x.committed) {
    const Error error = served.error();
    x.may_be_billed = x.may_be_billed || error.maybe_billed();
    co_await refuse(x, error);
  }
  finish(x, served);
}

asio::awaitable<Result<void>> repeat(Exchange& x, const HttpAnswer& kept) {
  std::vector<Header> headers = kept.headers;
  for (const Header& header : x.answer_headers)
    if (header.name != "x-request-id" && header.name != "request-id") headers.push_back(header);
  headers.push_back(Header{"x-jevons-replayed", "true"});
  x.status = kept.status;
  std::string body = kept.body;
  co_await x.responder.send(kept.status, std::move(headers), std::move(body));
  co_return Result<void>();
}

// The first request under this key and tenant runs; the others get its answer.
asio::awaitable<Result<void>> answer_once(Exchange& x, RecordingResponder& recorder) {
  const std::string_view key = x.http.header("idempotency-key");
  if (key.size() > idempotency_key_bytes_max) {
    Error error(Fault::invalid_value, Origin::client,
                "Idempotency-Key must be at most 255 characters");
    co_return error.with_param("Idempotency-Key");
  }
  Result<void> known = identify(x);
  if (known.has_error()) co_return known.error();
  IdempotencyBook& book = x.services.idempotency;
  const std::string id = IdempotencyBook::entry_id(x.caller.key_name, key);
  const std::string digest = IdempotencyBook::digest(x.endpoint, x.http.body);
  const auto claimed = book.claim(id, digest, x.services.clock.steady_ms());
  if (claimed.has_error()) co_return claimed.error();
  if (*claimed) co_return co_await repeat(x, **claimed);
  x.answer_is_kept = true;
  co_await answer(x);
  const bool may_be_billed =
      x.committed || x.may_be_billed || x.unpriced || x.cost > Nanodollars{0};
  book.finish(id, recorder.take(), may_be_billed);
  co_return Result<void>();
}

}  // namespace

asio::awaitable<void> handle_chat(Worker& worker, HttpRequest& http, Responder& responder,
                                  Endpoint endpoint, std::shared_ptr<const KeyRecord> key) {
  std::optional<RecordingResponder> recorder;
  if (!http.header("idempotency-key").empty())
    recorder.emplace(responder, IdempotencyLimits().answer_bytes_max);
  Responder& client = recorder ? static_cast<Responder&>(*recorder) : responder;
  Exchange x(worker, http, client, endpoint);
  x.key = std::move(key);
  const InFlight counted(x.services);
  watch_client(x);
  if (!recorder) {
    co_await answer(x);
  } else {
    const Result<void> repeated = co_await answer_once(x, *recorder);
    if (repeated.has_error()) {
      const Error error = repeated.error();
      co_await refuse(x, error);
    }
    if (!x.answer_is_kept) finish(x, repeated);
  }
  responder.on_interrupt({});
}

}  // namespace jevons
