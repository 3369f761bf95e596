#include "gateway/weak_answer.h"

#include "providers/json.h"

namespace jevons {
namespace {

bool parses(const std::string& text) {
  JsonDocument document;
  return document.parse(text).has_value();
}

bool fires(EscalateOn signal, const ChatRequest& request, const Choice& choice) {
  switch (signal) {
    case EscalateOn::refusal:
      return !choice.refusal.empty() || choice.finish == FinishReason::content_filter;
    case EscalateOn::truncated:
      // A cap that the client chose is what it asked for.
      return choice.finish == FinishReason::length && !request.max_completion_tokens;
    case EscalateOn::invalid_json:
      return (request.response_format.kind == ResponseFormat::Kind::json_object ||
              request.response_format.kind == ResponseFormat::Kind::json_schema) &&
             choice.tool_calls.empty() && !parses(choice.content);
    case EscalateOn::invalid_tool_call:
      for (const ToolCall& call : choice.tool_calls)
        if (!call.custom && !parses(call.arguments)) return true;
      return false;
    case EscalateOn::low_confidence:
    case EscalateOn::disagreement:
      return false;  // need token probabilities or a second sample
  }
  return false;
}

}  // namespace

std::optional<EscalateOn> weak_answer(const Policy& policy, const ChatRequest& request,
                                      const ChatResponse& response) {
  for (const EscalateOn signal : policy.escalate_on)
    for (const Choice& choice : response.choices)
      if (fires(signal, request, choice)) return signal;
  return std::nullopt;
}

}  // namespace jevons
