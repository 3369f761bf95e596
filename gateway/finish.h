// The edges of a model request: noticing that the client went away, refusals, and what is written
// down when it is over.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "gateway/exchange.h"

namespace jevons {

// Counts the request while it lives.
class InFlight {
 public:
  explicit InFlight(Services& services) : services_(services) { ++services_.in_flight; }
  ~InFlight() { --services_.in_flight; }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

 private:
  Services& services_;
};

// From now on an interrupt is noted in the exchange and told to its running attempts.
void watch_client(Exchange& exchange);

// Metrics of the decision.
void note_decision(Exchange& exchange);

// Answers an error before the commit.
boost::asio::awaitable<void> refuse(Exchange& exchange, const Error& error);

// Metrics, session, rate-limit correction and the log line of a request.
void finish(Exchange& exchange, const Result<void>& served);

}  // namespace jevons
