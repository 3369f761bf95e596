#include "local_engine/grammar_regex.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <stdexcept>

#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

using Ranges = std::vector<std::pair<char32_t, char32_t>>;

constexpr char32_t kLast = 0x10ffff;
constexpr unsigned kRepeatMax = 1000;
constexpr std::size_t kNodesMax = 100'000;
constexpr int kDepthMax = 50;

// Ends parsing of a pattern; caught in add_pattern.
struct PatternError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

Ranges inverted(Ranges ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges out;
  char32_t next = 0;
  for (const auto& [first, last] : ranges) {
    if (first > next) out.emplace_back(next, first - 1);
    next = std::max<char32_t>(next, last + 1);
  }
  if (next <= kLast) out.emplace_back(next, kLast);
  return out;
}

class PatternReader {
 public:
  PatternReader(RuleNfa& nfa, std::string_view text) : nfa_(nfa), rest_(text) {}

  // The nodes that are reached by the last byte of a character, and by nothing else.
  const std::vector<NfaNode>& character_ends() const { return character_ends_; }

  Fragment read() {
    Fragment whole = alternatives();
    if (!rest_.empty()) throw PatternError("an unmatched ')'");
    return whole;
  }

 private:
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  char32_t take_char() {
    if (rest_.empty()) throw PatternError("an unfinished expression");
    const Utf8Char c = next_utf8(rest_);
    rest_.remove_prefix(c.bytes);
    return c.code_point;
  }

  // Each alternative carries its own anchors: without them anything may stand before and after.
  Fragment alternatives() {
    if (++depth_ > kDepthMax) throw PatternError("groups nested too deeply");
    std::vector<Fragment> parts;
    do {
      const bool top = depth_ == 1;
      const bool from_start = take("^");
      if (from_start && !top) throw PatternError("'^' inside a group");
      Fragment part = sequence();
      const bool to_end = take("$");
      if (to_end && !top) throw PatternError("'$' inside a group");
      if (top && !from_start) part = nfa_.sequence(anything(), part);
      if (top && !to_end) part = nfa_.sequence(part, anything());
      parts.push_back(part);
    } while (take("|"));
    --depth_;
    return parts.size() == 1 ? parts[0] : nfa_.any_of(parts);
  }

  Fragment character(std::span<const std::pair<char32_t, char32_t>> ranges) {
    const Fragment one = add_string_character(nfa_, ranges, false);
    character_ends_.push_back(one.end);
    return one;
  }

  Fragment anything() {
    const std::pair<char32_t, char32_t> all(0, kLast);
    return nfa_.optional(nfa_.repeated(character(std::span(&all, 1))));
  }

  Fragment sequence() {
    Fragment whole = nfa_.nothing();
    while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')' && rest_ != "$" &&
           !rest_.starts_with("$|")) {
      whole = nfa_.sequence(whole, repeated_item());
    }
    return whole;
  }

  // The item is read once for each copy it needs, from the same place in the pattern.
  Fragment repeated_item() {
    const std::string_view start = rest_;
    const Fragment first = item();
    const auto [least, most] = quantifier();
    const std::string_view after = rest_;
    const auto copy = [&](unsigned index) {
      if (index == 0) return first;
      rest_ = start;
      return item();
    };
    Fragment whole = nfa_.nothing();
    unsigned used = 0;
    for (; used < least; ++used) whole = nfa_.sequence(whole, copy(used));
    if (most == kUnlimited) {
      whole = nfa_.sequence(whole, nfa_.optional(nfa_.repeated(copy(used))));
    } else {
      // x{2,4} is xx(x(x)?)?, built from the inside would need the copies: a chain with exits does.
      const NfaNode exit = nfa_.add_node();
      for (; used < most; ++used) {
        nfa_.add_empty(whole.end, exit);
        whole = nfa_.sequence(whole, copy(used));
      }
      nfa_.add_empty(whole.end, exit);
      whole.end = exit;
    }
    rest_ = after;
    if (nfa_.size() > kNodesMax) throw PatternError("too many repetitions");
    return whole;
  }

  std::pair<unsigned, unsigned> quantifier() {
    std::pair<unsigned, unsigned> counts(1, 1);
    if (take("*"))
      counts = {0, kUnlimited};
    else if (take("+"))
      counts = {1, kUnlimited};
    else if (take("?"))
      counts = {0, 1};
    else if (take("{")) {
      counts.first = number();
      counts.second = counts.first;
      if (take(",")) counts.second = rest_.starts_with("}") ? kUnlimited : number();
      if (!take("}") || counts.second < counts.first) throw PatternError("a bad repetition");
    } else {
      return counts;
    }
    take("?");  // lazy or not, the language is the same
    if (rest_.starts_with("+")) throw PatternError("a possessive repetition");
    return counts;
  }

  unsigned number() {
    unsigned value = 0;
    if (rest_.empty() || rest_[0] < '0' || rest_[0] > '9') throw PatternError("a bad repetition");
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      value = value * 10 + static_cast<unsigned>(rest_[0] - '0');
      rest_.remove_prefix(1);
      if (value > kRepeatMax) throw PatternError("more than 1000 repetitions");
    }
    return value;
  }

  Fragment item() {
    if (take("(")) {
      if (rest_.starts_with("?") && !take("?:")) throw PatternError("a look-around or named group");
      Fragment group = alternatives();
      if (!take(")")) throw PatternError("an unmatched '('");
      return group;
    }
    Ranges ranges;
    if (take("[")) {
      ranges = bracket();
    } else if (take(".")) {
      ranges = inverted({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
    } else if (rest_.starts_with("\\")) {
      ranges = escape();
    } else {
      if (std::string_view("*+?{").find(rest_[0]) != std::string_view::npos) {
        throw PatternError("a repetition of nothing");
      }
      if (rest_[0] == '^' || rest_[0] == '$') throw PatternError("an anchor in the middle");
      const char32_t c = take_char();
      ranges = {{c, c}};
    }
    return character(ranges);
  }

  Ranges bracket() {
    const bool inverse = take("^");
    Ranges all;
    while (!take("]")) {
      const Ranges item = rest_.starts_with("\\") ? escape() : single();
      const bool range = rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']' &&
                         item.size() == 1 && item[0].first == item[0].second;
      if (!range) {
        all.insert(all.end(), item.begin(), item.end());
        continue;
      }
      take("-");
      const Ranges upper = rest_.starts_with("\\") ? escape() : single();
      if (upper.size() != 1 || upper[0].first != upper[0].second ||
          upper[0].first < item[0].first) {
        throw PatternError("a bad range of characters");
      }
      all.emplace_back(item[0].first, upper[0].first);
    }
    return inverse ? inverted(all) : all;
  }

  Ranges single() {
    const char32_t c = take_char();
    return {{c, c}};
  }

  Ranges escape() {
    take("\\");
    const char32_t c = take_char();
    const Ranges digits = {{'0', '9'}};
    const Ranges words = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    const Ranges blanks = {{9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680},
                           {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                           {0x3000, 0x3000}, {0xfeff, 0xfeff}};
    switch (c) {
      case 'd':
        return digits;
      case 'D':
        return inverted(digits);
      case 'w':
        return words;
      case 'W':
        return inverted(words);
      case 's':
        return blanks;
      case 'S':
        return inverted(blanks);
      case 'n':
        return {{'\n', '\n'}};
      case 'r':
        return {{'\r', '\r'}};
      case 't':
        return {{'\t', '\t'}};
      case 'f':
        return {{'\f', '\f'}};
      case 'v':
        return {{'\v', '\v'}};
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      default:
        break;
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) throw PatternError(std::string("the escape '\\") + static_cast<char>(c) + "'");
    return {{c, c}};
  }

  Ranges hex(unsigned count) {
    char32_t value = 0;
    for (unsigned i = 0; i < count; ++i) {
      const char32_t c = take_char();
      const bool digit = c >= '0' && c <= '9';
      const char32_t letter = (c | 32) - 'a';
      if (!digit && letter > 5) throw PatternError("a bad hexadecimal escape");
      value = value * 16 + (digit ? c - '0' : letter + 10);
    }
    return {{value, value}};
  }

  static constexpr unsigned kUnlimited = UINT32_MAX;
  RuleNfa& nfa_;
  std::string_view rest_;
  std::vector<NfaNode> character_ends_;
  int depth_ = 0;
};

// uXXXX, behind a backslash, of any character but a surrogate.
Fragment unicode_escape(RuleNfa& nfa) {
  const std::pair<char32_t, char32_t> hex_ranges[] = {{'0', '9'}, {'A', 'F'}, {'a', 'f'}};
  const std::pair<char32_t, char32_t> not_d[] = {
      {'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}};
  const std::pair<char32_t, char32_t> d[] = {{'D', 'D'}, {'d', 'd'}};
  const std::pair<char32_t, char32_t> below_8[] = {{'0', '7'}};
  const auto hex = [&] { return nfa.code_points(hex_ranges); };
  const Fragment heads[] = {
      nfa.sequence(nfa.code_points(not_d), hex()),
      nfa.sequence(nfa.code_points(d), nfa.code_points(below_8)),
  };
  const Fragment head = nfa.sequence(nfa.literal("u"), nfa.any_of(heads));
  return nfa.sequence(head, nfa.sequence(hex(), hex()));
}

}  // namespace

Fragment add_string_character(RuleNfa& nfa, std::span<const std::pair<char32_t, char32_t>> ranges,
                              bool escapes) {
  constexpr std::pair<char32_t, char> shorts[] = {{U'"', '"'},  {U'\\', '\\'}, {U'\b', 'b'},
                                                  {U'\f', 'f'}, {U'\n', 'n'},  {U'\r', 'r'},
                                                  {U'\t', 't'}};
  const Fragment whole{nfa.add_node(), nfa.add_node()};
  const NfaNode backslash = nfa.add_node();
  nfa.add_bytes(whole.begin, '\\', '\\', backslash);
  Ranges plain;
  for (const auto& [first, last] : ranges) {
    for (const auto& [c, letter] : shorts) {
      const auto byte = static_cast<std::uint8_t>(letter);
      if (first <= c && c <= last) nfa.add_bytes(backslash, byte, byte, whole.end);
    }
    constexpr std::pair<char32_t, char32_t> open[] = {{0x20, 0x21}, {0x23, 0x5b}, {0x5d, kLast}};
    for (const auto& [low, high] : open) {
      const char32_t begin = std::max(first, low), end = std::min(last, high);
      if (begin <= end) plain.emplace_back(begin, end);
    }
    // Other control characters only where a pattern names one: \u0000 helps nobody.
    if (first == last && first < 0x20) {
      char text[8];
      std::snprintf(text, sizeof(text), "u%04x", static_cast<unsigned>(first));
      const Fragment control = nfa.literal(text);
      nfa.add_empty(backslash, control.begin);
      nfa.add_empty(control.end, whole.end);
    }
  }
  const Fragment characters = nfa.code_points(plain);
  nfa.add_empty(whole.begin, characters.begin);
  nfa.add_empty(characters.end, whole.end);
  if (escapes) {
    nfa.add_bytes(backslash, '/', '/', whole.end);
    const Fragment unicode = unicode_escape(nfa);
    nfa.add_empty(backslash, unicode.begin);
    nfa.add_empty(unicode.end, whole.end);
  }
  return whole;
}

// An automaton over and over, a copy for each count of characters read so far.
class CountedCopy {
 public:
  CountedCopy(const RuleNfa& from, const std::vector<NfaNode>& character_ends, std::size_t least,
              std::size_t most)
      : from_(from), counts_(from.size()), least_(least), most_(most) {
    for (const NfaNode end : character_ends) counts_[end] = true;
  }

  Fragment add_to(RuleNfa& nfa, Fragment whole) {
    walk(whole.begin);
    std::vector<bool> live = live_from(whole.end);
    if (!live[0]) throw PatternError("no text of its length");
    std::vector<NfaNode> made(states_.size());
    for (std::size_t i = 0; i < states_.size(); ++i)
      if (live[i]) made[i] = nfa.add_node();
    const Fragment out{made[0], nfa.add_node()};
    for (const Step& step : steps_) {
      if (!live[step.from] || !live[step.to]) continue;
      if (step.edge)
        nfa.add_bytes(made[step.from], step.edge->first, step.edge->last, made[step.to]);
      else
        nfa.add_empty(made[step.from], made[step.to]);
    }
    for (std::size_t i = 0; i < states_.size(); ++i)
      if (accepts(i, whole.end)) nfa.add_empty(made[i], out.end);
    return out;
  }

 private:
  struct State {
    NfaNode node = 0;
    std::size_t count = 0;  // beyond `least` it does not matter where `most` is no limit
    auto operator<=>(const State&) const = default;
  };
  struct Step {
    std::size_t from = 0, to = 0;
    const RuleNfa::Edge* edge = nullptr;  // null: an empty one
  };

  bool accepts(std::size_t state, NfaNode end) const {
    return states_[state].node == end && states_[state].count >= least_;
  }

  void walk(NfaNode begin) {
    index_.emplace(State{begin, 0}, 0);
    states_.push_back({begin, 0});
    for (std::size_t at = 0; at < states_.size(); ++at) {
      if (states_.size() > kNodesMax || steps_.size() > 4 * kNodesMax)
        throw PatternError("too long a text to count");
      const RuleNfa::Node& node = from_.nodes_[states_[at].node];
      for (const RuleNfa::Edge& edge : node.edges) step(at, edge.to, &edge);
      for (const NfaNode to : node.empties) step(at, to, nullptr);
    }
  }

  void step(std::size_t from, NfaNode to, const RuleNfa::Edge* edge) {
    State next{to, states_[from].count + (counts_[to] ? 1 : 0)};
    if (next.count > most_) return;
    if (most_ == kUnlimitedCount) next.count = std::min(next.count, least_);
    const auto [at, fresh] = index_.emplace(next, states_.size());
    if (fresh) states_.push_back(next);
    steps_.push_back({from, at->second, edge});
  }

  // From where a text can still come to its end.
  std::vector<bool> live_from(NfaNode end) const {
    std::vector<std::vector<std::size_t>> before(states_.size());
    for (const Step& step : steps_) before[step.to].push_back(step.from);
    std::vector<bool> live(states_.size());
    std::vector<std::size_t> todo;
    const auto reach = [&](std::size_t state) {
      if (live[state]) return;
      live[state] = true;
      todo.push_back(state);
    };
    for (std::size_t i = 0; i < states_.size(); ++i)
      if (accepts(i, end)) reach(i);
    while (!todo.empty()) {
      const std::size_t at = todo.back();
      todo.pop_back();
      for (const std::size_t from : before[at]) reach(from);
    }
    return live;
  }

  const RuleNfa& from_;
  std::vector<bool> counts_;
  std::size_t least_, most_;
  std::map<State, std::size_t> index_;
  std::vector<State> states_;
  std::vector<Step> steps_;
};

EngineResult<Fragment> add_pattern(RuleNfa& nfa, std::string_view pattern, std::size_t least,
                                   std::size_t most) {
  try {
    if (least == 0 && most == kUnlimitedCount) return PatternReader(nfa, pattern).read();
    RuleNfa all;
    PatternReader reader(all, pattern);
    const Fragment whole = reader.read();
    return CountedCopy(all, reader.character_ends(), least, most).add_to(nfa, whole);
  } catch (const PatternError& error) {
    return EngineError(EngineFault::invalid_input, error.what());
  }
}

}  // namespace jevons::engine
