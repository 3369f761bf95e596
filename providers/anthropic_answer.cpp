#include "providers/anthropic_answer.h"

#include "providers/anthropic_usage.h"
#include "providers/json.h"
#include "providers/stream_base.h"
#include "providers/upstream_fault.h"

namespace jevons {

Result<ChatResponse> decode_anthropic_answer(std::string_view body, const ChatRequest&, Quirks) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse_answer(body);
  if (!parsed) return protocol_error("is not what it should be. " + parsed.error().message());
  const JsonView root = *parsed;
  if (root["error"].is_object()) {
    return upstream_fault_in_answer(root["error"]["message"].text(), root["error"]["type"].text());
  }
  if (!root["content"].is_array()) return protocol_error("has no content.");
  ChatResponse response;
  response.upstream_id = root["id"].text();
  response.model = root["model"].text();
  Choice& choice = response.choices.emplace_back();
  for (JsonView block : root["content"]) {
    const std::string_view type = block["type"].text();
    if (type == "text") {
      choice.content += block["text"].text();
      choice.has_content = true;
    } else if (type == "thinking") {
      choice.reasoning += block["thinking"].text();
      choice.reasoning_signature = block["signature"].text();
    } else if (type == "tool_use") {
      ToolCall& call = choice.tool_calls.emplace_back();
      call.id = block["id"].text();
      call.name = block["name"].text();
      call.arguments = block["input"].is_object() ? block["input"].json() : "{}";
    }
  }
  choice.finish = read_anthropic_stop(root["stop_reason"].text());
  choice.stop_sequence = root["stop_sequence"].text();
  if (root["usage"].is_object()) {
    AnthropicUsage usage;
    usage.read(root["usage"]);
    response.usage = usage.usage();
    response.service_tier = usage.service_tier();
  }
  return response;
}

namespace {

class AnthropicStream : public SseDecoder {
 private:
  Result<void> use(std::string_view data, std::vector<StreamEvent>& events) override;
  bool complete() const override { return finished_; }
  void use_start(JsonView message, std::vector<StreamEvent>& events);
  void use_block_start(JsonView block, std::vector<StreamEvent>& events);
  void use_delta(JsonView delta, std::vector<StreamEvent>& events);
  void use_block_stop(std::vector<StreamEvent>& events);
  void use_message_delta(JsonView root, std::vector<StreamEvent>& events);
  void report_usage(std::vector<StreamEvent>& events);

  AnthropicUsage usage_;
  bool finished_ = false;
  // Blocks come one after another; only tool_use blocks are numbered for us.
  std::int64_t calls_ = 0;
  bool in_call_ = false;
  bool call_has_arguments_ = false;
};

Result<void> AnthropicStream::use(std::string_view data, std::vector<StreamEvent>& events) {
  const Result<JsonView> parsed = parse(data);
  if (!parsed) return parsed.error();
  const JsonView root = *parsed;
  const std::string_view type = root["type"].text();
  if (type == "content_block_delta") {
    use_delta(root["delta"], events);
  } else if (type == "content_block_start") {
    use_block_start(root["content_block"], events);
  } else if (type == "content_block_stop") {
    use_block_stop(events);
  } else if (type == "message_start") {
    use_start(root["message"], events);
  } else if (type == "message_delta") {
    use_message_delta(root, events);
  } else if (type == "message_stop") {
    end();
  } else if (type == "error") {
    fail(root["error"]["message"].text(), root["error"]["type"].text(), events);
  }
  return boost::system::in_place_value;  // ping, and what later versions may add
}

void AnthropicStream::use_start(JsonView message, std::vector<StreamEvent>& events) {
  usage_.read(message["usage"], true);
  StreamEvent& start = add(events, StreamEvent::Kind::start, 0);
  start.upstream_id = message["id"].text();
  start.model = message["model"].text();
  start.service_tier = usage_.service_tier();
  if (message["usage"].is_object()) report_usage(events);
}

void AnthropicStream::use_block_start(JsonView block, std::vector<StreamEvent>& events) {
  const std::string_view type = block["type"].text();
  in_call_ = type == "tool_use";
  if (in_call_) {
    StreamEvent& event = add(events, StreamEvent::Kind::tool_call_start, 0);
    event.tool_index = calls_++;
    event.tool.id = block["id"].text();
    event.tool.name = block["name"].text();
    call_has_arguments_ = block["input"].size() > 0;
    if (call_has_arguments_) event.tool.arguments = block["input"].json();
  }
  add_text(events, StreamEvent::Kind::text, 0, type == "text" ? block["text"].text() : "");
  add_text(events, StreamEvent::Kind::reasoning, 0,
           type == "thinking" ? block["thinking"].text() : "");
}

void AnthropicStream::use_delta(JsonView delta, std::vector<StreamEvent>& events) {
  const std::string_view type = delta["type"].text();
  if (type == "text_delta") {
    add_text(events, StreamEvent::Kind::text, 0, delta["text"].text());
  } else if (type == "thinking_delta") {
    add_text(events, StreamEvent::Kind::reasoning, 0, delta["thinking"].text());
  } else if (type == "signature_delta") {
    add_text(events, StreamEvent::Kind::signature, 0, delta["signature"].text());
  } else if (type == "input_json_delta" && in_call_) {
    const std::string_view json = delta["partial_json"].text();
    if (json.empty()) return;
    call_has_arguments_ = true;
    add_arguments(events, 0, calls_ - 1, json);
  }
}

// A call without arguments sends none; OpenAI clients parse the text, so it has to be an object.
void AnthropicStream::use_block_stop(std::vector<StreamEvent>& events) {
  if (in_call_ && !call_has_arguments_) add_arguments(events, 0, calls_ - 1, "{}");
  in_call_ = false;
}

void AnthropicStream::use_message_delta(JsonView root, std::vector<StreamEvent>& events) {
  const JsonView delta = root["delta"];
  const FinishReason reason = read_anthropic_stop(delta["stop_reason"].text());
  if (reason != FinishReason::unset && !finished_) {
    finished_ = true;
    StreamEvent& event = add(events, StreamEvent::Kind::finish, 0);
    event.finish = reason;
    event.stop_sequence = delta["stop_sequence"].text();
  }
  if (!root["usage"].is_object()) return;
  usage_.read(root["usage"]);
  report_usage(events);
}

void AnthropicStream::report_usage(std::vector<StreamEvent>& events) {
  StreamEvent& event = add(events, StreamEvent::Kind::usage, 0);
  event.usage = std::make_shared<const Usage>(usage_.usage());
  event.service_tier = usage_.service_tier();
}

}  // namespace

std::unique_ptr<StreamDecoder> open_anthropic_stream(const ChatRequest&, Quirks) {
  return std::make_unique<AnthropicStream>();
}

}  // namespace jevons
