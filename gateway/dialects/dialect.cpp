#include "gateway/dialects/dialect.h"

#include "gateway/dialects/openai_chat.h"
#include "gateway/dialects/openai_completions.h"
#include "gateway/dialects/openai_embeddings.h"

namespace jevons {

void count_request(ChatRequest& request) {
  std::size_t bytes = 0;
  std::int64_t images = 0;
  for (const Message& message : request.messages) {
    bytes += message.name.size();
    for (const Part& part : message.parts) {
      bytes += part.text.size() + part.filename.size();
      // Audio and files have no per-item bound of their own: their bytes bound their tokens.
      if (part.kind == Part::Kind::image)
        ++images;
      else
        bytes += part.data.size();
    }
    for (const ToolCall& call : message.tool_calls) {
      bytes += call.id.size() + call.name.size() + call.arguments.size();
    }
  }
  for (const Tool& tool : request.tools) {
    bytes += tool.name.size() + tool.description.size() + tool.parameters.size() + tool.raw.size();
  }
  const ResponseFormat& format = request.response_format;
  bytes += format.name.size() + format.description.size() + format.schema.size();
  for (const std::string& text : request.inputs) bytes += text.size();
  for (const std::string& ids : request.token_inputs) bytes += ids.size();
  request.text_bytes = static_cast<std::int64_t>(bytes);
  request.image_count = images;
}

const InboundDialect* dialect_of(Endpoint endpoint) {
  static constexpr InboundDialect chat = {read_chat_request, write_chat_response, open_chat_stream};
  static constexpr InboundDialect completions = {read_completion_request, write_completion_response,
                                                 open_completion_stream};
  static constexpr InboundDialect embeddings = {
      read_embedding_request, write_embedding_response,
      [](const ChatRequest&, const AnswerMeta&) -> std::unique_ptr<StreamWriter> {
        return nullptr;
      }};
  switch (endpoint) {
    case Endpoint::chat:
    case Endpoint::route:
      return &chat;
    case Endpoint::completions:
      return &completions;
    case Endpoint::embeddings:
      return &embeddings;
    case Endpoint::responses:
    case Endpoint::messages:
    case Endpoint::count_tokens:
    case Endpoint::feedback:
    case Endpoint::models:
      return nullptr;
  }
  return nullptr;
}

}  // namespace jevons
