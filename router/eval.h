// How well the router ranks prompts by what a strong model gains on a weak one, in RouteLLM's
// words: PGR is the share of the quality gap that is recovered, APGR its mean over all shares of
// strong calls (random 0.5), CPT(x) the least percentage of strong calls for PGR x.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "router/brain.h"
#include "router/train.h"

namespace jevons {

struct EvalReport {
  std::size_t n = 0;
  double gap = 0;                                      // mean score of strong minus weak
  double apgr = 0.5, apgr_low = 0.5, apgr_high = 0.5;  // 95 % bootstrap interval
  double cpt50 = 50, cpt80 = 80;
  double ece = 0;        // of both models' P(ok), after Platt on the first 200 outcomes
  double flip_rate = 0;  // decisions at half strong calls that turn on a rewording
};

// Rows without a score of either model are left out.
EvalReport evaluate(const Brain* brain, const std::vector<TrainRow>& rows, const std::string& weak,
                    const std::string& strong);

// The same after outcomes were learned as POST /v1/feedback learns them: of one key, of the models
// in turn; the other rows are judged. Mean of three draws.
struct LearningReport {
  std::size_t outcomes = 0;  // of both models together
  double apgr = 0.5;
  double ece = 0;  // of both models' P(ok)
};
inline constexpr std::size_t learning_outcomes[] = {0, 200, 500, 1'500};
// One report for each of learning_outcomes that leaves at least 200 rows to judge.
std::vector<LearningReport> evaluate_learning(const Brain* brain, const std::vector<TrainRow>& rows,
                                              const std::string& weak, const std::string& strong);

// How far predicted answer lengths lie from the recorded ones: the median over all answers of
// max(predicted / real, real / predicted), by the path that `decide` serves.
struct LengthReport {
  std::size_t answers = 0;
  double cold = 1;     // before a target's first answer
  double learned = 1;  // after `lengths_learned_from` answers of each target; the rest is judged
  double learned_low = 1, learned_high = 1;  // 95 % bootstrap interval over prompts
};
inline constexpr std::size_t lengths_learned_from = 50;
LengthReport evaluate_lengths(const Brain* brain, const std::vector<TrainRow>& rows);

// P(ok) of a weak and a strong target of typical abilities, by the path that `decide` serves; the
// difference ranks prompts.
struct ServedChance {
  double weak = 0.5, strong = 0.5;
  double gain() const { return strong - weak; }
};
ServedChance served_chance(const Brain* brain, const Features& features);

}  // namespace jevons
