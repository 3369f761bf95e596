// SHA-256 as text, for names of states and requests (no secret is protected by it alone).
#pragma once

#include <string>
#include <string_view>

namespace jevons {

std::string sha256_hex(std::string_view text);  // 64 lower-case hex digits

}  // namespace jevons
