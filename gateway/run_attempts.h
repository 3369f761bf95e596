// The loop that performs an AttemptPlan.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "gateway/exchange.h"

namespace jevons {

// Runs attempts until one was delivered or the plan gives up. An error before the commit is still
// to be told to the client; `exchange.committed` says which.
boost::asio::awaitable<Result<void>> run_attempts(Exchange& exchange);

}  // namespace jevons
