// What a request needs, how long it is and how long its answer will be; judge.cpp says how hard.
#include <algorithm>
#include <cmath>

#include "router/answer_length.h"
#include "router/decision.h"
#include "router/features.h"
#include "router/judge.h"
#include "router/target.h"

namespace jevons {
namespace {

constexpr double image_tokens_typical = 800;
constexpr std::int64_t bytes_per_message_upper = 16;

std::int64_t as_tokens(double value) {
  return static_cast<std::int64_t>(std::llround(std::clamp(value, 0.0, 1e15)));
}

std::uint32_t bit(Capability capability) { return static_cast<std::uint32_t>(capability); }

std::uint32_t needs_of(const ChatRequest& request, const Features& features) {
  if (request.endpoint == Endpoint::embeddings) return bit(Capability::embeddings);
  std::uint32_t needs = bit(Capability::chat);
  if (request.stream) needs |= bit(Capability::stream);
  if (features.tools > 0 || features.tool_calls > 0) needs |= bit(Capability::tools);
  if (request.response_format.kind == ResponseFormat::Kind::json_schema) {
    needs |= bit(Capability::json_schema);
  }
  if (features.images > 0) needs |= bit(Capability::vision);
  if (features.has_audio) needs |= bit(Capability::audio);
  if (features.has_file) needs |= bit(Capability::file);
  if (request.sampling.logprobs.value_or(false)) needs |= bit(Capability::logprobs);
  return needs;
}

void predict_completion(const ChatRequest& request, const Features& features,
                        const Judgement& judgement, Classification& result) {
  if (request.endpoint == Endpoint::embeddings) return;
  TypicalLength lengths = typical_length(result.task, features.question.tokens);
  const double stretch =
      judgement.from_brain ? std::exp(judgement.length_shift) : 0.7 + 0.6 * result.difficulty;
  lengths.p50 *= stretch;
  lengths.p90 *= stretch;
  if (features.question.requested_words > 0) {
    lengths.p50 = 1.35 * static_cast<double>(features.question.requested_words);
    lengths.p90 = std::max(lengths.p50 * 1.4, lengths.p50 + 40);
  }
  result.completion_tokens_p50 = std::max<std::int64_t>(1, as_tokens(lengths.p50));
  result.completion_tokens_p90 =
      std::max(result.completion_tokens_p50, as_tokens(std::max(lengths.p90, lengths.p50 * 1.2)));
  result.uncapped_p50 = result.completion_tokens_p50;
  result.uncapped_p90 = result.completion_tokens_p90;
  if (request.max_completion_tokens) {
    const std::int64_t cap = std::max<std::int64_t>(0, *request.max_completion_tokens);
    result.completion_tokens_p50 = std::min(result.completion_tokens_p50, cap);
    result.completion_tokens_p90 = std::min(result.completion_tokens_p90, cap);
  }
}

bool has_signed_thinking(const ChatRequest& request) {
  return std::any_of(request.messages.begin(), request.messages.end(), [](const Message& message) {
    return std::any_of(message.parts.begin(), message.parts.end(), [](const Part& part) {
      return !part.signature.empty() || part.kind == Part::Kind::redacted_thinking;
    });
  });
}

}  // namespace

Classification classify(const ChatRequest& request) { return classify(request, builtin_brain()); }

Classification classify(const ChatRequest& request, const Brain* brain) {
  const Features features = features_of(request);
  Classification result;
  result.task = task_of(request, features);
  const Judgement judgement = judge(features, result.task, brain);
  result.difficulty = judgement.difficulty;
  result.uncertainty = judgement.uncertainty;
  result.trunk = judgement.trunk;
  result.prompt_tokens =
      as_tokens(features.prompt_tokens + 4.0 * static_cast<double>(features.pieces) +
                image_tokens_typical * static_cast<double>(features.images) +
                static_cast<double>(features.attachment_bytes) / 40.0);
  result.prompt_tokens_upper = features.text_bytes + bytes_per_message_upper * features.pieces +
                               features.attachment_bytes +
                               image_tokens_upper_default * features.images;
  result.needs = needs_of(request, features);
  result.in_tool_loop = features.in_tool_loop;
  result.failed_tool_calls = features.errors_in_a_row;
  result.signed_thinking = features.in_tool_loop && has_signed_thinking(request);
  result.turns = features.turns;
  result.images = features.images;
  result.marks_cache = features.marks_cache;
  result.language = language_of(features.question);
  predict_completion(request, features, judgement, result);
  return result;
}

}  // namespace jevons
