// Python's two ways to format strings, as far as templates use them.
#include <cstdio>

#include "local_engine/jinja_interpreter.h"

namespace jevons::engine {
namespace {

constexpr std::int64_t kWidthMax = 1000;

// "[-0][width][.precision]" of both notations.
struct Layout {
  char align = 0;  // '<', '>', '^', or none
  bool zero = false;
  bool comma = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

std::int64_t number_at(std::string_view spec, std::size_t& at) {
  std::int64_t value = 0;
  while (at < spec.size() && spec[at] >= '0' && spec[at] <= '9') {
    value = value * 10 + (spec[at++] - '0');
    if (value > kWidthMax) throw JinjaError("a format is too wide");
  }
  return value;
}

Layout read_layout(std::string_view spec, std::size_t& at) {
  Layout layout;
  while (at < spec.size() && std::string_view("<>^-+").find(spec[at]) != std::string_view::npos) {
    layout.align = spec[at] == '-' ? '<' : spec[at];
    ++at;
  }
  if (at < spec.size() && spec[at] == '0') layout.zero = true;
  layout.width = number_at(spec, at);
  if (at < spec.size() && spec[at] == ',') layout.comma = true, ++at;
  if (at < spec.size() && spec[at] == '.') layout.precision = number_at(spec, ++at);
  if (at < spec.size()) layout.type = spec[at++];
  return layout;
}

std::string fixed(double value, std::int64_t precision) {
  char text[1500];
  std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(precision), value);
  return text;
}

MarkedText laid_out(const Value& value, const Layout& layout) {
  MarkedText text;
  if (layout.type == 'r')
    text = to_repr(value);
  else if (layout.type == 'f')
    text = fixed(value.as_float(), layout.precision < 0 ? 6 : layout.precision);
  else if (layout.type == 'd' || layout.type == 'i') {
    text = std::to_string(value.is_float() ? static_cast<std::int64_t>(value.as_float())
                                           : value.as_int());
  } else {
    text = to_text(value);
  }
  const auto size = static_cast<std::int64_t>(code_point_offsets(text.text()).size() - 1);
  if (size >= layout.width) return text;
  const auto gap = static_cast<std::size_t>(layout.width - size);
  const bool right =
      layout.align == '>' || (layout.align == 0 && (value.is_number() || layout.zero));
  const std::size_t before = layout.align == '^' ? gap / 2 : right ? gap : 0;
  MarkedText out;
  out.append(std::string(before, layout.zero && right ? '0' : ' '), false);
  out.append(text);
  out.append(std::string(gap - before, ' '), false);
  return out;
}

}  // namespace

MarkedText jinja_percent_format(const MarkedText& format, const std::vector<Value>& values) {
  MarkedText out;
  const std::string& plain = format.text();
  std::size_t used = 0;
  for (std::size_t at = 0; at < plain.size();) {
    if (plain[at] != '%') {
      out.append(format.substr(at, 1));
      ++at;
    } else if (at + 1 < plain.size() && plain[at + 1] == '%') {
      out.append("%", false);
      at += 2;
    } else {
      const std::string_view spec(plain);
      ++at;
      Layout layout = read_layout(spec, at);
      if (std::string_view("sdifr").find(layout.type) == std::string_view::npos ||
          layout.type == 0) {
        throw JinjaError("a % format is not supported");
      }
      if (layout.align == 0) layout.align = '>';
      if (used >= values.size()) throw JinjaError("not enough arguments for a % format");
      out.append(laid_out(values[used++], layout));
    }
  }
  return out;
}

MarkedText jinja_brace_format(const MarkedText& format, const CallArguments& arguments) {
  MarkedText out;
  const std::string& plain = format.text();
  std::size_t next = 0;
  for (std::size_t at = 0; at < plain.size();) {
    const bool doubled = at + 1 < plain.size() && plain[at + 1] == plain[at];
    if (plain[at] != '{' && plain[at] != '}') {
      out.append(format.substr(at++, 1));
    } else if (doubled) {
      out.append(format.substr(at, 1));
      at += 2;
    } else {
      const std::size_t close = plain.find('}', at);
      if (plain[at] == '}' || close == std::string::npos)
        throw JinjaError("a format has a lone brace");
      const std::string field = plain.substr(at + 1, close - at - 1);
      const std::string name = field.substr(0, field.find_first_of(":!"));
      const bool numbered =
          !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
      const std::size_t index = name.empty()                  ? next++
                                : numbered && name.size() < 4 ? std::stoul(name)
                                                              : SIZE_MAX;
      const Value* value = arguments.find(index, name);
      if (value == nullptr) throw JinjaError("a format names a missing argument");
      const std::size_t colon = field.find(':');
      std::size_t spec_at = colon == std::string::npos ? field.size() : colon + 1;
      out.append(laid_out(*value, read_layout(field, spec_at)));
      at = close + 1;
    }
  }
  return out;
}

}  // namespace jevons::engine
