// Just enough Unicode for tokenizers: general categories and UTF-8. Tables are generated
// (tools/make_unicode_tables).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jevons::engine {

// General categories in the order of bits in a mask.
enum class Category : std::uint8_t {
  lu,
  ll,
  lt,
  lm,
  lo,  // letters
  mn,
  mc,
  me,  // marks
  nd,
  nl,
  no,  // numbers
  pc,
  pd,
  ps,
  pe,
  pi,
  pf,
  po,  // punctuation
  sm,
  sc,
  sk,
  so,  // symbols
  zs,
  zl,
  zp,  // separators
  cc,
  cf,
  cs,
  co,
  cn,  // others
};

constexpr std::uint32_t category_bit(Category category) {
  return 1U << static_cast<unsigned>(category);
}

Category category_of(char32_t code_point);

struct Utf8Char {
  char32_t code_point = 0;
  std::uint32_t bytes = 1;
  bool valid = true;  // false: one byte that begins no well-formed character
};

// The character at the start of `text`, which is not empty. Overlong forms, surrogates and values
// above U+10FFFF are not valid.
Utf8Char next_utf8(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);

// The text with U+FFFD for each byte that is no part of a character.
std::string replace_invalid_utf8(std::string_view text);

// Bytes at the end of `text` that begin a character but do not complete it: 0 to 3.
std::size_t incomplete_utf8_tail(std::string_view text);

}  // namespace jevons::engine
