#include "local_engine/jinja_lexer.h"

#include <algorithm>
#include <cctype>

#include "local_engine/jinja_value.h"
#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool starts_name(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || (c & 0x80) != 0;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<JinjaToken> run() {
    // One newline at the very end does not count, as in Jinja.
    if (source_.ends_with('\n')) source_.remove_suffix(1);
    while (at_ < source_.size()) text_then_tag();
    add(JinjaToken::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  using Kind = JinjaToken::Kind;

  [[noreturn]] void fail(const std::string& what) const {
    throw JinjaError("line " + std::to_string(line_) + ": " + what);
  }
  bool ahead(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  void add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void skip(std::size_t count) {
    const auto begin = source_.begin() + static_cast<std::ptrdiff_t>(at_);
    line_ += static_cast<std::uint32_t>(
        std::count(begin, begin + static_cast<std::ptrdiff_t>(count), '\n'));
    at_ += count;
  }

  void text_then_tag() {
    std::size_t tag = source_.find('{', at_);
    while (tag != std::string_view::npos && tag + 1 < source_.size() &&
           std::string_view("{%#").find(source_[tag + 1]) == std::string_view::npos) {
      tag = source_.find('{', tag + 1);
    }
    if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
      add_text(source_.substr(at_));
      skip(source_.size() - at_);
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    const std::string_view text = before_tag(tag, kind, sign);
    add_text(text);
    skip(tag - at_);
    if (kind == '#') return comment();
    skip(2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '%' && raw_block()) return;
    add(kind == '{' ? Kind::output_begin : Kind::block_begin, "");
    tag_tokens(kind);
  }

  // The text in front of a tag, less what "-" or lstrip_blocks take away.
  std::string_view before_tag(std::size_t tag, char kind, char sign) const {
    std::string_view text = source_.substr(at_, tag - at_);
    if (sign == '-') {
      while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    } else if (kind != '{' && sign != '+') {
      std::size_t begin = text.size();
      while (begin > 0 && is_space(text[begin - 1]) && text[begin - 1] != '\n') --begin;
      const bool line_start =
          begin > 0 ? text[begin - 1] == '\n' : at_ == 0 || source_[at_ - 1] == '\n';
      if (line_start) text = text.substr(0, begin);
    }
    return text;
  }

  void add_text(std::string_view text) {
    if (!text.empty()) add(Kind::text, std::string(text));
  }

  // Behind a tag that ended with `sign` before its end mark.
  void after_tag(char sign, bool block) {
    if (sign == '-') {
      std::size_t count = 0;
      while (at_ + count < source_.size() && is_space(source_[at_ + count])) ++count;
      skip(count);
    } else if (block && sign != '+' && ahead("\n")) {
      skip(1);
    }
  }

  void comment() {
    const std::size_t end = source_.find("#}", at_ + 2);
    if (end == std::string_view::npos) fail("a comment is not closed");
    const char sign = source_[end - 1];
    skip(end + 2 - at_);
    after_tag(sign, true);
  }

  // {% raw %} ... {% endraw %}; the opening mark is read already.
  bool raw_block() {
    std::size_t at = at_;
    const auto blanks = [&] {
      while (at < source_.size() && is_space(source_[at])) ++at;
    };
    blanks();
    if (!source_.substr(at).starts_with("raw")) return false;
    at += 3;
    blanks();
    char sign = ' ';
    if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) sign = source_[at++];
    if (!source_.substr(at).starts_with("%}")) return false;
    skip(at + 2 - at_);
    after_tag(sign, true);
    for (std::size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 2)) {
      at = tag + 2;
      char begin_sign = ' ';
      if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) {
        begin_sign = source_[at++];
      }
      blanks();
      if (!source_.substr(at).starts_with("endraw")) continue;
      at += 6;
      blanks();
      char end_sign = ' ';
      if (at < source_.size() && (source_[at] == '-' || source_[at] == '+'))
        end_sign = source_[at++];
      if (!source_.substr(at).starts_with("%}")) continue;
      add_text(before_tag(tag, '%', begin_sign));
      skip(at + 2 - at_);
      after_tag(end_sign, true);
      return true;
    }
    fail("a raw block is not closed");
  }

  void tag_tokens(char kind) {
    const std::string_view close = kind == '{' ? "}}" : "%}";
    int depth = 0;  // a "}}" inside braces closes them, not the tag
    for (;;) {
      while (at_ < source_.size() && is_space(source_[at_])) skip(1);
      if (at_ >= source_.size()) fail("a tag is not closed");
      const bool signed_close = (source_[at_] == '-' || source_[at_] == '+') &&
                                source_.substr(at_ + 1).starts_with(close);
      if (depth == 0 && (signed_close || ahead(close))) {
        const char sign = signed_close ? source_[at_] : ' ';
        add(kind == '{' ? Kind::output_end : Kind::block_end, "");
        skip(signed_close ? 3 : 2);
        return after_tag(sign, kind == '%');
      }
      const char c = source_[at_];
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') --depth;
      if (depth < 0) fail(std::string("unexpected '") + c + "'");
      token();
    }
  }

  void token() {
    const char c = source_[at_];
    if (c == '\'' || c == '"') return string_token(c);
    if (is_digit(c)) return number_token();
    if (starts_name(c)) {
      std::size_t end = at_;
      while (end < source_.size() && (starts_name(source_[end]) || is_digit(source_[end]))) ++end;
      add(Kind::name, std::string(source_.substr(at_, end - at_)));
      return skip(end - at_);
    }
    for (const std::string_view symbol : {"==", "!=", "<=", ">=", "//", "**"}) {
      if (!ahead(symbol)) continue;
      add(Kind::symbol, std::string(symbol));
      return skip(2);
    }
    if (std::string_view("()[]{}.,:|~+-*/%<>=").find(c) == std::string_view::npos) {
      fail(std::string("unexpected character '") + c + "'");
    }
    add(Kind::symbol, std::string(1, c));
    skip(1);
  }

  void number_token() {
    std::size_t end = at_;
    const auto digits = [&] {
      while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
    };
    digits();
    bool real = false;
    if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
      real = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '-' || source_[exponent] == '+')) {
        ++exponent;
      }
      if (exponent < source_.size() && is_digit(source_[exponent])) {
        real = true;
        end = exponent;
        digits();
      }
    }
    std::string text(source_.substr(at_, end - at_));
    std::erase(text, '_');
    add(real ? Kind::real : Kind::integer, std::move(text));
    skip(end - at_);
  }

  void string_token(char quote) {
    std::string out;
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) {
      if (source_[end] != '\\') {
        out += source_[end++];
      } else {
        end = escape(end + 1, out);
      }
    }
    if (end >= source_.size()) fail("a string is not closed");
    add(Kind::string, std::move(out));
    skip(end + 1 - at_);
  }

  // Python's escapes; an unknown one stands for itself with its backslash.
  std::size_t escape(std::size_t at, std::string& out) {
    if (at >= source_.size()) fail("a string is not closed");
    const char c = source_[at];
    constexpr std::string_view from = "nrtbfav0\\'\"", to{"\n\r\t\b\f\a\v\0\\'\"", 11};
    const std::size_t known = from.find(c);
    if (known != std::string_view::npos) {
      out += to[known];
      return at + 1;
    }
    const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits != 0 && at + digits < source_.size()) {
      char32_t value = 0;
      for (std::size_t i = 1; i <= digits; ++i) {
        const auto digit = static_cast<unsigned char>(source_[at + i]);
        if (std::isxdigit(digit) == 0) fail("a string has a bad escape");
        value = value * 16 +
                static_cast<char32_t>(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
      }
      if (value > 0x10ffff) fail("a string has a bad escape");
      append_utf8(out, value);
      return at + 1 + digits;
    }
    if (c == '\n') return at + 1;
    out += '\\';
    out += c;
    return at + 1;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  std::vector<JinjaToken> tokens_;
};

}  // namespace

std::vector<JinjaToken> lex_jinja(std::string_view source) { return Lexer(source).run(); }

}  // namespace jevons::engine
