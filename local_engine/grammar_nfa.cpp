#include <algorithm>

#include "local_engine/grammar_automaton.h"
#include "local_engine/unicode.h"

namespace jevons::engine {

NfaNode RuleNfa::add_node() {
  nodes_.emplace_back();
  return static_cast<NfaNode>(nodes_.size() - 1);
}

void RuleNfa::add_bytes(NfaNode from, std::uint8_t first, std::uint8_t last, NfaNode to) {
  nodes_[from].edges.push_back({first, last, to});
}

void RuleNfa::add_call(NfaNode from, RuleId rule, NfaNode to) {
  nodes_[from].calls.push_back({rule, to});
}

void RuleNfa::add_empty(NfaNode from, NfaNode to) { nodes_[from].empties.push_back(to); }

Fragment RuleNfa::nothing() {
  const NfaNode node = add_node();
  return {node, node};
}

Fragment RuleNfa::bytes(std::uint8_t first, std::uint8_t last) {
  const Fragment made{add_node(), add_node()};
  add_bytes(made.begin, first, last, made.end);
  return made;
}

Fragment RuleNfa::literal(std::string_view text) {
  Fragment made = nothing();
  for (const char c : text) {
    const NfaNode next = add_node();
    add_bytes(made.end, static_cast<std::uint8_t>(c), static_cast<std::uint8_t>(c), next);
    made.end = next;
  }
  return made;
}

Fragment RuleNfa::call(RuleId rule) {
  const Fragment made{add_node(), add_node()};
  add_call(made.begin, rule, made.end);
  return made;
}

Fragment RuleNfa::sequence(Fragment first, Fragment second) {
  add_empty(first.end, second.begin);
  return {first.begin, second.end};
}

Fragment RuleNfa::any_of(std::span<const Fragment> parts) {
  const Fragment made{add_node(), add_node()};
  for (const Fragment& part : parts) {
    add_empty(made.begin, part.begin);
    add_empty(part.end, made.end);
  }
  return made;
}

Fragment RuleNfa::optional(Fragment part) {
  const Fragment made{add_node(), add_node()};
  add_empty(made.begin, part.begin);
  add_empty(part.end, made.end);
  add_empty(made.begin, made.end);
  return made;
}

Fragment RuleNfa::repeated(Fragment part) {
  const Fragment made{add_node(), add_node()};
  add_empty(made.begin, part.begin);
  add_empty(part.end, made.end);
  add_empty(part.end, part.begin);
  return made;
}

Fragment RuleNfa::code_points(std::span<const std::pair<char32_t, char32_t>> ranges) {
  const Fragment made{add_node(), add_node()};
  // Split where the encoded length changes, and around the surrogates.
  constexpr std::pair<char32_t, char32_t> parts[] = {
      {0, 0x7f}, {0x80, 0x7ff}, {0x800, 0xd7ff}, {0xe000, 0xffff}, {0x10000, 0x10ffff}};
  for (const auto& [first, last] : ranges) {
    for (const auto& [low, high] : parts) {
      const char32_t begin = std::max(first, low), end = std::min(last, high);
      if (begin <= end) add_utf8_range(made.begin, made.end, begin, end);
    }
  }
  return made;
}

// Both ends have the same encoded length. Splits until all but a common prefix runs over whole
// continuation ranges, so that each part is one chain of byte ranges.
void RuleNfa::add_utf8_range(NfaNode from, NfaNode to, char32_t first, char32_t last) {
  for (unsigned bits = 6; bits <= 18; bits += 6) {
    const char32_t mask = (1U << bits) - 1;
    if ((first & ~mask) == (last & ~mask)) break;
    if ((first & mask) != 0) {
      add_utf8_range(from, to, first, first | mask);
      return add_utf8_range(from, to, (first | mask) + 1, last);
    }
    if ((last & mask) != mask) {
      add_utf8_range(from, to, first, (last & ~mask) - 1);
      return add_utf8_range(from, to, last & ~mask, last);
    }
  }
  std::string low, high;
  append_utf8(low, first);
  append_utf8(high, last);
  NfaNode at = from;
  for (std::size_t i = 0; i < low.size(); ++i) {
    const NfaNode next = i + 1 == low.size() ? to : add_node();
    add_bytes(at, static_cast<std::uint8_t>(low[i]), static_cast<std::uint8_t>(high[i]), next);
    at = next;
  }
}

}  // namespace jevons::engine
