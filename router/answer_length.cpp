#include "router/answer_length.h"

#include <algorithm>

namespace jevons {

TypicalLength typical_length(Task task, double text_tokens) {
  switch (task) {
    case Task::chat:
      return {220, 700};
    case Task::code:
      return {350, 1100};
    case Task::math:
      return {320, 900};
    case Task::reasoning:
      return {300, 900};
    case Task::knowledge:
      return {160, 500};
    case Task::extraction:
      return {90, 350};
    case Task::translation:
      return {text_tokens * 1.1 + 5, text_tokens * 1.8 + 40};
    case Task::summarise:
      return {std::clamp(text_tokens * 0.25, 60.0, 350.0), 600};
    case Task::classify:
      return {10, 60};
    case Task::tool_use:
      return {70, 220};
    case Task::agent_step:
      return {150, 600};
  }
  return {220, 700};
}

}  // namespace jevons
