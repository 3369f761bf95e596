#include "gateway/weak_answer.h"

#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include <algorithm>
#include <cmath>

#include "providers/json.h"
#include "router/escalation.h"

namespace jevons {
namespace {

// Chance per token, on average, below which a model was guessing.
constexpr double confident_chance = 0.5;
constexpr std::size_t schema_bytes_max = 64 * 1024;

bool parses(const std::string& text) {
  JsonDocument document;
  return document.parse(text).has_value();
}

// Whether JSON text obeys a schema, as far as we can say: references are not followed (a client's
// may lead in circles), and what cannot be checked is taken to hold.
bool obeys(const std::string& text, const std::string& schema) {
  if (!parses(text)) return false;
  if (schema.empty() || schema.size() > schema_bytes_max || !parses(schema)) return true;
  if (schema.find("\"$ref\"") != std::string::npos) return true;
  rapidjson::Document rules, value;
  rules.Parse<rapidjson::kParseIterativeFlag>(schema.data(), schema.size());
  value.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (rules.HasParseError() || value.HasParseError() || !rules.IsObject()) return true;
  const rapidjson::SchemaDocument compiled(rules);
  rapidjson::SchemaValidator validator(compiled);
  return value.Accept(validator);
}

bool valid_call(const ChatRequest& request, const ToolCall& call) {
  if (call.custom) return true;
  const auto tool = std::find_if(request.tools.begin(), request.tools.end(),
                                 [&call](const Tool& one) { return one.name == call.name; });
  if (tool == request.tools.end()) return false;  // nobody offered it
  return obeys(call.arguments.empty() ? "{}" : call.arguments, tool->parameters);
}

// Mean log-probability of the tokens, where the target told them.
std::optional<double> mean_logprob(const std::string& logprobs) {
  JsonDocument document;
  if (logprobs.empty() || document.parse(logprobs).has_error()) return std::nullopt;
  double sum = 0;
  std::size_t tokens = 0;
  for (const JsonView token : document.root()["content"]) {
    const auto logprob = token["logprob"].number();
    if (!logprob) continue;
    sum += std::max(*logprob, -20.0);
    ++tokens;
  }
  if (tokens == 0) return std::nullopt;
  return sum / static_cast<double>(tokens);
}

bool fires(EscalateOn signal, const ChatRequest& request, const Choice& choice) {
  const ResponseFormat& format = request.response_format;
  switch (signal) {
    case EscalateOn::refusal:
      return !choice.refusal.empty() || choice.finish == FinishReason::content_filter ||
             (choice.tool_calls.empty() && sounds_like_refusal(choice.content));
    case EscalateOn::truncated:
      // A cap that the client chose is what it asked for.
      return choice.finish == FinishReason::length && !request.max_completion_tokens;
    case EscalateOn::invalid_json:
      if (!choice.tool_calls.empty()) return false;
      if (format.kind == ResponseFormat::Kind::json_schema)
        return !obeys(choice.content, format.schema);
      return format.kind == ResponseFormat::Kind::json_object && !parses(choice.content);
    case EscalateOn::invalid_tool_call:
      return !std::all_of(choice.tool_calls.begin(), choice.tool_calls.end(),
                          [&request](const ToolCall& call) { return valid_call(request, call); });
    case EscalateOn::low_confidence: {
      const auto mean = mean_logprob(choice.logprobs);
      return mean && *mean < std::log(confident_chance);
    }
    case EscalateOn::disagreement:
      return false;  // needs a second sample: disagree()
  }
  return false;
}

bool holds(const Policy& policy, EscalateOn signal) {
  return std::find(policy.escalate_on.begin(), policy.escalate_on.end(), signal) !=
         policy.escalate_on.end();
}

}  // namespace

std::optional<EscalateOn> weak_answer(const Policy& policy, const ChatRequest& request,
                                      const ChatResponse& response) {
  for (const EscalateOn signal : policy.escalate_on)
    for (const Choice& choice : response.choices)
      if (fires(signal, request, choice)) return signal;
  return std::nullopt;
}

bool wants_second_sample(const Policy& policy, const ChatRequest& request) {
  return holds(policy, EscalateOn::disagreement) && request.endpoint != Endpoint::embeddings &&
         !request.stream && request.n <= 1 && request.tools.empty();
}

bool wants_logprobs(const Policy& policy, const ChatRequest& request, const Target& target) {
  return holds(policy, EscalateOn::low_confidence) && !request.stream &&
         request.endpoint != Endpoint::embeddings && has(target.can, Capability::logprobs);
}

bool disagree(const ChatResponse& a, const ChatResponse& b) {
  if (a.choices.empty() || b.choices.empty()) return false;
  return !answers_agree(a.choices[0].content, b.choices[0].content);
}

}  // namespace jevons
