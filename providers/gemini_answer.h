// Answers, streams and usage of Gemini's generateContent.
#pragma once

#include <memory>
#include <string_view>

#include "providers/adapter.h"
#include "providers/json.h"
#include "router/usage.h"

namespace jevons {

Result<ChatResponse> decode_gemini_answer(std::string_view body, const ChatRequest& request,
                                          Quirks quirks);
// Every event is a whole response with partial content; there is no terminal marker.
std::unique_ptr<StreamDecoder> open_gemini_stream(const ChatRequest& request, Quirks quirks);

// `usageMetadata`: the cache is inside the prompt, thoughts stand beside the candidates. Only of a
// `complete` answer does the total tell a count of candidates that was left out.
Usage read_gemini_usage(JsonView metadata, bool complete);

}  // namespace jevons
