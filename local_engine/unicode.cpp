#include "local_engine/unicode.h"

#include <algorithm>
#include <iterator>
#include <vector>

namespace jevons::engine {
namespace {

struct CategoryRun {
  char32_t first = 0;
  Category category = Category::cn;
};

constexpr CategoryRun kRuns[] = {
#include "local_engine/unicode_tables.inc"
};

constexpr char32_t kCodePoints = 0x110000;

// One byte a code point: 1 MB buys a look-up without a branch in the splitter's inner loop.
std::vector<Category> expand_runs() {
  std::vector<Category> all(kCodePoints);
  for (std::size_t i = 0; i < std::size(kRuns); ++i) {
    const char32_t end = i + 1 < std::size(kRuns) ? kRuns[i + 1].first : kCodePoints;
    std::fill(all.begin() + kRuns[i].first, all.begin() + end, kRuns[i].category);
  }
  return all;
}

// The length a lead byte announces; 0 for bytes that lead nothing.
std::size_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 0;
}

// Whether `second` may follow `lead`: rules out overlong forms, surrogates and too large values.
bool second_fits(unsigned char lead, unsigned char second) {
  if (lead == 0xe0) return second >= 0xa0 && second <= 0xbf;
  if (lead == 0xed) return second >= 0x80 && second <= 0x9f;
  if (lead == 0xf0) return second >= 0x90 && second <= 0xbf;
  if (lead == 0xf4) return second >= 0x80 && second <= 0x8f;
  return second >= 0x80 && second <= 0xbf;
}

}  // namespace

Category category_of(char32_t code_point) {
  static const std::vector<Category> table = expand_runs();
  return code_point < kCodePoints ? table[code_point] : Category::cn;
}

Utf8Char next_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = announced_length(byte(0));
  const Utf8Char invalid{byte(0), 1, false};
  if (length == 1) return {byte(0), 1, true};
  if (length == 0 || text.size() < length || !second_fits(byte(0), byte(1))) return invalid;
  char32_t code_point = byte(0) & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return invalid;
    code_point = (code_point << 6) | (byte(i) & 0x3fU);
  }
  return {code_point, static_cast<std::uint32_t>(length), true};
}

void append_utf8(std::string& out, char32_t code_point) {
  const auto add = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xc0 | (code_point >> 6));
    add(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    add(0xe0 | (code_point >> 12));
    add(0x80 | ((code_point >> 6) & 0x3f));
    add(0x80 | (code_point & 0x3f));
  } else {
    add(0xf0 | (code_point >> 18));
    add(0x80 | ((code_point >> 12) & 0x3f));
    add(0x80 | ((code_point >> 6) & 0x3f));
    add(0x80 | (code_point & 0x3f));
  }
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = next_utf8(text.substr(at));
    if (c.valid)
      out += text.substr(at, c.bytes);
    else
      out += "\xef\xbf\xbd";
    at += c.bytes;
  }
  return out;
}

std::size_t incomplete_utf8_tail(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto lead = static_cast<unsigned char>(text[text.size() - back]);
    if ((lead & 0xc0U) == 0x80U) continue;
    const bool begins = announced_length(lead) > back;
    const bool fits =
        back == 1 || second_fits(lead, static_cast<unsigned char>(text[text.size() - back + 1]));
    return begins && fits ? back : 0;
  }
  return 0;
}

}  // namespace jevons::engine
