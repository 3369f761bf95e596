// Waiting for the ledger's disk from a coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "gateway/ledger/ledger.h"

namespace jevons {

// Returns once the row is durable, or with ledger_unavailable.
boost::asio::awaitable<Result<void>> durable_intent(Ledger& ledger, AttemptIntent intent);
boost::asio::awaitable<Result<void>> durable_feedback(Ledger& ledger, Feedback feedback);

}  // namespace jevons
