// The regular expressions of a JSON schema's "pattern", as automata over the bytes of a JSON string
// (so a quote inside is written \"). Internal to the grammar files.
#pragma once

#include <cstddef>
#include <string_view>

#include "local_engine/grammar_automaton.h"

namespace jevons::engine {

// The inside of a JSON string whose value matches the pattern. As JSON schema has it, the pattern
// may match anywhere unless anchored. Supported: literals, ., [...], \d \w \s and their opposites,
// \uXXXX, groups, alternation, * + ? {m,n}, ^ and $ at the ends. invalid_input names what is not.
// Only values of `least` to `most` characters; invalid_input also where there are none.
EngineResult<Fragment> add_pattern(RuleNfa& nfa, std::string_view pattern, std::size_t least = 0,
                                   std::size_t most = kUnlimitedCount);

// One character of a string value out of code point ranges, written as JSON. With `escapes`, other
// spellings of characters (\u0041, \/) are allowed too.
Fragment add_string_character(RuleNfa& nfa, std::span<const std::pair<char32_t, char32_t>> ranges,
                              bool escapes);

}  // namespace jevons::engine
