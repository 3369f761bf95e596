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

// P(ok) of a weak and a strong target of typical abilities, by the path that `decide` serves; the
// difference ranks prompts.
struct ServedChance {
  double weak = 0.5, strong = 0.5;
  double gain() const { return strong - weak; }
};
ServedChance served_chance(const Brain* brain, const Features& features);

}  // namespace jevons
