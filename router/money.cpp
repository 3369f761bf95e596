#include "router/money.h"

#include <limits>

namespace jevons {
namespace {

constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Appends a decimal digit; false when the value would leave int64.
bool push_digit(std::int64_t& value, int digit) {
  return !__builtin_mul_overflow(value, std::int64_t{10}, &value) &&
         !__builtin_add_overflow(value, std::int64_t{digit}, &value);
}

// "12.34" scaled by 10^places, exactly. Digits on both sides of a point are required, and no
// superfluous leading zero: YAML 1.1 would read one as octal, so such a price is a slip.
std::optional<std::int64_t> parse_scaled(std::string_view text, int places) {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) return std::nullopt;
  std::string_view fraction;
  if (point != std::string_view::npos) {
    fraction = text.substr(point + 1);
    if (fraction.empty()) return std::nullopt;
  }
  std::int64_t value = 0;
  for (const char c : whole) {
    if (!is_digit(c) || !push_digit(value, c - '0')) return std::nullopt;
  }
  int placed = 0;
  for (const char c : fraction) {
    if (!is_digit(c)) return std::nullopt;
    if (placed == places) {
      if (c != '0') return std::nullopt;
      continue;
    }
    if (!push_digit(value, c - '0')) return std::nullopt;
    ++placed;
  }
  for (; placed < places; ++placed) {
    if (!push_digit(value, 0)) return std::nullopt;
  }
  return value;
}

}  // namespace

Nanodollars operator+(Nanodollars a, Nanodollars b) {
  Nanodollars sum;
  if (__builtin_add_overflow(a.value, b.value, &sum.value)) {
    sum.value = b.value < 0 ? smallest : largest;
  }
  return sum;
}

Nanodollars operator-(Nanodollars a, Nanodollars b) {
  Nanodollars difference;
  if (__builtin_sub_overflow(a.value, b.value, &difference.value)) {
    difference.value = b.value < 0 ? largest : smallest;
  }
  return difference;
}

Nanodollars& operator+=(Nanodollars& a, Nanodollars b) { return a = a + b; }

std::optional<Picodollars> parse_dollars_per_million(std::string_view text) {
  const auto value = parse_scaled(text, 6);
  if (!value) return std::nullopt;
  return Picodollars{*value};
}

std::optional<Nanodollars> parse_dollars(std::string_view text) {
  const auto value = parse_scaled(text, 9);
  if (!value) return std::nullopt;
  return Nanodollars{*value};
}

std::string dollars_text(Nanodollars amount) {
  // The magnitude as unsigned: the smallest int64 has no positive twin.
  const auto bits = static_cast<std::uint64_t>(amount.value);
  const std::uint64_t magnitude = amount.value < 0 ? 0 - bits : bits;
  std::string fraction = std::to_string(magnitude % 1'000'000'000);
  fraction.insert(0, 9 - fraction.size(), '0');
  std::string text = amount.value < 0 ? "-" : "";
  return text + std::to_string(magnitude / 1'000'000'000) + "." + fraction;
}

std::string dollars_json(Nanodollars amount) {
  std::string text = dollars_text(amount);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace jevons
