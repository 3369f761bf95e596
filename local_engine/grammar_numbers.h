// Decimal numbers between bounds, as automata. Internal to the grammar files.
#pragma once

#include <cstdint>

#include "local_engine/grammar_automaton.h"

namespace jevons::engine {

// Whole numbers we write have at most 15 digits, so that every reader keeps them exact.
inline constexpr std::int64_t kWholeMax = 999'999'999'999'999;

struct NumberBounds {
  std::int64_t low = -kWholeMax;
  std::int64_t high = kWholeMax;
  bool low_open = false;  // the bound itself is excluded; only for fractions
  bool high_open = false;
};

// False from either where the bounds leave nothing; `out` is then not set.
bool add_integer(RuleNfa& nfa, const NumberBounds& bounds, Fragment& out);
// With an optional fraction of up to 15 digits, and no exponent.
bool add_number(RuleNfa& nfa, const NumberBounds& bounds, Fragment& out);

}  // namespace jevons::engine
