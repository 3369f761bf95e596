// Answers and streams of Anthropic's Messages API.
#pragma once

#include <memory>
#include <string_view>

#include "providers/adapter.h"

namespace jevons {

Result<ChatResponse> decode_anthropic_answer(std::string_view body, const ChatRequest& request,
                                             Quirks quirks);
std::unique_ptr<StreamDecoder> open_anthropic_stream(const ChatRequest& request, Quirks quirks);

}  // namespace jevons
