// Answers and streams of OpenAI-like upstreams.
#pragma once

#include <memory>
#include <string_view>

#include "providers/adapter.h"

namespace jevons {

// Chat completions, or embeddings if that was the request. An error object in a 2xx body is an
// upstream_error; a body that is no answer is an upstream_protocol_error.
Result<ChatResponse> decode_openai_answer(std::string_view body, const ChatRequest& request,
                                          Quirks quirks);
std::unique_ptr<StreamDecoder> open_openai_stream(const ChatRequest& request, Quirks quirks);

}  // namespace jevons
