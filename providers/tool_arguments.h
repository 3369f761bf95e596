// Tool arguments are JSON text in OpenAI's format and an object in everybody else's.
#pragma once

#include <string>
#include <string_view>

#include "router/chat.h"

namespace jevons {

// The call's arguments as canonical JSON object text: {} if empty; text that is no object, because
// a model wrote it or the tool is a custom one, is wrapped as {"input": "..."}.
std::string arguments_object(const ToolCall& call);

}  // namespace jevons
