// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <string>
#include <string_view>

namespace jevons {

bool is_utf8(std::string_view text);
// Every byte that is part of no well-formed sequence replaced by U+FFFD.
std::string utf8_or_replaced(std::string_view text);

}  // namespace jevons
