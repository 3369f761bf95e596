// Judgement: counts and words are evidence for a task and a difficulty; where there is none it says
// so. Language-neutral in its default: missing keywords are no sign of an easy question.
#include "router/judge.h"

#include <algorithm>
#include <cmath>

#include "router/calibration.h"

namespace jevons {
namespace {

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

// A prompt whose words the brain hardly knows is judged by the static rule instead.
constexpr double seen_enough = 0.3;
// How much of the distance to 0.5 is left to predictions that were made with full coverage: the
// weights explain part of what makes a prompt hard, never all.
constexpr double uncertainty_of_weights = 0.25;

// What speaks for a difficult prompt, each in standard deviations of the training prompts: the gain
// of a strong model, how rarely models succeed, and plain length. Length alone ranks unknown work
// better than either head (tests/bench/RESULTS.md); together they do best.
double learned_difficulty(const BrainAnswer& answer, std::int64_t words) {
  const double length = (std::log2(1.0 + static_cast<double>(words)) / 10 - 0.52) / 0.14;
  const double gain = (answer.gain - 0.17) / 0.13;
  const double rarity = (0.41 - logit_of(answer.ease)) / 1.05;
  // Above 0.77 a strong model's lead shrinks again: such difficulties are left to explicit signs.
  return std::clamp(0.48 + 0.09 * (length + gain + rarity), 0.05, 0.77);
}

}  // namespace

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

Task task_of(const ChatRequest& request, const Features& features) {
  if (features.in_tool_loop || features.tool_calls > 0) return Task::agent_step;
  if (features.tools > 0 && request.tool_choice.mode != ToolChoice::Mode::none) {
    return Task::tool_use;
  }
  return task_of_text(features);
}

Judgement judge(const Features& features, Task task, const Brain* brain) {
  const Evidence evidence = evidence_of(task, features);
  Judgement judgement{.difficulty = evidence.difficulty(), .uncertainty = evidence.uncertainty()};
  const TextStats& text = features.question;
  const bool binary = text.share(text.invalid) > 0.02;
  if (brain == nullptr || text.words == 0 || binary) return judgement;
  const BrainAnswer answer = brain->ask(features);
  judgement.gain = answer.gain;
  judgement.trunk = answer.trunk;
  judgement.from_brain = true;
  // Trust grows with the share of known words and with their number: three words are no evidence.
  const double trust =
      ramp(answer.seen, seen_enough, 0.9) * ramp(static_cast<double>(text.words), 2, 20);
  judgement.length_shift = answer.length * trust;
  const double learned = learned_difficulty(answer, text.words);
  const double weight = (1 - uncertainty_of_weights) * trust;
  judgement.difficulty =
      std::clamp(judgement.difficulty * (1 - weight) + learned * weight, 0.0, 1.0);
  judgement.uncertainty *= 1 - (1 - uncertainty_of_weights) * trust;
  return judgement;
}

}  // namespace jevons
