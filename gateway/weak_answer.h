// Signals after the answer that it is too weak to deliver (policy `escalate`). Pure.
#pragma once

#include <optional>

#include "router/chat.h"
#include "router/policy.h"

namespace jevons {

// The first signal of the policy that fires, or nothing. Disagreement is asked for separately.
std::optional<EscalateOn> weak_answer(const Policy& policy, const ChatRequest& request,
                                      const ChatResponse& response);

// Whether the policy wants the first target asked twice: a whole answer in words alone.
bool wants_second_sample(const Policy& policy, const ChatRequest& request);
bool disagree(const ChatResponse& a, const ChatResponse& b);

// Whether token probabilities are to be asked for, although the client did not.
bool wants_logprobs(const Policy& policy, const ChatRequest& request, const Target& target);

}  // namespace jevons
