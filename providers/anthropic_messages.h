// The conversation in Anthropic's Messages format: system blocks, alternating turns, tool results
// in front of the text of their turn.
#pragma once

#include <string>

#include "providers/json.h"
#include "router/chat.h"
#include "router/error.h"

namespace jevons {

struct AnthropicConversation {
  std::string system;    // JSON array of text blocks, empty if there is none
  std::string messages;  // JSON array
};

// Errors: unsupported_parameter for content that Claude cannot take (audio, other image formats).
Result<AnthropicConversation> write_anthropic_conversation(const ChatRequest& request);

}  // namespace jevons
