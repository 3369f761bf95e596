// Hedging: a second attempt beside one that is slow to answer. The first that has something to say
// wins; the other is aborted and settled as superseded.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "gateway/attempt.h"
#include "router/plan.h"

namespace jevons {

// Opens `attempt`; if the plan says so, starts its hedge in time. On return `attempt` is the
// winner, or the last to fail.
boost::asio::awaitable<Result<void>> open_with_hedge(Exchange& exchange, AttemptPlan& plan,
                                                     std::unique_ptr<Attempt>& attempt);

}  // namespace jevons
