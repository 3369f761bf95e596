// Prompts come from strangers: classification takes any bytes, in any number of messages, and its
// numbers stay in their ranges.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "router/decision.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  ChatRequest request;
  Message message;
  std::string text;
  // Byte 0xFF ends a message and its successor chooses the next one's role.
  for (std::size_t i = 0; i < size; ++i) {
    if (data[i] != 0xFF || i + 1 >= size) {
      text.push_back(static_cast<char>(data[i]));
      continue;
    }
    message.parts = {{.text = text}};
    request.messages.push_back(message);
    text.clear();
    message.role = static_cast<Role>(data[++i] % 5);
    message.tool_error = data[i] > 127;
  }
  message.parts = {{.text = text}};
  request.messages.push_back(message);
  const Classification c = classify(request);
  const bool sound = c.difficulty >= 0 && c.difficulty <= 1 && c.uncertainty >= 0 &&
                     c.uncertainty <= 1 && c.prompt_tokens >= 0 &&
                     c.prompt_tokens <= c.prompt_tokens_upper && c.completion_tokens_p50 >= 1 &&
                     c.completion_tokens_p90 >= c.completion_tokens_p50;
  if (!sound) std::abort();
  return 0;
}
