// Signals after the answer that it is too weak to deliver (policy `escalate`). Pure.
#pragma once

#include <optional>

#include "router/chat.h"
#include "router/policy.h"

namespace jevons {

// The first signal of the policy that fires, or nothing.
std::optional<EscalateOn> weak_answer(const Policy& policy, const ChatRequest& request,
                                      const ChatResponse& response);

}  // namespace jevons
