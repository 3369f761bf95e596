// POST /v1/embeddings: texts or token ids in, floats or base64 of little-endian float32 out. Both
// official SDKs ask for base64 unless told otherwise.
#pragma once

#include "gateway/dialects/dialect.h"

namespace jevons {

Result<ChatRequest> read_embedding_request(std::string_view body);
std::string write_embedding_response(const ChatRequest& request, const ChatResponse& response,
                                     const AnswerMeta& meta);

}  // namespace jevons
