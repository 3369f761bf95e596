// A small backtracking matcher for the regular expressions that tokenizers publish, over code
// points with Unicode categories. The patterns are our own constants, never input from outside.
//
// Syntax: literals, `.`-free classes [...] with ranges, ^, \p{L} \p{Lu} ..., \s \S \d \r \n \t
// \x{HEX}; groups (?:...); alternation; greedy ? * + {n} {m,n}; lookahead (?!CLASS) and (?=CLASS)
// over one class; $ for the end of the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace jevons::engine {

// A set of code points, made for fast membership.
class CharClass {
 public:
  void add_range(char32_t first, char32_t last);
  void add_categories(std::uint32_t mask) { categories_ |= mask; }
  void negate() { negated_ = !negated_; }
  void finish();  // call once, after the last add
  bool contains(char32_t c) const {
    return c < 128 ? (ascii_[c / 64] >> (c % 64) & 1U) != 0 : contains_wide(c);
  }

 private:
  bool contains_wide(char32_t c) const;
  bool member(char32_t c) const;

  std::uint64_t ascii_[2] = {0, 0};
  std::uint32_t categories_ = 0;
  bool negated_ = false;
  std::vector<std::pair<char32_t, char32_t>> ranges_;
};

class Pattern {
 public:
  // Throws std::invalid_argument on a syntax error: the table of families is tested for that.
  explicit Pattern(std::string_view source);

  // End of the leftmost-first match that begins exactly at `begin`, or -1; never `begin` itself:
  // an empty match is none. `stack` is scratch, reused between calls.
  struct Choice {
    std::uint32_t step = 0;
    std::uint32_t position = 0;
    std::uint32_t lowest = 0;  // for a run of one class: may give back down to here
  };
  std::ptrdiff_t match(std::span<const char32_t> text, std::size_t begin,
                       std::vector<Choice>& stack) const;

 private:
  friend class PatternParser;
  enum class Op : std::uint8_t { one, run, split, jump, ahead, not_ahead, end, accept };
  struct Step {
    Op op = Op::accept;
    std::uint32_t char_class = 0;
    std::uint32_t first = 0;   // run: least count; split: preferred step; jump: target
    std::uint32_t second = 0;  // run: greatest count; split: other step
  };
  bool advance(const Step& step, std::span<const char32_t> text, std::uint32_t& at,
               std::uint32_t& position, std::vector<Choice>& stack) const;

  std::vector<CharClass> classes_;
  std::vector<Step> steps_;
};

}  // namespace jevons::engine
