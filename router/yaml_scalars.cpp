// Scalars of YAML: plain, quoted and block, with the folding of lines that YAML 1.2 prescribes.
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "router/yaml_cursor.h"

namespace jevons {
namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  const auto byte = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | (code >> 6));
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | (code >> 18));
    byte(0x80 | ((code >> 12) & 0x3F));
    byte(0x80 | ((code >> 6) & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

void read_hex_escape(YamlCursor& cursor, int digits, std::string& out) {
  std::uint32_t code = 0;
  for (int i = 0; i < digits; ++i, cursor.advance()) {
    const char c = cursor.peek();
    std::uint32_t digit = 16;
    if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
    if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A' + 10);
    if (digit == 16) cursor.fault("this escape needs " + std::to_string(digits) + " hex digits");
    code = code * 16 + digit;
  }
  if (code == 0) cursor.fault("NUL is not allowed in a configuration file");
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
    cursor.fault("this escape is not a Unicode character");
  }
  append_utf8(out, code);
}

// The cursor stands behind the backslash.
void read_escape(YamlCursor& cursor, std::string& out) {
  static constexpr std::string_view names = "abtnvfre \"/\\N_LP";
  static constexpr std::uint32_t codes[] = {7,    8,   9,   10,   11,   12,   13,     27,
                                            0x20, '"', '/', '\\', 0x85, 0xA0, 0x2028, 0x2029};
  const char c = cursor.peek();
  if (c == '0') cursor.fault("NUL is not allowed in a configuration file");
  if (c == 'x' || c == 'u' || c == 'U') {
    cursor.advance();
    return read_hex_escape(cursor, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
  }
  const std::size_t index = cursor.at_end() ? std::string_view::npos : names.find(c);
  if (index == std::string_view::npos) {
    cursor.fault("unknown escape; inside double quotes a backslash is written \\\\");
  }
  append_utf8(out, codes[index]);
  cursor.advance();
}

// At the line end inside a quoted scalar: to the first content of the next line, folding. One line
// end becomes a space, each empty line a line end.
void fold_quoted_line(YamlCursor& cursor, int indent, std::string& out, std::size_t kept) {
  while (out.size() > kept && out.back() == ' ') out.pop_back();
  int line_ends = 0;
  while (!cursor.at_end() && cursor.peek() == '\n') {
    cursor.next_line();
    ++line_ends;
    if (cursor.at_document_marker()) cursor.fault("this quoted value has no closing quote");
    cursor.skip_spaces();
  }
  if (!cursor.at_end() && cursor.column() <= indent) {
    cursor.fault("a further line of a quoted value must be indented more than its key");
  }
  out.append(line_ends > 1 ? std::string(static_cast<std::size_t>(line_ends - 1), '\n') : " ");
}

struct BlockHeader {
  bool folded = false;
  char chomp = ' ';  // '-' strip, '+' keep, ' ' clip
  int indent = 0;    // explicit indentation, 0: found from the first line
};

BlockHeader read_block_header(YamlCursor& cursor) {
  BlockHeader header;
  header.folded = cursor.peek() == '>';
  cursor.advance();
  for (; !cursor.is_blank(); cursor.advance()) {
    const char c = cursor.peek();
    if ((c == '-' || c == '+') && header.chomp == ' ') {
      header.chomp = c;
    } else if (c >= '1' && c <= '9' && header.indent == 0) {
      header.indent = c - '0';
    } else {
      cursor.fault("after | or > only '-', '+' and one digit may stand; the text starts below");
    }
  }
  cursor.skip_spaces_and_comment();
  if (!cursor.at_line_end()) cursor.fault("the text of a block value starts on the next line");
  return header;
}

// The indentation of a block scalar's text: of its first line that is not empty.
int find_block_indent(YamlCursor cursor, int parent) {
  while (!cursor.at_end()) {
    cursor.next_line();
    while (cursor.peek() == ' ') cursor.advance();
    if (!cursor.at_line_end()) break;
  }
  return cursor.column() > parent ? cursor.column() : parent + 1;
}

}  // namespace

std::string read_double_quoted(YamlCursor& cursor, int indent) {
  const std::uint32_t line = cursor.line(), offset = cursor.offset();
  std::string out;
  std::size_t kept = 0;  // bytes written by escapes are never trimmed
  cursor.advance();
  while (cursor.peek() != '"') {
    if (cursor.at_end()) {
      YamlCursor::fault_at(line, offset, "this quoted value has no closing quote");
    }
    const char c = cursor.peek();
    if (c == '\n') {
      fold_quoted_line(cursor, indent, out, kept);
    } else if (c == '\\' && cursor.peek(1) == '\n') {
      cursor.advance();
      std::string folded;
      fold_quoted_line(cursor, indent, folded, 0);
      if (folded != " ") out += folded;
      kept = out.size();
    } else if (c == '\\') {
      cursor.advance();
      read_escape(cursor, out);
      kept = out.size();
    } else if (c == '\t') {
      cursor.fault("tab character: use spaces (inside double quotes write \\t)");
    } else {
      out += c;
      cursor.advance();
    }
  }
  cursor.advance();
  return out;
}

std::string read_single_quoted(YamlCursor& cursor, int indent) {
  const std::uint32_t line = cursor.line(), offset = cursor.offset();
  std::string out;
  cursor.advance();
  for (;;) {
    if (cursor.at_end()) {
      YamlCursor::fault_at(line, offset, "this quoted value has no closing quote");
    }
    const char c = cursor.peek();
    if (c == '\'' && cursor.peek(1) != '\'') break;
    if (c == '\n') {
      fold_quoted_line(cursor, indent, out, 0);
    } else if (c == '\t') {
      cursor.fault("tab character: use spaces (inside double quotes write \\t)");
    } else {
      out += c;
      cursor.advance(c == '\'' ? 2 : 1);
    }
  }
  cursor.advance();
  return out;
}

std::string read_plain_line(YamlCursor& cursor, bool in_flow) {
  std::string out;
  while (!cursor.at_line_end()) {
    const char c = cursor.peek();
    if (c == '\t') cursor.skip_spaces();  // faults
    if (c == '#' && !out.empty() && out.back() == ' ') break;
    if (in_flow && std::string_view(",[]{}").find(c) != std::string_view::npos) break;
    if (c == ':' && cursor.is_blank(1)) break;
    if (c == ':' && in_flow &&
        std::string_view(",[]{}").find(cursor.peek(1)) != std::string_view::npos) {
      break;
    }
    out += c;
    cursor.advance();
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string read_plain_rest(YamlCursor& cursor, int indent, std::string first) {
  const std::uint32_t line = cursor.line();
  for (;;) {
    if (cursor.peek() == '#') return first;  // a comment ends a plain scalar
    YamlCursor ahead = cursor;
    int line_ends = 0;
    while (!ahead.at_end() && ahead.peek() == '\n') {
      ahead.next_line();
      ++line_ends;
      ahead.skip_spaces();
    }
    if (line_ends == 0 || ahead.at_end() || ahead.column() <= indent || ahead.peek() == '#' ||
        ahead.at_document_marker()) {
      return first;
    }
    cursor = ahead;
    std::string more = read_plain_line(cursor, false);
    if (cursor.peek() == ':') {
      YamlCursor::fault_at(ahead.line(), ahead.offset(),
                           "this 'key: value' reads as more of line " + std::to_string(line) +
                               ": check the indentation, and the space behind ':' in that line");
    }
    first.append(line_ends > 1 ? std::string(static_cast<std::size_t>(line_ends - 1), '\n') : " ");
    first += more;
  }
}

std::string read_block_scalar(YamlCursor& cursor, int indent) {
  const BlockHeader header = read_block_header(cursor);
  const int parent = indent < 0 ? 0 : indent;
  const int column = header.indent > 0 ? parent + header.indent : find_block_indent(cursor, indent);
  std::string out;
  std::size_t pending = 0;  // line ends since the last text
  bool was_spaced = true;   // the line before starts with a space (or there is none): no folding
  while (!cursor.at_end()) {
    YamlCursor ahead = cursor;
    ahead.next_line();
    while (ahead.column() < column && ahead.peek() == ' ') ahead.advance();
    if (ahead.at_end() && ahead.column() == 0) break;
    if (!ahead.at_line_end() && (ahead.column() < column || ahead.at_document_marker())) break;
    cursor = ahead;
    const std::string_view text = cursor.rest_of_line();
    if (const auto tab = text.find('\t'); tab != std::string_view::npos) {
      cursor.advance(tab);
      cursor.skip_spaces();  // faults
    }
    cursor.advance(text.size());
    if (text.empty()) {
      ++pending;
      continue;
    }
    const bool spaced = text.front() == ' ';
    const bool fold = header.folded && !spaced && !was_spaced;
    if (fold && pending == 1) {
      out += ' ';
    } else {
      out.append(fold && pending > 1 ? pending - 1 : pending, '\n');
    }
    out += text;
    pending = 1;
    was_spaced = spaced;
  }
  if (header.chomp == '+') return out.append(pending, '\n');
  if (header.chomp == ' ' && !out.empty()) out += '\n';
  return out;
}

}  // namespace jevons
