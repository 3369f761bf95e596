// Requests to engine jobs and engine updates to events: pure.
#include <algorithm>
#include <charconv>
#include <chrono>

#include "providers/json.h"
#include "providers/local_upstream.h"

namespace jevons {
namespace {

engine::Role role_of(Role role) {
  switch (role) {
    case Role::system:
      return engine::Role::system;
    case Role::developer:
      return engine::Role::developer;
    case Role::user:
      return engine::Role::user;
    case Role::assistant:
      return engine::Role::assistant;
    case Role::tool:
      return engine::Role::tool;
  }
  return engine::Role::user;
}

Error unsupported(std::string param, std::string message) {
  Error error(Fault::unsupported_parameter, Origin::client, std::move(message));
  error.with_param(std::move(param));
  return error;
}

Result<engine::Message> message_of(const Message& from) {
  engine::Message to;
  to.role = role_of(from.role);
  to.tool_call_id = from.tool_call_id;
  to.name = from.name;
  for (const Part& part : from.parts) {
    switch (part.kind) {
      case Part::Kind::text:
      case Part::Kind::refusal:
        to.parts.push_back(engine::TextPart{part.text});
        break;
      case Part::Kind::thinking:
        to.reasoning += part.text;
        break;
      case Part::Kind::redacted_thinking:
        break;
      default:
        return unsupported("messages",
                           "the local model reads text only, not images, audio or files");
    }
  }
  for (const ToolCall& call : from.tool_calls)
    to.tool_calls.push_back(engine::ToolCall{call.id, call.name, call.arguments});
  return to;
}

engine::ToolChoice tool_choice_of(const ToolChoice& from) {
  engine::ToolChoice to;
  switch (from.mode) {
    case ToolChoice::Mode::none:
      to.mode = engine::ToolMode::none;
      break;
    case ToolChoice::Mode::required:
      to.mode = engine::ToolMode::required;
      break;
    case ToolChoice::Mode::named:
      to.mode = engine::ToolMode::named;
      to.name = from.name;
      break;
    default:
      break;
  }
  return to;
}

engine::ResponseFormat format_of(const ResponseFormat& from) {
  engine::ResponseFormat to;
  if (from.kind == ResponseFormat::Kind::json_object) to.kind = engine::Format::json_object;
  if (from.kind == ResponseFormat::Kind::json_schema) {
    to.kind = engine::Format::json_schema;
    to.schema = from.schema;
  }
  return to;
}

// OpenAI's {"token id": bias}; entries that are no token ids are the client's mistake and ignored
// upstream too.
std::vector<engine::LogitBias> biases_of(const std::string& json) {
  std::vector<engine::LogitBias> biases;
  if (json.empty()) return biases;
  JsonDocument document;
  const Result<JsonView> root = document.parse(json);
  if (root.has_error()) return biases;
  for (auto at = root->begin(); at != root->end(); ++at) {
    const std::string_view key = at.key();
    std::uint32_t token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc() || end != key.data() + key.size()) continue;
    if (const auto bias = (*at).number())
      biases.push_back(engine::LogitBias{token, static_cast<float>(*bias)});
  }
  return biases;
}

engine::Sampling sampling_of(const ChatRequest& request, std::int64_t output_cap) {
  const SamplingParameters& from = request.sampling;
  engine::Sampling to;
  to.temperature = static_cast<float>(from.temperature.value_or(1.0));
  to.top_p = static_cast<float>(from.top_p.value_or(1.0));
  to.top_k = static_cast<std::uint32_t>(std::max<std::int64_t>(from.top_k.value_or(0), 0));
  to.frequency_penalty = static_cast<float>(from.frequency_penalty.value_or(0));
  to.presence_penalty = static_cast<float>(from.presence_penalty.value_or(0));
  if (from.seed) to.seed = static_cast<std::uint64_t>(*from.seed);
  to.logit_bias = biases_of(from.logit_bias);
  to.logprobs = from.logprobs.value_or(false);
  to.top_logprobs =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(from.top_logprobs.value_or(0), 0, 20));
  to.stop = from.stop;
  to.max_tokens = static_cast<std::uint32_t>(std::clamp<std::int64_t>(output_cap, 0, UINT32_MAX));
  return to;
}

engine::ReasoningEffort effort_of(const std::string& effort) {
  if (effort == "none") return engine::ReasoningEffort::none;
  if (effort == "minimal" || effort == "low") return engine::ReasoningEffort::low;
  if (effort == "medium") return engine::ReasoningEffort::medium;
  if (effort == "high" || effort == "xhigh" || effort == "max")
    return engine::ReasoningEffort::high;
  return engine::ReasoningEffort::unset;
}

StreamEvent event_of(StreamEvent::Kind kind, std::string text) {
  StreamEvent event;
  event.kind = kind;
  event.text = std::move(text);
  return event;
}

FinishReason finish_of(engine::Finish finish) {
  switch (finish) {
    case engine::Finish::length:
      return FinishReason::length;
    case engine::Finish::tool_calls:
      return FinishReason::tool_calls;
    default:
      return FinishReason::stop;
  }
}

void probability_json(JsonWriter& json, const engine::TokenProbability& one) {
  json.key("token").string(utf8_or_replaced(one.bytes));
  json.key("logprob").number(static_cast<double>(one.logprob));
  json.key("bytes").begin_array();
  for (const char c : one.bytes) json.integer(static_cast<unsigned char>(c));
  json.end_array();
}

// OpenAI's logprobs object for the tokens of one update.
std::string logprobs_json(const std::vector<engine::TokenLogprobs>& tokens) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("content").begin_array();
  for (const engine::TokenLogprobs& token : tokens) {
    json.begin_object();
    probability_json(json, token.chosen);
    json.key("top_logprobs").begin_array();
    for (const engine::TokenProbability& one : token.top) {
      json.begin_object();
      probability_json(json, one);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  json.key("refusal").null();
  json.end_object();
  return out;
}

Usage usage_of(const engine::TokenUsage& from) {
  const auto measured = [](std::uint32_t count) {
    return TokenCount{.count = count, .source = Provenance::measured};
  };
  Usage usage;
  usage[TokenClass::input] = measured(from.prompt - std::min(from.cached, from.prompt));
  usage[TokenClass::cache_read] = measured(from.cached);
  usage[TokenClass::output] = measured(from.completion - std::min(from.reasoning, from.completion));
  usage[TokenClass::reasoning] = measured(from.reasoning);
  return usage;
}

}  // namespace

Result<engine::Job> engine_job(const UpstreamCall& call) {
  const ChatRequest& request = *call.request;
  if (request.n > 1) return unsupported("n", "the local model gives one answer: leave out `n`");
  if (!request.inputs.empty() || !request.token_inputs.empty())
    return unsupported("input", "the local model makes no embeddings");
  engine::Job job;
  for (const Message& message : request.messages) {
    Result<engine::Message> made = message_of(message);
    if (made.has_error()) return made.error();
    job.messages.push_back(std::move(*made));
  }
  for (const Tool& tool : request.tools)
    if (tool.raw.empty())
      job.tools.push_back(engine::Tool{tool.name, tool.description, tool.parameters});
  job.tool_choice = tool_choice_of(request.tool_choice);
  job.response_format = format_of(request.response_format);
  job.sampling = sampling_of(request, call.encode.output_cap);
  job.reasoning_effort =
      effort_of(call.encode.effort.empty() ? request.reasoning_effort : call.encode.effort);
  job.cache_salt = call.tenant;
  job.deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(call.total_timeout_ms);
  return job;
}

void stream_events(const engine::Update& update, std::vector<StreamEvent>& events) {
  if (!update.reasoning.empty())
    events.push_back(event_of(StreamEvent::Kind::reasoning, update.reasoning));
  // Log-probabilities go before their text: writers put both into one chunk.
  if (!update.logprobs.empty())
    events.push_back(event_of(StreamEvent::Kind::logprobs, logprobs_json(update.logprobs)));
  if (!update.text.empty()) events.push_back(event_of(StreamEvent::Kind::text, update.text));
  for (const engine::ToolCallDelta& delta : update.tool_calls) {
    if (!delta.name.empty()) {
      StreamEvent start = event_of(StreamEvent::Kind::tool_call_start, {});
      start.tool_index = delta.index;
      start.tool.id = delta.id;
      start.tool.name = delta.name;
      events.push_back(std::move(start));
    }
    if (!delta.arguments.empty()) {
      StreamEvent more = event_of(StreamEvent::Kind::tool_call_arguments, delta.arguments);
      more.tool_index = delta.index;
      events.push_back(std::move(more));
    }
  }
  if (!update.finish) return;
  StreamEvent finish = event_of(StreamEvent::Kind::finish, {});
  finish.finish = finish_of(*update.finish);
  events.push_back(std::move(finish));
  StreamEvent usage = event_of(StreamEvent::Kind::usage, {});
  usage.usage = std::make_shared<const Usage>(usage_of(update.usage));
  events.push_back(std::move(usage));
}

Error engine_error(const engine::Refusal& refusal) {
  Fault fault = Fault::internal;
  bool retry = false;
  switch (refusal.fault()) {
    case engine::EngineFault::invalid_input:
      fault = refusal.context() > 0 ? Fault::context_length_exceeded : Fault::invalid_value;
      break;
    case engine::EngineFault::unsupported:
      fault = Fault::unsupported_parameter;
      break;
    case engine::EngineFault::overloaded:
      fault = Fault::overloaded;
      retry = true;
      break;
    case engine::EngineFault::cancelled:
      fault = Fault::cancelled;
      break;
    case engine::EngineFault::deadline_exceeded:
      fault = Fault::deadline_exceeded;
      break;
    default:
      fault = Fault::upstream_error;
      break;
  }
  Error error(fault, Origin::upstream, refusal.message());
  error.with_retry(retry);
  if (refusal.retry_after_ms() > 0) error.with_retry_after_ms(refusal.retry_after_ms());
  return error;
}

}  // namespace jevons
