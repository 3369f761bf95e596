#include "providers/base64.h"

#include <array>
#include <cstdint>

namespace jevons {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t not_a_digit = 255;

constexpr auto digit_of = [] {
  std::array<std::uint8_t, 256> table{};
  for (auto& entry : table) entry = not_a_digit;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

std::string_view without_padding(std::string_view text) {
  for (int pads = 0; pads < 2 && !text.empty() && text.back() == '='; ++pads) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group <<= 8;
      if (at + i < bytes.size()) group |= static_cast<unsigned char>(bytes[at + i]);
    }
    const std::size_t left = bytes.size() - at;
    text.push_back(alphabet[group >> 18]);
    text.push_back(alphabet[group >> 12 & 63]);
    text.push_back(left > 1 ? alphabet[group >> 6 & 63] : '=');
    text.push_back(left > 2 ? alphabet[group & 63] : '=');
  }
  return text;
}

bool is_base64(std::string_view text) {
  text = without_padding(text);
  bool good = text.size() % 4 != 1;
  for (const char c : text) good &= digit_of[static_cast<unsigned char>(c)] != not_a_digit;
  return good;
}

std::optional<std::string> base64_decode(std::string_view text) {
  text = without_padding(text);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const std::uint8_t digit = digit_of[static_cast<unsigned char>(c)];
    if (digit == not_a_digit) return std::nullopt;
    group = group << 6 | digit;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<char>(group >> bits & 255));
    }
  }
  return bytes;
}

}  // namespace jevons
