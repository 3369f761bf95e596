// What differs between generations of Claude, read from the model's name (wire.md 1.6).
#pragma once

#include <string_view>

namespace jevons {

struct ClaudeModel {
  int major = 0, minor = 0;        // 0: the name tells no version
  bool refuses_sampling = false;   // temperature, top_p and top_k are errors
  bool adaptive_thinking = false;  // thinking adaptive + output_config.effort, else token budgets
  bool effort_xhigh = false;
};

// Names such as claude-sonnet-4-6, claude-3-7-sonnet-20250219, anthropic.claude-opus-4-7-v1:0.
ClaudeModel claude_model(std::string_view name);

}  // namespace jevons
