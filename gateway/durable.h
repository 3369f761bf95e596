// Waiting for the ledger's disk from a coroutine.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>

#include "gateway/ledger/ledger.h"
#include "gateway/mailbox.h"

namespace jevons {

// Returns once the row is durable, or with ledger_unavailable; resumes through the mailbox of the
// I/O thread that runs the coroutine.
boost::asio::awaitable<Result<void>> durable_intent(Mailbox& mailbox, Ledger& ledger,
                                                    AttemptIntent intent);
boost::asio::awaitable<Result<void>> durable_feedback(Mailbox& mailbox, Ledger& ledger,
                                                      Feedback feedback);

}  // namespace jevons
