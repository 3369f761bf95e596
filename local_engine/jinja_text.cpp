// Python's str(), repr() and json.dumps() of template values.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "local_engine/jinja_value.h"
#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

constexpr int kDepthMax = 100;

void check_depth(int depth) {
  if (depth > kDepthMax) throw JinjaError("a value is nested too deeply to be written");
}

void append_hex(std::string& out, std::uint32_t value, int digits) {
  constexpr char hex[] = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += hex[(value >> shift) & 15U];
}

// repr() of a string: single quotes unless only they occur inside.
MarkedText string_repr(const MarkedText& text) {
  const std::string& plain = text.text();
  const bool both = plain.find('\'') != std::string::npos && plain.find('"') == std::string::npos;
  const char quote = both ? '"' : '\'';
  MarkedText out;
  out.append(std::string_view(&quote, 1), false);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const auto byte = static_cast<unsigned char>(plain[i]);
    std::string piece(1, plain[i]);
    if (plain[i] == quote || plain[i] == '\\') piece.insert(0, 1, '\\');
    if (plain[i] == '\n')
      piece = "\\n";
    else if (plain[i] == '\r')
      piece = "\\r";
    else if (plain[i] == '\t')
      piece = "\\t";
    else if (byte < 0x20 || byte == 0x7f)
      append_hex(piece = "\\x", byte, 2);
    out.append(piece, text.is_user(i));
  }
  out.append(std::string_view(&quote, 1), false);
  return out;
}

MarkedText repr(const Value& value, int depth);

MarkedText join_reprs(const Value& value, int depth) {
  MarkedText out;
  const List& list = value.as_list();
  out.append(list.tuple ? "(" : "[", false);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ", false);
    out.append(repr(list.items[i], depth + 1));
  }
  if (list.tuple && list.items.size() == 1) out.append(",", false);
  out.append(list.tuple ? ")" : "]", false);
  return out;
}

MarkedText repr(const Value& value, int depth) {
  check_depth(depth);
  if (value.is_string()) return string_repr(value.text());
  if (value.is_list()) return join_reprs(value, depth);
  if (!value.is_dict()) return to_text(value);
  MarkedText out;
  out.append("{", false);
  bool first = true;
  for (const auto& [key, entry] : value.as_dict().entries) {
    if (!first) out.append(", ", false);
    first = false;
    out.append(repr(key, depth + 1));
    out.append(": ", false);
    out.append(repr(entry, depth + 1));
  }
  out.append("}", false);
  return out;
}

void append_json_string(MarkedText& out, const MarkedText& text, bool ensure_ascii) {
  const std::string_view plain = text.text();
  out.append("\"", false);
  for (std::size_t i = 0; i < plain.size();) {
    const Utf8Char c = next_utf8(plain.substr(i));
    std::string piece(plain.substr(i, c.bytes));
    switch (plain[i]) {
      case '"':
        piece = "\\\"";
        break;
      case '\\':
        piece = "\\\\";
        break;
      case '\n':
        piece = "\\n";
        break;
      case '\r':
        piece = "\\r";
        break;
      case '\t':
        piece = "\\t";
        break;
      case '\b':
        piece = "\\b";
        break;
      case '\f':
        piece = "\\f";
        break;
      default:
        if (c.code_point < 0x20)
          append_hex(piece = "\\u", c.code_point, 4);
        else if (c.code_point >= 0x10000 && ensure_ascii) {
          append_hex(piece = "\\u", 0xd800 + ((c.code_point - 0x10000) >> 10), 4);
          append_hex(piece += "\\u", 0xdc00 + (c.code_point & 0x3ff), 4);
        } else if (c.code_point >= 0x7f && ensure_ascii && c.code_point != 0x7f) {
          append_hex(piece = "\\u", c.code_point, 4);
        }
    }
    out.append(piece, text.is_user(i));
    i += c.bytes;
  }
  out.append("\"", false);
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  void write(const Value& value, int depth) {
    check_depth(depth);
    if (value.is_string())
      append_json_string(out, value.text(), style_.ensure_ascii);
    else if (value.is_none())
      out.append("null", false);
    else if (value.is_bool())
      out.append(value.truthy() ? "true" : "false", false);
    else if (value.is_number())
      out.append(to_text(value));
    else if (value.is_list())
      write_list(value.as_list(), depth);
    else if (value.is_dict())
      write_dict(value.as_dict(), depth);
    else
      throw JinjaError(std::string("a value of kind ") + value.kind_name() + " is not JSON");
  }

  MarkedText out;

 private:
  void new_line(int depth) {
    if (style_.indent < 0) return;
    out.append("\n" + std::string(static_cast<std::size_t>(style_.indent * depth), ' '), false);
  }
  void separator() {
    std::string text = style_.item_separator;
    // With an indent, Python's default separator has no trailing space.
    if (style_.indent >= 0 && text == ", ") text = ",";
    out.append(text, false);
  }
  void write_list(const List& list, int depth) {
    if (list.items.empty()) return out.append("[]", false);
    out.append("[", false);
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) separator();
      new_line(depth + 1);
      write(list.items[i], depth + 1);
    }
    new_line(depth);
    out.append("]", false);
  }
  void write_dict(const Dict& dict, int depth) {
    if (dict.entries.empty()) return out.append("{}", false);
    auto entries = dict.entries;
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.first.less(b.first); });
    }
    out.append("{", false);
    bool first = true;
    for (const auto& [key, value] : entries) {
      if (!first) separator();
      first = false;
      new_line(depth + 1);
      append_json_string(out, key.is_string() ? key.text() : to_text(key), style_.ensure_ascii);
      out.append(style_.key_separator, false);
      write(value, depth + 1);
    }
    new_line(depth);
    out.append("}", false);
  }

  const JsonStyle& style_;
};

}  // namespace

std::string python_float(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char raw[40];
  const auto end = std::to_chars(raw, raw + sizeof(raw), value, std::chars_format::scientific).ptr;
  const std::string_view scientific(raw, static_cast<std::size_t>(end - raw));
  const std::size_t e = scientific.find('e');
  const int exponent = std::stoi(std::string(scientific.substr(e + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  const auto fixed = std::to_chars(raw, raw + sizeof(raw), value, std::chars_format::fixed).ptr;
  std::string out(raw, fixed);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

MarkedText to_text(const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return {};
  if (value.is_none()) return "None";
  if (value.is_bool()) return value.truthy() ? "True" : "False";
  if (value.is_int()) return std::to_string(value.as_int());
  if (value.is_float()) return python_float(value.as_float());
  if (value.is_callable()) return "<function " + value.as_callable().name + ">";
  return repr(value, 0);
}

MarkedText to_repr(const Value& value) { return repr(value, 0); }

MarkedText to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  writer.write(value, 0);
  return std::move(writer.out);
}

}  // namespace jevons::engine
