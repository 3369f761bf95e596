#include "local_engine/grammar_numbers.h"

#include <algorithm>
#include <string>

namespace jevons::engine {
namespace {

std::uint8_t byte_of(char c) { return static_cast<std::uint8_t>(c); }

// Digit strings of equal length from `low` to `high`, from one node to another.
void add_same_length(RuleNfa& nfa, NfaNode from, NfaNode to, std::string_view low,
                     std::string_view high) {
  const NfaNode next = low.size() == 1 ? to : nfa.add_node();
  if (low.size() == 1) return nfa.add_bytes(from, byte_of(low[0]), byte_of(high[0]), to);
  const std::string nines(low.size() - 1, '9'), zeros(low.size() - 1, '0');
  const std::string_view low_rest = low.substr(1), high_rest = high.substr(1);
  if (low[0] == high[0]) {
    nfa.add_bytes(from, byte_of(low[0]), byte_of(low[0]), next);
    return add_same_length(nfa, next, to, low_rest, high_rest);
  }
  char first = low[0], last = high[0];
  if (low_rest != zeros) {
    const NfaNode edge = nfa.add_node();
    nfa.add_bytes(from, byte_of(first), byte_of(first), edge);
    add_same_length(nfa, edge, to, low_rest, nines);
    ++first;
  }
  if (high_rest != nines) {
    const NfaNode edge = nfa.add_node();
    nfa.add_bytes(from, byte_of(last), byte_of(last), edge);
    add_same_length(nfa, edge, to, zeros, high_rest);
    --last;
  }
  if (first > last) return;
  nfa.add_bytes(from, byte_of(first), byte_of(last), next);
  add_same_length(nfa, next, to, zeros, nines);
}

// low..high without leading zeros; 0 <= low <= high.
Fragment add_magnitude(RuleNfa& nfa, std::int64_t low, std::int64_t high) {
  const Fragment made{nfa.add_node(), nfa.add_node()};
  const std::size_t longest = std::to_string(high).size();
  for (std::size_t length = std::to_string(low).size(); length <= longest; ++length) {
    const std::string least = length == 1 ? "0" : "1" + std::string(length - 1, '0');
    const std::string begin = std::to_string(low).size() == length ? std::to_string(low) : least;
    const std::string end = longest == length ? std::to_string(high) : std::string(length, '9');
    add_same_length(nfa, made.begin, made.end, begin, end);
  }
  return made;
}

// .ddd, up to 15 digits; the first is not 0 where `not_zero`.
Fragment add_fraction(RuleNfa& nfa, bool not_zero) {
  Fragment digits = nfa.bytes(not_zero ? '1' : '0', '9');
  const NfaNode exit = nfa.add_node();
  for (int i = 0; i < 14; ++i) {
    nfa.add_empty(digits.end, exit);
    digits = nfa.sequence(digits, nfa.bytes('0', '9'));
  }
  nfa.add_empty(digits.end, exit);
  return nfa.sequence(nfa.literal("."), {digits.begin, exit});
}

// Magnitudes from low to high with fractions; nothing is added where there are none.
void add_real(RuleNfa& nfa, const NumberBounds& bounds, std::string_view sign,
              std::vector<Fragment>& parts) {
  const auto add = [&](Fragment part) { parts.push_back(nfa.sequence(nfa.literal(sign), part)); };
  const auto [low, high, low_open, high_open] = bounds;
  if (low > high) return;
  if (low == high) {
    if (!low_open && !high_open) add(add_magnitude(nfa, low, low));
    return;
  }
  const Fragment fraction = add_fraction(nfa, low_open);
  const Fragment tail = low_open ? fraction : nfa.optional(fraction);
  add(nfa.sequence(add_magnitude(nfa, low, low), tail));
  if (low + 1 <= high - 1) {
    const Fragment whole = add_magnitude(nfa, low + 1, high - 1);
    add(nfa.sequence(whole, nfa.optional(add_fraction(nfa, false))));
  }
  if (!high_open) add(add_magnitude(nfa, high, high));
}

}  // namespace

bool add_integer(RuleNfa& nfa, const NumberBounds& bounds, Fragment& out) {
  const std::int64_t low = std::max(bounds.low, -kWholeMax),
                     high = std::min(bounds.high, kWholeMax);
  if (low > high) return false;
  std::vector<Fragment> parts;
  if (high >= 0) parts.push_back(add_magnitude(nfa, std::max<std::int64_t>(low, 0), high));
  if (low < 0) {
    const Fragment magnitude = add_magnitude(nfa, std::max<std::int64_t>(1, -high), -low);
    parts.push_back(nfa.sequence(nfa.literal("-"), magnitude));
  }
  out = nfa.any_of(parts);
  return true;
}

bool add_number(RuleNfa& nfa, const NumberBounds& bounds, Fragment& out) {
  NumberBounds cut = bounds;
  cut.low = std::max(cut.low, -kWholeMax);
  cut.high = std::min(cut.high, kWholeMax);
  std::vector<Fragment> parts;
  if (cut.high >= 0) {
    NumberBounds positive = cut;
    if (cut.low < 0) positive.low = 0, positive.low_open = false;
    add_real(nfa, positive, "", parts);
  }
  if (cut.low < 0) {
    // Mirrored; where the range crosses zero, -0 itself is left out.
    NumberBounds negative{-cut.high, -cut.low, cut.high_open, cut.low_open};
    if (cut.high >= 0) negative.low = 0, negative.low_open = true;
    add_real(nfa, negative, "-", parts);
  }
  if (parts.empty()) return false;
  out = nfa.any_of(parts);
  return true;
}

}  // namespace jevons::engine
