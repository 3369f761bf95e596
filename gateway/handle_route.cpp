#include "gateway/exchange.h"
#include "gateway/finish.h"
#include "gateway/handle_chat.h"
#include "gateway/route_answer.h"

namespace jevons {

namespace asio = boost::asio;

asio::awaitable<void> handle_route(Worker& worker, HttpRequest& http, Responder& responder) {
  Exchange x(worker, http, responder, Endpoint::route);
  const std::int64_t before_us = x.services.clock.steady_us();
  const Result<void> prepared = prepare(x);
  const std::int64_t decide_us = x.services.clock.steady_us() - before_us;
  if (prepared.has_error()) {
    const Error error = prepared.error();
    co_await refuse(x, error);
  } else if (!x.decision.refuse_message.empty()) {
    const Error error = infeasible_error(x.decision, x.config->catalog);
    co_await refuse(x, error);
  } else {
    std::vector<Header> headers = x.answer_headers;
    headers.push_back(Header{"content-type", "application/json"});
    std::string body = route_answer(x.decision, x.classification, x.config->catalog, decide_us);
    x.status = 200;
    co_await responder.send(200, std::move(headers), std::move(body));
  }
  finish(x, prepared);
}

}  // namespace jevons
