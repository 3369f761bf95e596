// Reasoning effort as an arm. A catalog row with `by_effort` is loaded as one target an effort,
// named "gpt-5:low" and labelled effort: low, behind the row's own target, labelled effort: stated.
// A request that states an effort (or a thinking budget) is for the row's own target, every other
// one for the arms, each judged, priced and learned by itself.
#pragma once

#include <string>
#include <string_view>

#include "router/chat.h"
#include "router/target.h"

namespace jevons {

inline constexpr std::string_view effort_label = "effort", effort_stated = "stated";

// The effort of an arm; empty for every other target.
std::string_view effort_of(const Target& target);
// Its arms serve what states no effort.
bool has_arms(const Target& target);
// An arm's name without its effort, which is what the provider's fault or a key's `models` is
// about; every other target's own name.
std::string_view row_name(const Target& target);

bool states_effort(const ChatRequest& request);

// The hidden tokens that an effort takes before the answer, as a multiple of the visible ones; 0
// for an effort that is empty or unknown.
double hidden_share(std::string_view effort);

}  // namespace jevons
