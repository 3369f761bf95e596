// POST /v1/chat/completions: wire.md 1.1 and 1.9.
#pragma once

#include "gateway/dialects/dialect.h"

namespace jevons {

// Also takes the Responses-shaped body that Cursor sends here (`input` in place of `messages`).
Result<ChatRequest> read_chat_request(std::string_view body);
std::string write_chat_response(const ChatRequest& request, const ChatResponse& response,
                                const AnswerMeta& meta);
std::unique_ptr<StreamWriter> open_chat_stream(const ChatRequest& request, const AnswerMeta& meta);

}  // namespace jevons
