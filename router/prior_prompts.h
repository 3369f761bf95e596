// Generated prompts for kinds of work that recorded outcomes rarely cover (writing, advice, talk,
// open-ended code and reasoning), with what is generally known: weak models write and chat nearly
// as well as strong ones, and fall behind in code, mathematics and long reasoning.
#pragma once

#include <string>
#include <vector>

namespace jevons {

struct PriorPrompt {
  std::string text;
  double ease = 0.5, gain = 0;
};
const std::vector<PriorPrompt>& prior_prompts();

}  // namespace jevons
