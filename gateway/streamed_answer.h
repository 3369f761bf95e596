// What a streamed answer said, gathered within bounds while it passes, so that it teaches what a
// whole one does (gateway/teach.h). Nothing is held back for it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "router/chat.h"

namespace jevons {

class StreamedAnswer {
 public:
  // Of answers that have a form to be checked, and of others: what tells a refusal is short.
  static constexpr std::size_t formed_bytes_max = 64 * 1024, plain_bytes_max = 4 * 1024;
  static constexpr std::size_t tool_calls_max = 64;

  explicit StreamedAnswer(const ChatRequest& request);
  void add(std::span<const StreamEvent> events);
  // Takes it. Empty: it has not finished, has several choices, or its form is beyond the bounds.
  std::optional<ChatResponse> whole() &&;

 private:
  void append(std::string& to, std::string_view text);
  ToolCall* call_at(std::int64_t index);

  bool formed_ = false;  // JSON or tool calls may be in it
  bool known_ = true;    // nothing that matters was left out
  std::size_t bytes_ = 0;
  Choice choice_;
  std::vector<std::int64_t> indices_;  // of choice_.tool_calls, by the upstream's numbers
};

}  // namespace jevons
