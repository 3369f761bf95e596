#include "gateway/handle_chat.h"

#include "gateway/exchange.h"
#include "gateway/finish.h"
#include "gateway/hold.h"
#include "gateway/run_attempts.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

// Authenticate, parse, resolve, rate limits, classify, snapshot, decide; then attempts: reserve,
// intent, call, relay, settle.
asio::awaitable<Result<void>> serve(Exchange& x) {
  if (x.services.draining) co_return Error(Fault::overloaded, "the gateway is shutting down");
  Result<void> prepared = prepare(x);
  if (prepared.has_error()) co_return prepared.error();
  note_decision(x);
  if (!x.decision.target) {
    const Error error = infeasible_error(x.decision, x.config->catalog);
    if (error.fault() != Fault::budget_exceeded) co_return error;
    co_return spent_budget_error(x, error);
  }
  if (!x.services.ledger.healthy())
    co_return Error(Fault::ledger_unavailable, "the ledger cannot be written; nothing was spent");
  co_return co_await run_attempts(x);
}

}  // namespace

asio::awaitable<void> handle_chat(Worker& worker, HttpRequest& http, Responder& responder,
                                  Endpoint endpoint, std::shared_ptr<const KeyRecord> key) {
  Exchange x(worker, http, responder, endpoint);
  x.key = std::move(key);
  const InFlight counted(x.services);
  watch_client(x);
  const Result<void> served = co_await serve(x);
  if (served.has_error() && !x.committed) {
    const Error error = served.error();
    co_await refuse(x, error);
  }
  responder.on_client_gone({});
  finish(x, served);
}

}  // namespace jevons
