#include "router/yaml_cursor.h"

#include <utility>

namespace jevons {

bool YamlCursor::is_blank(std::size_t ahead) const {
  const char c = peek(ahead);
  return c == ' ' || c == '\n' || c == '\t' || at_ + ahead >= text_.size();
}

std::string_view YamlCursor::rest_of_line() const {
  return text_.substr(at_, text_.find('\n', at_) - at_);
}

void YamlCursor::next_line() {
  if (at_end()) return;
  ++at_;
  ++line_;
  line_start_ = at_;
}

void YamlCursor::skip_spaces() {
  while (peek() == ' ') ++at_;
  if (peek() == '\t') {
    fault("tab character: use spaces (inside double quotes write \\t)");
  }
}

void YamlCursor::skip_spaces_and_comment() {
  skip_spaces();
  if (peek() != '#') return;
  if (at_ != line_start_ && text_[at_ - 1] != ' ') fault("a comment needs a space before its '#'");
  at_ += rest_of_line().size();
}

bool YamlCursor::skip_to_content() {
  bool passed = false;
  for (;;) {
    skip_spaces_and_comment();
    if (at_end() || peek() != '\n') return passed;
    next_line();
    passed = true;
  }
}

bool YamlCursor::at_marker(std::string_view marker) const {
  return column() == 0 && text_.substr(at_, 3) == marker && is_blank(3);
}

void YamlCursor::fault(std::string message) const { fault_at(line_, offset(), std::move(message)); }

void YamlCursor::fault_at(std::uint32_t line, std::uint32_t offset, std::string message) {
  throw YamlFault{line, offset, std::move(message)};
}

}  // namespace jevons
