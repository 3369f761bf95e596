// Chat answers and streams in OpenAI's words. The traps that real clients set are in wire.md 1.9.
#include <algorithm>

#include "gateway/dialects/chunk_writer.h"
#include "gateway/dialects/openai_chat.h"
#include "gateway/http_error.h"
#include "providers/json.h"
#include "providers/openai_messages.h"
#include "providers/openai_usage.h"

namespace jevons {
namespace {

// The deprecated form: one call, without id.
bool writes_function_call(const ChatRequest& request) { return request.legacy_functions; }

std::string_view finish_word(const ChatRequest& request, FinishReason reason) {
  if (reason == FinishReason::unset || reason == FinishReason::error) reason = FinishReason::stop;
  if (reason == FinishReason::tool_calls && writes_function_call(request)) return "function_call";
  return finish_reason_name(reason);
}

void write_message(JsonWriter& out, const ChatRequest& request, const Choice& choice) {
  out.begin_object().key("role").string("assistant").key("content");
  const bool empty = choice.content.empty() && !choice.tool_calls.empty();
  if (empty || (!choice.has_content && choice.content.empty())) {
    out.null();
  } else {
    out.string(choice.content);
  }
  if (!choice.reasoning.empty()) out.key("reasoning_content").string(choice.reasoning);
  out.key("refusal");
  if (choice.refusal.empty()) {
    out.null();
  } else {
    out.string(choice.refusal);
  }
  if (!choice.annotations.empty()) out.key("annotations").raw(choice.annotations);
  if (!choice.tool_calls.empty() && writes_function_call(request)) {
    const ToolCall& call = choice.tool_calls.front();
    out.key("function_call").begin_object().key("name").string(call.name);
    out.key("arguments").string(call.arguments).end_object();
  } else if (!choice.tool_calls.empty()) {
    out.key("tool_calls").begin_array();
    for (const ToolCall& call : choice.tool_calls) write_openai_tool_call(out, call, -1);
    out.end_array();
  }
  out.end_object();
}

}  // namespace

std::string write_chat_response(const ChatRequest& request, const ChatResponse& response,
                                const AnswerMeta& meta) {
  std::string body;
  JsonWriter out(body);
  out.begin_object().key("id").string(meta.id).key("object").string("chat.completion");
  out.key("created").integer(meta.created).key("model").string(meta.model);
  out.key("choices").begin_array();
  for (const Choice& choice : response.choices) {
    out.begin_object().key("index").integer(choice.index).key("message");
    write_message(out, request, choice);
    out.key("logprobs");
    if (choice.logprobs.empty()) {
      out.null();
    } else {
      out.raw(choice.logprobs);
    }
    out.key("finish_reason").string(finish_word(request, choice.finish)).end_object();
  }
  out.end_array();
  if (response.usage) write_openai_usage(out.key("usage"), *response.usage);
  if (!response.service_tier.empty()) {
    out.key("service_tier").string(openai_service_tier(response.service_tier));
  }
  if (!response.system_fingerprint.empty()) {
    out.key("system_fingerprint").string(response.system_fingerprint);
  }
  out.end_object();
  return body;
}

namespace {

class ChatStream : public StreamWriter {
 public:
  ChatStream(const ChatRequest& request, const AnswerMeta& meta)
      : request_(request), chunk_(meta, "chat.completion.chunk", request.include_usage) {}

  void write(std::span<const StreamEvent> events, std::string& out) override {
    for (const StreamEvent& event : events) write_event(event, out);
  }

  void close(const StreamEnd& end, std::string& out) override {
    // An answer without a single delta still begins with the role.
    if (choices_.empty()) open_choice(0, out);
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      ChoiceState& choice = choices_[i];
      if (choice.finish == FinishReason::unset) choice.finish = end.finish;
      const bool last = i + 1 == choices_.size();
      write_finish(choice, last && !request_.include_usage ? &end.account : nullptr, out);
    }
    if (request_.include_usage) chunk_.usage(end, out);
    out += "data: [DONE]\n\n";
  }

  void fail(const Error& error, std::string& out) override {
    out += error_event(error, Dialect::openai, chunk_.request_id());
  }

 private:
  struct ChoiceState {
    std::int64_t index = 0;
    FinishReason finish = FinishReason::unset;
    std::string logprobs;  // for the next chunk with content
  };

  // The first event of a choice brings its role chunk.
  ChoiceState& open_choice(std::int64_t index, std::string& out) {
    for (ChoiceState& choice : choices_) {
      if (choice.index == index) return choice;
    }
    ChoiceState& choice = choices_.emplace_back();
    choice.index = index;
    chunk_.begin(index, out);
    out += R"("delta":{"role":"assistant","content":"","refusal":null},"logprobs":null)";
    chunk_.end("", out);
    return choice;
  }

  void write_event(const StreamEvent& event, std::string& out) {
    using Kind = StreamEvent::Kind;
    switch (event.kind) {
      case Kind::start:
        chunk_.set_tier(event.service_tier, event.system_fingerprint);
        return;
      case Kind::text:
        write_text("content", event, out);
        return;
      case Kind::reasoning:
        write_text("reasoning_content", event, out);
        return;
      case Kind::refusal:
        write_text("refusal", event, out);
        return;
      case Kind::tool_call_start:
      case Kind::tool_call_arguments:
        write_call(event, out);
        return;
      case Kind::logprobs:
        open_choice(event.choice, out).logprobs = event.text;
        return;
      case Kind::finish:
        open_choice(event.choice, out).finish = event.finish;
        return;
      case Kind::signature:
      case Kind::usage:
      case Kind::error:
        return;
    }
  }

  void write_text(std::string_view field, const StreamEvent& event, std::string& out) {
    ChoiceState& choice = open_choice(event.choice, out);
    chunk_.begin(event.choice, out);
    out.append("\"delta\":{\"").append(field).append("\":");
    append_json_string(out, event.text);
    out += "},\"logprobs\":";
    if (event.kind == StreamEvent::Kind::text && !choice.logprobs.empty()) {
      out += choice.logprobs;
      choice.logprobs.clear();
    } else {
      out += "null";
    }
    chunk_.end("", out);
  }

  // Id and name go out once per call: openai-python appends repeated strings (wire.md 1.9).
  void write_call(const StreamEvent& event, std::string& out) {
    const bool first = event.kind == StreamEvent::Kind::tool_call_start;
    if (!first && event.text.empty()) return;
    open_choice(event.choice, out);
    chunk_.begin(event.choice, out);
    out += "\"delta\":";
    JsonWriter delta(out);
    delta.begin_object();
    if (writes_function_call(request_)) {
      delta.key("function_call").begin_object();
      if (first) delta.key("name").string(event.tool.name);
      delta.key("arguments").string(first ? event.tool.arguments : event.text).end_object();
    } else {
      delta.key("tool_calls").begin_array();
      if (first) {
        custom_ = event.tool.custom;
        write_openai_tool_call(delta, event.tool, event.tool_index);
      } else {
        delta.begin_object().key("index").integer(event.tool_index);
        delta.key(custom_ ? "custom" : "function").begin_object();
        delta.key(custom_ ? "input" : "arguments").string(event.text).end_object().end_object();
      }
      delta.end_array();
    }
    delta.end_object();
    out += ",\"logprobs\":null";
    chunk_.end("", out);
  }

  void write_finish(ChoiceState& choice, const AnswerAccount* account, std::string& out) {
    chunk_.begin(choice.index, out);
    out += "\"delta\":{},\"logprobs\":";
    out += choice.logprobs.empty() ? "null" : choice.logprobs;
    chunk_.end(finish_word(request_, choice.finish), out, account);
  }

  const ChatRequest& request_;
  ChunkWriter chunk_;
  std::vector<ChoiceState> choices_;
  bool custom_ = false;  // the call in progress is a custom tool's
};

}  // namespace

std::unique_ptr<StreamWriter> open_chat_stream(const ChatRequest& request, const AnswerMeta& meta) {
  return std::make_unique<ChatStream>(request, meta);
}

}  // namespace jevons
