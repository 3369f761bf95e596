#include "gateway/dialects/openai_chat.h"

#include "gateway/dialects/openai_fields.h"
#include "gateway/dialects/responses_shape.h"
#include "providers/openai_messages.h"
#include "providers/openai_tools.h"

namespace jevons {
namespace {

bool read_functions(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  out.legacy_functions = value.present();
  return read_openai_functions(in, value, path, out.tools);
}

// Legacy and current name of the same choice: the current one holds.
bool read_function_call(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (out.tool_choice.mode != ToolChoice::Mode::unset) return true;
  return read_openai_tool_choice(in, value, path, out.tool_choice);
}

using In = FieldReader&;
using Value = JsonView;
using Path = const JsonPath&;
using Out = ChatRequest&;

constexpr OpenAiField chat_fields[] = {
    {"messages",
     [](In in, Value v, Path p, Out out) { return read_openai_messages(in, v, p, out.messages); }},
    {"tools",
     [](In in, Value v, Path p, Out out) { return read_openai_tools(in, v, p, out.tools); }},
    {"functions", read_functions},
    {"tool_choice", [](In in, Value v, Path p,
                       Out out) { return read_openai_tool_choice(in, v, p, out.tool_choice); }},
    {"function_call", read_function_call},
    {"parallel_tool_calls",
     [](In in, Value v, Path p, Out out) { return in.boolean(v, p, out.parallel_tool_calls); }},
    {"response_format",
     [](In in, Value v, Path p, Out out) {
       return read_openai_response_format(in, v, p, out.response_format);
     }},
    {"logprobs",
     [](In in, Value v, Path p, Out out) { return in.boolean(v, p, out.sampling.logprobs); }},
    {"top_logprobs", [](In in, Value v, Path p,
                        Out out) { return in.integer(v, p, 0, 20, out.sampling.top_logprobs); }},
    {"reasoning_effort",
     [](In in, Value v, Path p, Out out) { return in.string(v, p, out.reasoning_effort); }},
};

const OpenAiField* chat_field(std::string_view name) {
  for (const OpenAiField& field : chat_fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool complete_chat(FieldReader& in, JsonView root, ChatRequest& out) {
  if (!out.messages.empty()) return true;
  const JsonPath top;
  if (root["input"].present() && !root["messages"].present()) {
    return read_responses_shape(in, root, out);
  }
  return read_openai_messages(in, root["messages"], JsonPath(top, "messages"), out.messages);
}

}  // namespace

Result<ChatRequest> read_chat_request(std::string_view body) {
  return read_openai_body(body, Endpoint::chat, chat_field, complete_chat);
}

}  // namespace jevons
