#include "providers/tool_arguments.h"

#include "providers/json.h"

namespace jevons {

std::string arguments_object(const ToolCall& call) {
  if (!call.custom) {
    if (call.arguments.find_first_not_of(" \t\r\n") == std::string::npos) return "{}";
    JsonDocument document;
    const Result<JsonView> parsed = document.parse(call.arguments);
    if (parsed && parsed->is_object()) return parsed->json();
  }
  std::string wrapped;
  JsonWriter(wrapped).begin_object().key("input").string(call.arguments).end_object();
  return wrapped;
}

}  // namespace jevons
