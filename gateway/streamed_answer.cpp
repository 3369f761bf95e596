#include "gateway/streamed_answer.h"

#include <algorithm>
#include <utility>

namespace jevons {

StreamedAnswer::StreamedAnswer(const ChatRequest& request)
    : formed_(request.response_format.kind == ResponseFormat::Kind::json_object ||
              request.response_format.kind == ResponseFormat::Kind::json_schema ||
              !request.tools.empty()) {}

void StreamedAnswer::append(std::string& to, std::string_view text) {
  const std::size_t room = (formed_ ? formed_bytes_max : plain_bytes_max) - bytes_;
  // Of plain text the beginning is enough.
  if (text.size() > room) known_ = known_ && !formed_;
  to.append(text.substr(0, room));
  bytes_ += std::min(room, text.size());
}

ToolCall* StreamedAnswer::call_at(std::int64_t index) {
  const auto found = std::find(indices_.begin(), indices_.end(), index);
  if (found == indices_.end()) return nullptr;
  return &choice_.tool_calls[static_cast<std::size_t>(found - indices_.begin())];
}

void StreamedAnswer::add(std::span<const StreamEvent> events) {
  for (const StreamEvent& event : events) {
    if (event.choice != 0) known_ = false;
    if (!known_) return;
    switch (event.kind) {
      case StreamEvent::Kind::text:
        append(choice_.content, event.text);
        break;
      case StreamEvent::Kind::refusal:
        append(choice_.refusal, event.text);
        break;
      case StreamEvent::Kind::tool_call_start:
        if (choice_.tool_calls.size() >= tool_calls_max) {
          known_ = false;
          break;
        }
        indices_.push_back(event.tool_index);
        choice_.tool_calls.push_back(event.tool);
        choice_.tool_calls.back().arguments.clear();
        // A call in an answer to a request without tools has a form as well.
        formed_ = true;
        append(choice_.tool_calls.back().arguments, event.tool.arguments);
        break;
      case StreamEvent::Kind::tool_call_arguments:
        if (ToolCall* call = call_at(event.tool_index)) append(call->arguments, event.text);
        break;
      case StreamEvent::Kind::finish:
        choice_.finish = event.finish;
        break;
      default:
        break;
    }
  }
}

std::optional<ChatResponse> StreamedAnswer::whole() && {
  if (!known_ || choice_.finish == FinishReason::unset) return std::nullopt;
  ChatResponse response;
  response.choices.push_back(std::move(choice_));
  return response;
}

}  // namespace jevons
