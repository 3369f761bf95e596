#include "providers/openai_answer.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "providers/base64.h"
#include "providers/json.h"
#include "providers/openai_messages.h"
#include "providers/openai_usage.h"
#include "providers/stream_base.h"
#include "providers/upstream_fault.h"

namespace jevons {

namespace {

// A content that is an array of parts (Mistral's reasoning models): text and thinking apart.
void read_answer_parts(JsonView parts, Choice& choice) {
  for (JsonView part : parts) {
    if (part["type"].text() == "thinking") {
      const JsonView thinking = part["thinking"];
      if (thinking.is_string()) choice.reasoning += thinking.text();
      for (JsonView piece : thinking) choice.reasoning += piece["text"].text();
    } else {
      choice.content += part["text"].text();
    }
  }
}

Choice read_choice(JsonView value, std::int64_t position) {
  Choice choice;
  choice.index = value["index"].integer().value_or(position);
  const JsonView message = value["message"];
  const JsonView content = message["content"];
  choice.has_content = content.present();
  if (content.is_string()) {
    choice.content = content.text();
  } else {
    read_answer_parts(content, choice);
  }
  for (const std::string_view field : {"reasoning_content", "reasoning"}) {
    if (choice.reasoning.empty()) choice.reasoning = message[field].text();
  }
  choice.refusal = message["refusal"].text();
  for (JsonView call : message["tool_calls"]) {
    choice.tool_calls.push_back(read_openai_tool_call(call));
  }
  if (const JsonView legacy = message["function_call"]; legacy.is_object()) {
    ToolCall& call = choice.tool_calls.emplace_back();
    call.id = "call_function_0";
    call.name = legacy["name"].text();
    call.arguments = legacy["arguments"].text();
  }
  if (message["annotations"].size() > 0) choice.annotations = message["annotations"].json();
  if (value["logprobs"].is_object()) choice.logprobs = value["logprobs"].json();
  choice.finish = read_openai_finish(value["finish_reason"].text());
  return choice;
}

// One vector as little-endian float32 bytes, from numbers or from base64 of the same bytes.
std::optional<std::string> read_vector(JsonView value) {
  if (value.is_string()) {
    std::optional<std::string> bytes = base64_decode(value.text());
    if (!bytes || bytes->size() % sizeof(float) != 0) return std::nullopt;
    return bytes;
  }
  if (!value.is_array()) return std::nullopt;
  std::string bytes(value.size() * sizeof(float), '\0');
  char* to = bytes.data();
  for (JsonView number : value) {
    const std::optional<double> real = number.number();
    if (!real) return std::nullopt;
    const auto narrow = static_cast<float>(*real);
    std::memcpy(to, &narrow, sizeof narrow);  // every machine we build for is little-endian
    to += sizeof narrow;
  }
  return bytes;
}

Result<void> read_embeddings(JsonView root, const ChatRequest& request, ChatResponse& out) {
  const JsonView data = root["data"];
  const std::size_t wanted = std::max(request.inputs.size(), request.token_inputs.size());
  if (!data.is_array() || data.size() != wanted) {
    return protocol_error("has " + std::to_string(data.size()) + " embeddings for " +
                          std::to_string(wanted) + " inputs.");
  }
  out.embeddings.resize(wanted);
  std::vector<bool> seen(wanted, false);
  std::int64_t position = 0;
  for (JsonView item : data) {
    const std::int64_t index = item["index"].integer().value_or(position++);
    const auto slot = static_cast<std::size_t>(index);
    std::optional<std::string> vector = read_vector(item["embedding"]);
    if (index < 0 || slot >= wanted || seen[slot] || !vector) {
      return protocol_error("has a malformed embedding.");
    }
    seen[slot] = true;
    out.embeddings[slot] = std::move(*vector);
  }
  return boost::system::in_place_value;
}

}  // namespace

Result<ChatResponse> decode_openai_answer(std::string_view body, const ChatRequest& request,
                                          Quirks quirks) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse_answer(body);
  if (!parsed) return protocol_error("is not what it should be. " + parsed.error().message());
  const JsonView root = *parsed;
  if (const JsonView error = root["error"]; error.present()) {
    return upstream_fault_in_answer(error.is_string() ? error.text() : error["message"].text(),
                                    error["code"].text());
  }
  ChatResponse response;
  response.upstream_id = root["id"].text();
  response.created = root["created"].integer().value_or(0);
  response.model = root["model"].text();
  response.service_tier = root["service_tier"].text();
  response.system_fingerprint = root["system_fingerprint"].text();
  if (root["usage"].is_object()) response.usage = read_openai_usage(root["usage"], quirks);
  if (request.endpoint == Endpoint::embeddings) {
    const Result<void> read = read_embeddings(root, request, response);
    if (!read) return read.error();
    return response;
  }
  const JsonView choices = root["choices"];
  if (!choices.is_array() || choices.size() == 0) return protocol_error("has no choices.");
  std::int64_t position = 0;
  for (JsonView choice : choices) {
    if (!choice["message"].is_object()) return protocol_error("has a choice without a message.");
    response.choices.push_back(read_choice(choice, position++));
    if (response.choices.back().finish == FinishReason::error) {
      return upstream_fault_in_answer("", choice["finish_reason"].text());
    }
  }
  return response;
}

}  // namespace jevons
