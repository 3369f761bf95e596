// How many tokens an answer takes by its kind of work alone, before a text or a target is looked
// at.
#pragma once

#include "router/classification.h"

namespace jevons {

struct TypicalLength {
  double p50 = 0, p90 = 0;
};
// `text_tokens` of the question: translations and summaries follow it.
TypicalLength typical_length(Task task, double text_tokens);

}  // namespace jevons
