// Copies the state of the world for one decision.
#pragma once

#include "gateway/exchange.h"
#include "router/snapshot.h"

namespace jevons {

Snapshot take_snapshot(Exchange& exchange);

}  // namespace jevons
