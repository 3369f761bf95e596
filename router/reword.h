// Rewordings that do not change what is asked: noise for training, and the measure of how many
// decisions turn on mere form.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jevons {

// lower: all letters small. dressed: a polite frame around the text. replaced: common phrases by
// others that mean the same. flattened: line breaks and repeated spaces become one space.
// thinned: some words are missing, as in hasty writing.
enum class Rewording : std::uint8_t { lower, dressed, replaced, flattened, thinned };
inline constexpr std::size_t rewording_count = 5;

// The same seed gives the same text.
std::string reword(std::string_view text, Rewording how, std::uint64_t seed);

}  // namespace jevons
