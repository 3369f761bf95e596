// POST /v1/completions, the legacy form: one prompt becomes one user message.
#pragma once

#include "gateway/dialects/dialect.h"

namespace jevons {

Result<ChatRequest> read_completion_request(std::string_view body);
std::string write_completion_response(const ChatRequest& request, const ChatResponse& response,
                                      const AnswerMeta& meta);
std::unique_ptr<StreamWriter> open_completion_stream(const ChatRequest& request,
                                                     const AnswerMeta& meta);

}  // namespace jevons
