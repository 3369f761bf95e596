#include "local_engine/pattern.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

constexpr std::uint32_t kUnlimited = UINT32_MAX;

std::uint32_t mask_of(std::string_view name) {
  constexpr std::string_view names[] = {"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl",
                                        "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc",
                                        "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};
  std::uint32_t mask = 0;
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == name || names[i].substr(0, 1) == name) mask |= 1U << i;
  }
  if (mask == 0) throw std::invalid_argument("unknown category " + std::string(name));
  return mask;
}

}  // namespace

void CharClass::add_range(char32_t first, char32_t last) { ranges_.emplace_back(first, last); }

bool CharClass::member(char32_t c) const {
  if ((categories_ & category_bit(category_of(c))) != 0) return true;
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), c,
                       [](char32_t value, const std::pair<char32_t, char32_t>& range) {
                         return value < range.first;
                       });
  return after != ranges_.begin() && c <= std::prev(after)->second;
}

bool CharClass::contains_wide(char32_t c) const { return member(c) != negated_; }

void CharClass::finish() {
  std::sort(ranges_.begin(), ranges_.end());
  std::vector<std::pair<char32_t, char32_t>> merged;
  for (const auto& range : ranges_) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges_ = std::move(merged);
  for (char32_t c = 0; c < 128; ++c) {
    if (contains_wide(c)) ascii_[c / 64] |= std::uint64_t{1} << (c % 64);
  }
}

// Recursive descent; emits steps as it reads.
class PatternParser {
 public:
  PatternParser(std::string_view source, Pattern& out) : rest_(source), out_(out) {}

  void parse() {
    alternatives();
    if (!rest_.empty()) fail("unexpected ')'");
    emit({Pattern::Op::accept});
  }

 private:
  using Op = Pattern::Op;
  using Step = Pattern::Step;

  [[noreturn]] void fail(const char* what) const {
    throw std::invalid_argument(std::string(what) + " before '" + std::string(rest_) + "'");
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(out_.steps_.size()); }
  std::uint32_t emit(Step step) {
    out_.steps_.push_back(step);
    return here() - 1;
  }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  char32_t take_char() {
    if (rest_.empty()) fail("end of pattern");
    const Utf8Char c = next_utf8(rest_);
    rest_.remove_prefix(c.bytes);
    return c.code_point;
  }

  // a|b|c: each but the last begins with a split to the next one and ends with a jump behind all.
  void alternatives() {
    std::vector<std::uint32_t> jumps;
    for (;;) {
      const std::uint32_t start = here();
      sequence();
      if (!take("|")) break;
      insert_split(start, here() + 2);
      jumps.push_back(emit({Op::jump}));
    }
    for (const std::uint32_t jump : jumps) out_.steps_[jump].first = here();
  }

  // Puts a split in front of the steps from `start` on, whose targets move by one.
  void insert_split(std::uint32_t start, std::uint32_t other) {
    for (std::uint32_t i = start; i < here(); ++i) {
      Step& step = out_.steps_[i];
      if (step.op == Op::split || step.op == Op::jump) ++step.first;
      if (step.op == Op::split) ++step.second;
    }
    out_.steps_.insert(out_.steps_.begin() + start, Step{Op::split, 0, start + 1, other});
  }

  void sequence() {
    while (!rest_.empty() && rest_.front() != '|' && rest_.front() != ')') item();
  }

  void item() {
    if (take("$")) {
      emit({Op::end});
    } else if (take("(?!")) {
      lookahead(Op::not_ahead);
    } else if (take("(?=")) {
      lookahead(Op::ahead);
    } else if (take("(?:")) {
      const std::uint32_t start = here();
      alternatives();
      if (!take(")")) fail("missing ')'");
      repeat_group(start);
    } else {
      const std::uint32_t char_class = one_class();
      const auto [least, most] = quantifier();
      if (least == 1 && most == 1)
        emit({Op::one, char_class});
      else
        emit({Op::run, char_class, least, most});
    }
  }

  void lookahead(Op op) {
    const std::uint32_t char_class = one_class();
    if (!take(")")) fail("a lookahead holds one class");
    emit({op, char_class});
  }

  // (...)? (...)* (...)+ ; bodies never match empty text in our patterns, so loops end.
  void repeat_group(std::uint32_t start) {
    if (take("?")) {
      insert_split(start, here() + 1);
    } else if (take("*")) {
      insert_split(start, here() + 2);
      emit({Op::jump, 0, start});
    } else if (take("+")) {
      emit({Op::split, 0, start, here() + 1});
    }
  }

  std::pair<std::uint32_t, std::uint32_t> quantifier() {
    if (take("?")) return {0, 1};
    if (take("*")) return {0, kUnlimited};
    if (take("+")) return {1, kUnlimited};
    if (!take("{")) return {1, 1};
    const std::uint32_t least = number();
    const std::uint32_t most = take(",") ? number() : least;
    if (!take("}")) fail("missing '}'");
    return {least, most};
  }

  std::uint32_t number() {
    std::uint32_t value = 0;
    if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') fail("missing number");
    while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') {
      value = value * 10 + static_cast<std::uint32_t>(take_char() - U'0');
    }
    return value;
  }

  std::uint32_t one_class() {
    CharClass set;
    if (take("[")) {
      const bool negated = take("^");
      while (!take("]")) class_item(set);
      if (negated) set.negate();
    } else {
      if (!escape(set)) {
        const char32_t c = literal();
        set.add_range(c, c);
      }
      if (std::exchange(negate_single_, false)) set.negate();
    }
    set.finish();
    out_.classes_.push_back(std::move(set));
    return static_cast<std::uint32_t>(out_.classes_.size() - 1);
  }

  void class_item(CharClass& set) {
    if (escape(set)) return;
    const char32_t first = literal();
    const bool range = rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']';
    set.add_range(first, range ? (take("-"), literal()) : first);
  }

  // \p{..} \s \S \d: adds to the set. False for an escaped literal, which is left to read.
  bool escape(CharClass& set) {
    if (take("\\p{")) {
      const std::size_t close = rest_.find('}');
      if (close == std::string_view::npos) fail("missing '}'");
      set.add_categories(mask_of(rest_.substr(0, close)));
      rest_.remove_prefix(close + 1);
      return true;
    }
    if (take("\\d")) {
      set.add_categories(mask_of("Nd"));
      return true;
    }
    const bool negated = rest_.starts_with("\\S");
    if (!take("\\s") && !take("\\S")) return false;
    // White_Space: all separators, the controls tab to carriage return, and next line.
    set.add_categories(mask_of("Z"));
    set.add_range(9, 13);
    set.add_range(0x85, 0x85);
    negate_single_ = negated;
    return true;
  }

  char32_t literal() {
    if (!take("\\")) return take_char();
    if (take("r")) return U'\r';
    if (take("n")) return U'\n';
    if (take("t")) return U'\t';
    if (!take("x{")) return take_char();
    const std::size_t close = rest_.find('}');
    if (close == std::string_view::npos) fail("missing '}'");
    const auto value =
        static_cast<char32_t>(std::stoul(std::string(rest_.substr(0, close)), nullptr, 16));
    rest_.remove_prefix(close + 1);
    return value;
  }

  std::string_view rest_;
  Pattern& out_;
  bool negate_single_ = false;  // \S stands alone in our patterns, never inside [...]
};

Pattern::Pattern(std::string_view source) { PatternParser(source, *this).parse(); }

// One step forward. False where the step does not match: the caller takes back a choice.
bool Pattern::advance(const Step& step, std::span<const char32_t> text, std::uint32_t& at,
                      std::uint32_t& position, std::vector<Choice>& stack) const {
  const auto size = static_cast<std::uint32_t>(text.size());
  const auto matches = [&](std::uint32_t where) {
    return where < size && classes_[step.char_class].contains(text[where]);
  };
  switch (step.op) {
    case Op::one:
      if (!matches(position)) return false;
      ++position, ++at;
      return true;
    case Op::run: {
      const std::uint32_t begin = position;
      while (position - begin < step.second && matches(position)) ++position;
      if (position - begin < step.first) return false;
      ++at;
      if (position > begin + step.first) stack.push_back({at, position, begin + step.first});
      return true;
    }
    case Op::split:
      stack.push_back({step.second, position, position});
      at = step.first;
      return true;
    case Op::jump:
      at = step.first;
      return true;
    case Op::ahead:
    case Op::not_ahead:
      ++at;
      return matches(position) == (step.op == Op::ahead);
    case Op::end:
      ++at;
      return position == size;
    case Op::accept:
      break;
  }
  return false;
}

std::ptrdiff_t Pattern::match(std::span<const char32_t> text, std::size_t begin,
                              std::vector<Choice>& stack) const {
  stack.clear();
  std::uint32_t at = 0;
  auto position = static_cast<std::uint32_t>(begin);
  for (;;) {
    const Step& step = steps_[at];
    if (step.op == Op::accept && position > begin) return static_cast<std::ptrdiff_t>(position);
    if (step.op != Op::accept && advance(step, text, at, position, stack)) continue;
    if (stack.empty()) return -1;
    Choice& last = stack.back();
    at = last.step;
    if (last.position > last.lowest) {
      // A run gives back one character at a time.
      position = --last.position;
      if (last.position == last.lowest) stack.pop_back();
    } else {
      position = last.position;
      stack.pop_back();
    }
  }
}

}  // namespace jevons::engine
