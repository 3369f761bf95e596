// Base64 of RFC 4648, with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace jevons {

std::string base64_encode(std::string_view bytes);
// Empty when the text is not base64; padding may be absent.
std::optional<std::string> base64_decode(std::string_view text);
bool is_base64(std::string_view text);

}  // namespace jevons
