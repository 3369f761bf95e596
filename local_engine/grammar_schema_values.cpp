// The automata of single values: numbers and strings by their keywords, arrays by counts, objects
// by their properties.
#include <algorithm>
#include <cmath>
#include <map>

#include "local_engine/grammar_numbers.h"
#include "local_engine/grammar_regex.h"
#include "local_engine/grammar_schema_parts.h"
#include "local_engine/unicode.h"

namespace jevons::engine {

using Json = rapidjson::Value;

namespace {

// One end of a range; `open` where the bound itself is excluded.
struct Bound {
  double value = 0;
  bool open = false;
};

// From minimum and exclusiveMinimum (a number, or in older schemas a flag), or their opposites.
std::optional<Bound> bound_of(const Json& schema, const char* plain, const char* exclusive,
                              bool lower, const std::string& path) {
  std::optional<Bound> bound;
  const Json* at = member(schema, plain);
  if (at != nullptr) {
    if (!at->IsNumber()) fail(path, std::string("has a '") + plain + "' that is not a number");
    bound = Bound{at->GetDouble(), false};
  }
  const Json* strict = member(schema, exclusive);
  if (strict == nullptr) return bound;
  if (strict->IsBool()) {
    if (bound) bound->open = strict->GetBool();
    return bound;
  }
  if (!strict->IsNumber())
    fail(path, std::string("has a '") + exclusive + "' that is not a number");
  const double value = strict->GetDouble();
  if (!bound || (lower ? value >= bound->value : value <= bound->value)) bound = Bound{value, true};
  return bound;
}

std::int64_t clamped(double value) {
  const auto most = static_cast<double>(kWholeMax);
  return static_cast<std::int64_t>(std::clamp(value, -most - 1, most + 1));
}

NumberBounds bounds_of(const Json& schema, bool integer, const std::string& path) {
  NumberBounds bounds;
  const auto low = bound_of(schema, "minimum", "exclusiveMinimum", true, path);
  const auto high = bound_of(schema, "maximum", "exclusiveMaximum", false, path);
  const auto whole = [](const Bound& bound) { return bound.value == std::floor(bound.value); };
  if (!integer && ((low && !whole(*low)) || (high && !whole(*high)))) {
    fail(path, "bounds a number by a fraction, which is not supported");
  }
  if (low) {
    bounds.low = clamped(std::ceil(low->value));
    if (integer && low->open && whole(*low)) ++bounds.low;
    bounds.low_open = !integer && low->open;
  }
  if (high) {
    bounds.high = clamped(std::floor(high->value));
    if (integer && high->open && whole(*high)) --bounds.high;
    bounds.high_open = !integer && high->open;
  }
  return bounds;
}

// Days that exist in every year.
#define DATE                                                                         \
  R"(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|)" \
  R"(02-(0[1-9]|1\d|2[0-8])))"
#define TIME R"(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+\-]([01]\d|2[0-3]):[0-5]\d))"

// The formats we can promise; others are annotations.
const char* pattern_of_format(std::string_view format) {
  constexpr std::pair<std::string_view, const char*> known[] = {
      {"date", "^" DATE "$"},
      {"time", "^" TIME "$"},
      {"date-time", "^" DATE "T" TIME "$"},
      {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
      {"ipv4", R"(^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$)"},
      {"email",
       // tidy-ok(columns): one pattern
       R"(^[A-Za-z0-9_+\-]{1,32}(\.[A-Za-z0-9_+\-]{1,32}){0,4}@([A-Za-z0-9]([A-Za-z0-9\-]{0,30}[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,20}$)"}};
  for (const auto& [name, pattern] : known) {
    if (name == format) return pattern;
  }
  return nullptr;
}

#undef DATE
#undef TIME

Fragment quoted(RuleNfa& nfa, Fragment inside) {
  return nfa.sequence(nfa.sequence(nfa.literal("\""), inside), nfa.literal("\""));
}

// Between least and most characters; most may be unlimited.
Fragment counted_characters(RuleNfa& nfa, std::size_t least, std::size_t most) {
  const std::pair<char32_t, char32_t> all(0, 0x10ffff);
  const auto one = [&] { return add_string_character(nfa, std::span(&all, 1), false); };
  Fragment whole = nfa.nothing();
  std::size_t used = 0;
  for (; used < least; ++used) whole = nfa.sequence(whole, one());
  if (most == kUnlimitedCount) {
    return nfa.sequence(whole, nfa.optional(nfa.repeated(one())));
  }
  const NfaNode exit = nfa.add_node();
  for (; used < most; ++used) {
    nfa.add_empty(whole.end, exit);
    whole = nfa.sequence(whole, one());
  }
  nfa.add_empty(whole.end, exit);
  return {whole.begin, exit};
}

// Keys other than those in `taken`, without escapes, so that equal text is equal meaning: a tree of
// the taken keys with a free way out at each difference.
class FreeKey {
 public:
  FreeKey(RuleNfa& nfa, std::vector<std::string> taken) : nfa_(nfa), end_(nfa.add_node()) {
    const std::pair<char32_t, char32_t> plain[] = {{0x20, 0x21}, {0x23, 0x5b}, {0x5d, 0x10ffff}};
    free_ = nfa_.add_node();
    const Fragment more = nfa_.code_points(plain);
    nfa_.add_empty(free_, more.begin);
    nfa_.add_empty(more.end, free_);
    nfa_.add_bytes(free_, '"', '"', end_);
    const NfaNode begin = nfa_.add_node();
    const NfaNode inside = nfa_.add_node();
    nfa_.add_bytes(begin, '"', '"', inside);
    std::sort(taken.begin(), taken.end());
    branch(inside, taken);
    whole_ = {begin, end_};
  }
  Fragment whole() const { return whole_; }

 private:
  // `rests` are what is left of the taken keys behind this node.
  void branch(NfaNode node, const std::vector<std::string>& rests) {
    std::map<char32_t, std::vector<std::string>> children;
    bool taken_here = false;
    for (const std::string& rest : rests) {
      taken_here |= rest.empty();
      if (rest.empty()) continue;
      const Utf8Char c = next_utf8(rest);
      children[c.code_point].push_back(rest.substr(c.bytes));
    }
    if (!taken_here) nfa_.add_bytes(node, '"', '"', end_);
    std::vector<std::pair<char32_t, char32_t>> other;
    char32_t next = 0x20;
    const auto leave_out = [&](char32_t c) {
      if (c > next) other.emplace_back(next, c - 1);
      if (c >= next) next = c + 1;
    };
    std::vector<char32_t> out = {U'"', U'\\'};
    for (const auto& child : children) out.push_back(child.first);
    std::sort(out.begin(), out.end());
    for (const char32_t c : out) leave_out(c);
    if (next <= 0x10ffff) other.emplace_back(next, 0x10ffff);
    const Fragment different = nfa_.code_points(other);
    nfa_.add_empty(node, different.begin);
    nfa_.add_empty(different.end, free_);
    for (const auto& [c, below] : children) {
      const bool escaped = c < 0x20 || c == U'"' || c == U'\\';
      if (escaped) continue;  // such a key cannot be written without escapes
      const std::pair<char32_t, char32_t> one(c, c);
      const Fragment step = nfa_.code_points(std::span(&one, 1));
      nfa_.add_empty(node, step.begin);
      branch(step.end, below);
    }
  }

  RuleNfa& nfa_;
  NfaNode end_ = 0;
  NfaNode free_ = 0;
  Fragment whole_;
};

std::string quoted_key(const std::string& key) {
  return json_text(
      Json(rapidjson::StringRef(key.data(), static_cast<rapidjson::SizeType>(key.size()))));
}

}  // namespace

Fragment add_schema_number(RuleNfa& nfa, const Json& schema, const std::string& path) {
  const bool integer = schema_is_integer(schema);
  const Json* multiple = member(schema, "multipleOf");
  const bool harmless = multiple != nullptr && multiple->IsNumber() && multiple->GetDouble() == 1.0;
  if (multiple != nullptr && !harmless) refuse(path, "multipleOf");
  const bool whole = integer || harmless;
  const NumberBounds bounds = bounds_of(schema, whole, path);
  Fragment out;
  const bool some = whole ? add_integer(nfa, bounds, out) : add_number(nfa, bounds, out);
  if (!some) fail(path, "leaves no number between its bounds");
  return out;
}

bool add_schema_string(RuleNfa& nfa, const Json& schema, const std::string& path, Fragment& out) {
  const std::size_t least = count_of(schema, "minLength", 0, path);
  const std::size_t most = count_of(schema, "maxLength", kUnlimitedCount, path);
  if (least > most) fail(path, "has a 'minLength' above its 'maxLength'");
  const Json* pattern = member(schema, "pattern");
  const Json* format = member(schema, "format");
  const bool counted = least > 0 || most != kUnlimitedCount;
  std::string expression;
  if (pattern != nullptr) {
    if (!pattern->IsString()) fail(path, "has a 'pattern' that is not a string");
    expression = text_of(*pattern);
  } else if (format != nullptr && format->IsString() && !counted) {
    const char* known = pattern_of_format(text_of(*format));
    if (known != nullptr) expression = known;
  }
  if (!expression.empty()) {
    const auto inside = add_pattern(nfa, expression, least, most);
    if (!inside)
      fail(path, "has a 'pattern' with " + inside.error().message() + ", which is not supported");
    out = quoted(nfa, *inside);
    return true;
  }
  if (!counted) return false;
  out = quoted(nfa, counted_characters(nfa, least, most));
  return true;
}

Fragment add_counted_array(RuleNfa& nfa, std::size_t least, std::size_t most, std::size_t fixed,
                           const std::function<Fragment(std::size_t)>& item) {
  const NfaNode begin = nfa.add_node(), close = nfa.add_node(), done = nfa.add_node();
  const Fragment open = nfa.sequence(nfa.literal("["), RuleSet::blank(nfa));
  nfa.add_empty(begin, open.begin);
  nfa.add_bytes(close, ']', ']', done);
  if (least == 0) nfa.add_empty(open.end, close);
  const Fragment trailing = RuleSet::blank(nfa);  // between the last item and the bracket
  nfa.add_empty(trailing.end, close);
  NfaNode at = open.end;
  // Beyond the last item that differs from its neighbours, an unlimited array loops.
  const std::size_t chain =
      most == kUnlimitedCount ? std::max({least, fixed, std::size_t{1}}) : most;
  for (std::size_t i = 0; i < chain; ++i) {
    if (i > 0) {
      const Fragment comma = nfa.sequence(nfa.literal(","), RuleSet::blank(nfa));
      nfa.add_empty(at, comma.begin);
      at = comma.end;
    }
    const Fragment next = item(i);
    nfa.add_empty(at, next.begin);
    at = next.end;
    if (i + 1 >= least) nfa.add_empty(at, trailing.begin);
  }
  if (most == kUnlimitedCount) {
    const Fragment comma = nfa.sequence(nfa.literal(","), RuleSet::blank(nfa));
    const Fragment next = item(chain);
    nfa.add_empty(at, comma.begin);
    nfa.add_empty(comma.end, next.begin);
    nfa.add_empty(next.end, at);
  }
  return {begin, done};
}

// Two rails run past the properties: `fresh` where none is written yet, `after` where one is, so
// that commas stand between properties and only there.
Fragment add_object(RuleNfa& nfa, const ObjectPlan& plan) {
  const Fragment open = nfa.sequence(nfa.literal("{"), RuleSet::blank(nfa));
  const NfaNode close = nfa.add_node(), done = nfa.add_node();
  nfa.add_bytes(close, '}', '}', done);
  NfaNode fresh = open.end;
  NfaNode after = nfa.add_node();
  const auto comma_to = [&](NfaNode from, NfaNode to) {
    const Fragment comma = nfa.sequence(nfa.literal(","), RuleSet::blank(nfa));
    nfa.add_empty(from, comma.begin);
    nfa.add_empty(comma.end, to);
  };
  bool fresh_possible = true, after_possible = false;
  for (const ObjectPlan::Property& property : plan.properties) {
    const Fragment entry = RuleSet::key_and_value(nfa, nfa.literal(quoted_key(property.key)),
                                                  nfa.call(property.value));
    const NfaNode next_fresh = nfa.add_node(), next_after = nfa.add_node();
    if (fresh_possible) nfa.add_empty(fresh, entry.begin);
    if (after_possible) comma_to(after, entry.begin);
    nfa.add_empty(entry.end, next_after);
    if (!property.required) {
      nfa.add_empty(fresh, next_fresh);
      nfa.add_empty(after, next_after);
    }
    fresh_possible = fresh_possible && !property.required;
    after_possible = true;
    fresh = next_fresh;
    after = next_after;
  }
  if (plan.extra) {
    std::vector<std::string> taken = plan.forbidden;
    for (const ObjectPlan::Property& property : plan.properties) taken.push_back(property.key);
    const Fragment entry =
        RuleSet::key_and_value(nfa, FreeKey(nfa, taken).whole(), nfa.call(*plan.extra));
    if (fresh_possible) nfa.add_empty(fresh, entry.begin);
    comma_to(after, entry.begin);
    nfa.add_empty(entry.end, after);
  }
  if (fresh_possible) nfa.add_empty(fresh, close);
  const Fragment trailing = RuleSet::blank(nfa);
  nfa.add_empty(after, trailing.begin);
  nfa.add_empty(trailing.end, close);
  return {open.begin, done};
}

}  // namespace jevons::engine
