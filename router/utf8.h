// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace jevons {

// Length in bytes of the character that `text` begins with, 0 if it begins with none.
std::size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
// Every byte that is part of no well-formed sequence replaced by U+FFFD.
std::string utf8_or_replaced(std::string_view text);
// `text` in single quotes for a message; one of more than 100 bytes is cut between two characters
// and ends with "...".
std::string quoted(std::string_view text);

}  // namespace jevons
