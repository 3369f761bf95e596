// Classification by a static rule: counts and words are evidence for a task and a difficulty, and
// where there is none it says so. Language-neutral in its default: missing keywords are no sign of
// an easy question.
#include <algorithm>
#include <cmath>

#include "router/decision.h"
#include "router/features.h"
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

// The shape of a text is evidence in every language.
void add_shape_evidence(const TextStats& text, std::array<double, task_count>& scores) {
  const auto add = [&scores](Task task, double weight) {
    scores[static_cast<std::size_t>(task)] += weight;
  };
  const double per_kilobyte = 1000.0 / std::max(200.0, static_cast<double>(text.bytes));
  const auto rate = [per_kilobyte](std::int64_t count) {
    return static_cast<double>(count) * per_kilobyte;
  };
  add(Task::code, std::min(4.0, 2.0 * static_cast<double>(text.fences)));
  add(Task::code, std::min(4.0, rate(text.code_marks) / 10.0));
  add(Task::math, std::min(4.0, rate(text.latex_marks) / 4.0));
  add(Task::math, std::min(2.0, rate(text.numbers) / 8.0));
  if (text.options >= 3) add(Task::knowledge, 2.5);
}

double total_cues(const TextStats& text) {
  double total = 0;
  for (const float cue : text.cues) total += cue;
  return total;
}

Task task_of_text(const Features& features) {
  std::array<double, task_count> scores{};
  scores[static_cast<std::size_t>(Task::chat)] = 0.5;
  const TextStats& question = features.question;
  // Long texts repeat words; what counts is how dense they are.
  const double scale = 60.0 / std::max(60.0, static_cast<double>(question.words));
  for (std::size_t i = 0; i < task_count; ++i) {
    scores[i] += std::min(6.0, static_cast<double>(question.cues[i]) * std::sqrt(scale));
  }
  add_shape_evidence(question, scores);
  // A short system text may hold the whole instruction; an agent's long one does not.
  const TextStats& instruction = features.instruction;
  if (instruction.bytes > 0 && instruction.bytes < 1000) {
    const double weight = total_cues(question) < 2.0 ? 1.0 : 0.4;
    for (std::size_t i = 0; i < task_count; ++i) {
      scores[i] += weight * std::min(4.0f, instruction.cues[i]);
    }
  }
  return static_cast<Task>(std::max_element(scores.begin(), scores.end()) - scores.begin());
}

Task task_of_request(const ChatRequest& request, const Features& features) {
  if (features.in_tool_loop || features.tool_calls > 0) return Task::agent_step;
  if (features.tools > 0 && request.tool_choice.mode != ToolChoice::Mode::none) {
    return Task::tool_use;
  }
  return task_of_text(features);
}

// A weighted mean of hints around 0.5; the weight that no hint filled is the uncertainty.
class Evidence {
 public:
  void add(double difficulty, double weight) {
    sum_ += difficulty * weight;
    weight_ += weight;
  }
  double difficulty() const { return (0.5 * prior_weight + sum_) / (prior_weight + weight_); }
  double uncertainty() const { return prior_weight / (prior_weight + weight_); }

 private:
  static constexpr double prior_weight = 1.0;
  double sum_ = 0, weight_ = 0;
};

double ramp(double value, double from, double to) {
  return std::clamp((value - from) / (to - from), 0.0, 1.0);
}

void add_task_evidence(Task task, Evidence& evidence) {
  switch (task) {
    case Task::chat:
      break;  // anything may be called chat
    case Task::code:
      evidence.add(0.55, 0.5);
      break;
    case Task::math:
      evidence.add(0.55, 0.5);
      break;
    case Task::reasoning:
      evidence.add(0.65, 0.7);
      break;
    case Task::knowledge:
      evidence.add(0.50, 0.4);
      break;
    case Task::extraction:
      evidence.add(0.35, 0.6);
      break;
    case Task::translation:
      evidence.add(0.35, 0.6);
      break;
    case Task::summarise:
      evidence.add(0.35, 0.6);
      break;
    case Task::classify:
      evidence.add(0.25, 0.8);
      break;
    case Task::tool_use:
      evidence.add(0.45, 0.6);
      break;
    case Task::agent_step:
      evidence.add(0.60, 0.6);
      break;
  }
}

Evidence evidence_of(Task task, const Features& features) {
  const TextStats& text = features.question;
  Evidence evidence;
  if (text.words == 0 || text.share(text.invalid) > 0.02) return evidence;
  add_task_evidence(task, evidence);
  const double words = static_cast<double>(text.words);
  // Latex and dense code show hard material, at a length where it is more than a mention.
  const double latex = ramp(static_cast<double>(text.latex_marks) / words, 0.02, 0.3);
  if (latex > 0) evidence.add(0.75, 1.2 * latex);
  if (text.hard > 0) evidence.add(0.85, std::min(1.5, 0.6 * static_cast<double>(text.hard)));
  const double easy = static_cast<double>(text.easy) / words;
  if (easy > 0.1 && words < 12) evidence.add(0.08, std::min(3.0, 12.0 * easy));
  if (text.scripts[static_cast<std::size_t>(Script::latin)] * 2 > text.characters && words >= 8) {
    const double mean_letters = static_cast<double>(text.word_letters) / words;
    evidence.add(0.3 + 0.5 * ramp(mean_letters, 3.8, 6.0), 0.5);
  }
  if (text.options >= 3) evidence.add(0.45 + 0.3 * ramp(double(text.options), 3, 10), 0.5);
  evidence.add(0.35 + 0.4 * ramp(std::log2(words + 1), 4.0, 9.0), words < 6 ? 0.0 : 0.35);
  if (features.tools > 1) evidence.add(0.4 + 0.3 * ramp(double(features.tools), 1, 20), 0.4);
  if (features.errors_in_a_row > 0) {
    evidence.add(0.9, std::min(3.0, double(features.errors_in_a_row)));
  }
  return evidence;
}

struct Lengths {
  double p50, p90;
};

Lengths typical_lengths(Task task, double prompt_tokens) {
  switch (task) {
    case Task::chat:
      return {220, 700};
    case Task::code:
      return {350, 1100};
    case Task::math:
      return {320, 900};
    case Task::reasoning:
      return {300, 900};
    case Task::knowledge:
      return {160, 500};
    case Task::extraction:
      return {90, 350};
    case Task::translation:
      return {prompt_tokens * 1.1 + 5, prompt_tokens * 1.8 + 40};
    case Task::summarise:
      return {std::clamp(prompt_tokens * 0.25, 60.0, 350.0), 600};
    case Task::classify:
      return {10, 60};
    case Task::tool_use:
      return {70, 220};
    case Task::agent_step:
      return {150, 600};
  }
  return {220, 700};
}

void predict_completion(const ChatRequest& request, const Features& features,
                        Classification& result) {
  if (request.endpoint == Endpoint::embeddings) return;
  Lengths lengths = typical_lengths(result.task, features.question.tokens);
  const double stretch = 0.7 + 0.6 * result.difficulty;
  lengths.p50 *= stretch;
  lengths.p90 *= stretch;
  if (features.question.requested_words > 0) {
    lengths.p50 = 1.35 * static_cast<double>(features.question.requested_words);
    lengths.p90 = std::max(lengths.p50 * 1.4, lengths.p50 + 40);
  }
  result.completion_tokens_p50 = std::max<std::int64_t>(1, as_tokens(lengths.p50));
  result.completion_tokens_p90 =
      std::max(result.completion_tokens_p50, as_tokens(std::max(lengths.p90, lengths.p50 * 1.2)));
  if (request.max_completion_tokens) {
    const std::int64_t cap = std::max<std::int64_t>(0, *request.max_completion_tokens);
    result.completion_tokens_p50 = std::min(result.completion_tokens_p50, cap);
    result.completion_tokens_p90 = std::min(result.completion_tokens_p90, cap);
  }
}

}  // namespace

Classification classify(const ChatRequest& request) {
  const Features features = features_of(request);
  Classification result;
  result.task = task_of_request(request, features);
  const Evidence evidence = evidence_of(result.task, features);
  result.difficulty = evidence.difficulty();
  result.uncertainty = evidence.uncertainty();
  result.prompt_tokens =
      as_tokens(features.prompt_tokens + 4.0 * static_cast<double>(features.pieces) +
                image_tokens_typical * static_cast<double>(features.images) +
                static_cast<double>(features.attachment_bytes) / 40.0);
  result.prompt_tokens_upper = features.text_bytes + bytes_per_message_upper * features.pieces +
                               features.attachment_bytes +
                               image_tokens_upper_default * features.images;
  result.needs = needs_of(request, features);
  result.in_tool_loop = features.in_tool_loop;
  result.turns = features.turns;
  result.images = features.images;
  result.marks_cache = features.marks_cache;
  result.language = language_of(features.question);
  predict_completion(request, features, result);
  return result;
}

}  // namespace jevons
