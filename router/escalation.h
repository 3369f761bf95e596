// The cascade's own rules: when an answer sounds like a refusal, when two answers say the same, and
// when a stronger answer is worth its price. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "router/decision.h"

namespace jevons {

// A short text that begins by declining. Conservative: a long answer that apologises on the way is
// an answer.
bool sounds_like_refusal(std::string_view text);

// Whether two samples of one prompt give the same answer: the last number where both end in one,
// else the same words for the most part.
bool answers_agree(std::string_view a, std::string_view b);

struct EscalationPrice {
  std::size_t from = 0, to = 0;  // target indexes
  Nanodollars spent;             // on this request so far
};
// Whether the gain in P(ok) pays for asking the stronger target: against `value_per_success_usd`
// where the policy has one, and never beyond the caller's or the policy's limit on cost, which then
// covers all attempts together.
bool worth_escalating(const Decision& decision, const Caller& caller, EscalateOn signal,
                      const EscalationPrice& price);

}  // namespace jevons
