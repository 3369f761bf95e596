// The conversation in Gemini's format: contents of roles user and model, functionResponse by name.
#pragma once

#include <string>

#include "router/chat.h"
#include "router/error.h"

namespace jevons {

struct GeminiConversation {
  std::string system;    // JSON array of parts, empty if there is none
  std::string contents;  // JSON array
};

// `sign_calls`: replayed calls need a thought signature, as Gemini 3 demands; calls that another
// model made get the documented sentinel. Errors: unsupported_parameter (a file by id).
Result<GeminiConversation> write_gemini_conversation(const ChatRequest& request, bool sign_calls);

}  // namespace jevons
