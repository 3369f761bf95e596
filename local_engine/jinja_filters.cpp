// The filters of the template language.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "local_engine/jinja_interpreter.h"

namespace jevons::engine {
namespace {

using Filter = Value (*)(JinjaInterpreter&, const Value&, const CallArguments&);

bool flag(const CallArguments& given, std::size_t index, std::string_view name, bool fallback) {
  const Value* value = given.find(index, name);
  return value == nullptr ? fallback : value->truthy();
}

// "a.b.0" of selectattr, map and sort.
Value attribute_path(const Value& value, const Value& path) {
  if (path.is_int()) return jinja_subscript(value, path);
  Value current = value;
  const std::string& text = path.plain();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    const bool number = !name.empty() && name.size() < 9 &&
                        name.find_first_not_of("0123456789") == std::string::npos;
    if (number) {
      current = jinja_subscript(current, std::stoi(name));
    } else if (current.is_dict()) {
      const Value* found = current.get(name);
      current = found != nullptr ? *found : Value::undefined(name);
    } else {
      current = jinja_attribute(current, name);
    }
    begin = end + 1;
  }
  return current;
}

MarkedText escaped(const MarkedText& text) {
  MarkedText out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string piece(1, text.text()[i]);
    switch (piece[0]) {
      case '&':
        piece = "&amp;";
        break;
      case '<':
        piece = "&lt;";
        break;
      case '>':
        piece = "&gt;";
        break;
      case '"':
        piece = "&#34;";
        break;
      case '\'':
        piece = "&#39;";
        break;
      default:
        break;
    }
    out.append(piece, text.is_user(i));
  }
  return out;
}

Value json_filter(const Value& self, const CallArguments& given) {
  JsonStyle style;
  style.ensure_ascii = given.find(SIZE_MAX, "ensure_ascii") != nullptr &&
                       given.find(SIZE_MAX, "ensure_ascii")->truthy();
  const Value* indent = given.find(SIZE_MAX, "indent");
  if (!given.positional.empty()) indent = &given.positional[0];
  if (indent != nullptr && !indent->is_none() && !indent->is_bool()) {
    style.indent = static_cast<int>(std::clamp<std::int64_t>(indent->as_int(), 0, 64));
  }
  if (const Value* separators = given.find(SIZE_MAX, "separators");
      separators != nullptr && !separators->is_none()) {
    const auto parts = separators->elements();
    if (parts.size() != 2) throw JinjaError("tojson needs two separators");
    style.item_separator = parts[0].plain();
    style.key_separator = parts[1].plain();
  }
  const Value* sort = given.find(SIZE_MAX, "sort_keys");
  style.sort_keys = sort != nullptr && sort->truthy();
  if (self.is_undefined()) throw JinjaError("'" + self.undefined_name() + "' is undefined");
  return to_json(self, style);
}

Value join(JinjaInterpreter& in, const Value& self, const CallArguments& given) {
  const Value* separator = given.find(0, "d");
  const Value* attribute = given.find(1, "attribute");
  MarkedText out;
  bool first = true;
  for (const Value& item : self.elements()) {
    if (!first && separator != nullptr) out.append(to_text(*separator));
    first = false;
    out.append(to_text(attribute != nullptr ? attribute_path(item, *attribute) : item));
    in.check(out);
  }
  return out;
}

Value indent(JinjaInterpreter& in, const Value& self, const CallArguments& given) {
  const Value* width = given.find(0, "width");
  MarkedText prefix;
  if (width != nullptr && width->is_string())
    prefix = width->text();
  else
    prefix = std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                             width == nullptr ? 4 : width->as_int(), 0, 1000)),
                         ' ');
  const bool blank = flag(given, 2, "blank", false);
  const MarkedText text = to_text(self);
  MarkedText out;
  if (flag(given, 1, "first", false)) out.append(prefix);
  std::size_t begin = 0;
  for (std::size_t end; (end = text.text().find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    out.append(text.substr(begin, end + 1 - begin));
    const bool empty_line = end + 1 >= text.size() || text.text()[end + 1] == '\n';
    if (blank || !empty_line) out.append(prefix);
    in.check(out);
  }
  out.append(text.substr(begin));
  return in.checked(std::move(out));
}

Value to_integer(const Value& self, const CallArguments& given) {
  const Value* fallback = given.find(0, "default");
  const Value otherwise = fallback != nullptr ? *fallback : Value(0);
  if (self.is_int() || self.is_bool()) return self.as_int();
  double real = 0;
  if (self.is_string()) {
    const MarkedText stripped = jinja_strip(self.text(), " \t\n\r", true, true);
    const std::string& text = stripped.text();
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto whole = std::from_chars(text.data(), end, value);
    if (whole.ec == std::errc() && whole.ptr == end) return value;
    const auto parsed = std::from_chars(text.data(), end, real);
    if (parsed.ec != std::errc() || parsed.ptr != end) return otherwise;
  } else if (self.is_float()) {
    real = self.as_float();
  } else {
    return otherwise;
  }
  if (!(real > -9e18 && real < 9e18)) return otherwise;
  return static_cast<std::int64_t>(real);
}

Value to_float(const Value& self, const CallArguments& given) {
  const Value* fallback = given.find(0, "default");
  if (self.is_number()) return self.as_float();
  if (self.is_string()) {
    const std::string text = jinja_strip(self.text(), " \t\n\r", true, true).text();
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return value;
  }
  return fallback != nullptr ? *fallback : Value(0.0);
}

Value rounded(const Value& self, const CallArguments& given) {
  const Value* precision = given.find(0, "precision");
  const Value* method = given.find(1, "method");
  const std::string how = method == nullptr ? "common" : method->plain();
  const double scale = std::pow(10.0, precision == nullptr ? 0.0 : precision->as_float());
  const double value = self.as_float() * scale;
  // Python rounds halves to even.
  const double whole = how == "ceil"    ? std::ceil(value)
                       : how == "floor" ? std::floor(value)
                                        : std::nearbyint(value);
  return whole / scale;
}

// Compares as jinja does: strings without case unless asked.
bool orders_before(const Value& a, const Value& b, bool case_sensitive) {
  if (!case_sensitive && a.is_string() && b.is_string()) {
    return Value(jinja_map_ascii(a.text(), ascii_lower))
        .less(jinja_map_ascii(b.text(), ascii_lower));
  }
  return a.less(b);
}

Value sorted(const Value& self, const CallArguments& given) {
  std::vector<Value> items = self.elements();
  const bool reverse = flag(given, 0, "reverse", false);
  const bool case_sensitive = flag(given, 1, "case_sensitive", false);
  const Value* attribute = given.find(2, "attribute");
  const auto key = [&](const Value& item) {
    return attribute != nullptr ? attribute_path(item, *attribute) : item;
  };
  std::stable_sort(items.begin(), items.end(), [&](const Value& a, const Value& b) {
    return reverse ? orders_before(key(b), key(a), case_sensitive)
                   : orders_before(key(a), key(b), case_sensitive);
  });
  return Value::list(std::move(items));
}

Value dict_sorted(const Value& self, const CallArguments& given) {
  const bool case_sensitive = flag(given, 0, "case_sensitive", false);
  const Value* by = given.find(1, "by");
  const std::size_t part = by != nullptr && by->plain() == "value" ? 1 : 0;
  const bool reverse = flag(given, 2, "reverse", false);
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.as_dict().entries)
    pairs.push_back(Value::tuple({key, value}));
  std::stable_sort(pairs.begin(), pairs.end(), [&](const Value& a, const Value& b) {
    const Value &x = a.as_list().items[part], &y = b.as_list().items[part];
    return reverse ? orders_before(y, x, case_sensitive) : orders_before(x, y, case_sensitive);
  });
  return Value::list(std::move(pairs));
}

Value extreme(const Value& self, const CallArguments& given, bool greatest) {
  const Value* attribute = given.find(1, "attribute");
  const auto key = [&](const Value& item) {
    return attribute != nullptr ? attribute_path(item, *attribute) : item;
  };
  const std::vector<Value> items = self.elements();
  if (items.empty()) return Value::undefined("the extreme of nothing");
  const Value* best = &items[0];
  for (const Value& item : items) {
    if (greatest ? key(*best).less(key(item)) : key(item).less(key(*best))) best = &item;
  }
  return *best;
}

CallArguments behind(const CallArguments& given, std::size_t count) {
  CallArguments rest;
  rest.named = given.named;
  for (std::size_t i = count; i < given.positional.size(); ++i)
    rest.positional.push_back(given.positional[i]);
  return rest;
}

// select, reject, selectattr, rejectattr.
Value choose(JinjaInterpreter& in, const Value& self, const CallArguments& given, bool attribute,
             bool keep) {
  const std::size_t test_at = attribute ? 1 : 0;
  if (attribute && given.positional.empty()) throw JinjaError("selectattr needs an attribute");
  const bool tests = given.positional.size() > test_at;
  const CallArguments rest = behind(given, test_at + 1);
  if (!self.truthy()) return Value::list({});  // none, too, has nothing to choose from
  std::vector<Value> kept;
  for (const Value& item : self.elements()) {
    in.count_step();
    const Value value = attribute ? attribute_path(item, given.positional[0]) : item;
    const bool passes =
        tests ? in.apply_test(given.positional[test_at].plain(), value, rest) : value.truthy();
    if (passes == keep) kept.push_back(item);
  }
  return Value::list(std::move(kept));
}

Value map(JinjaInterpreter& in, const Value& self, const CallArguments& given) {
  std::vector<Value> out;
  if (!self.truthy()) return Value::list({});
  const Value* attribute = given.find(SIZE_MAX, "attribute");
  const Value* fallback = given.find(SIZE_MAX, "default");
  if (attribute == nullptr && given.positional.empty())
    throw JinjaError("map needs a filter or an attribute");
  for (const Value& item : self.elements()) {
    in.count_step();
    if (attribute == nullptr) {
      out.push_back(in.apply_filter(given.positional[0].plain(), item, behind(given, 1)));
      continue;
    }
    Value value = attribute_path(item, *attribute);
    out.push_back(value.is_undefined() && fallback != nullptr ? *fallback : std::move(value));
  }
  return Value::list(std::move(out));
}

Value unique(const Value& self) {
  std::vector<Value> out;
  for (const Value& item : self.elements()) {
    const auto folded = [](const Value& value) {
      return value.is_string() ? Value(jinja_map_ascii(value.text(), ascii_lower)) : value;
    };
    const bool seen = std::any_of(out.begin(), out.end(), [&](const Value& earlier) {
      return folded(earlier).equals(folded(item));
    });
    if (!seen) out.push_back(item);
  }
  return Value::list(std::move(out));
}

Value reversed(const Value& self) {
  std::vector<Value> items = self.elements();
  std::reverse(items.begin(), items.end());
  if (!self.is_string()) return Value::list(std::move(items));
  MarkedText out;
  for (const Value& item : items) out.append(item.text());
  return out;
}

Value sum(JinjaInterpreter& in, const Value& self, const CallArguments& given) {
  const Value* attribute = given.find(0, "attribute");
  const Value* start = given.find(1, "start");
  Value total = start != nullptr ? *start : Value(0);
  for (const Value& item : self.elements()) {
    total = jinja_operate(
        in, "+", total,
        attribute != nullptr && !attribute->is_none() ? attribute_path(item, *attribute) : item);
  }
  return total;
}

Value batched(const Value& self, const CallArguments& given) {
  const Value* size = given.find(0, "linecount");
  if (size == nullptr || size->as_int() < 1) throw JinjaError("batch needs a size");
  const Value* fill = given.find(1, "fill_with");
  std::vector<Value> rows, row;
  for (const Value& item : self.elements()) {
    row.push_back(item);
    if (static_cast<std::int64_t>(row.size()) == size->as_int())
      rows.push_back(Value::list(std::exchange(row, {})));
  }
  while (!row.empty() && fill != nullptr && size->as_int() < 10'000 &&
         static_cast<std::int64_t>(row.size()) < size->as_int()) {
    row.push_back(*fill);
  }
  if (!row.empty()) rows.push_back(Value::list(std::move(row)));
  return Value::list(std::move(rows));
}

Value by_method(JinjaInterpreter& in, const Value& self, const char* name,
                const CallArguments& given) {
  Value result;
  jinja_method(in, to_text(self), name, given, result);
  return result;
}

Value default_of(const Value& self, const CallArguments& given) {
  const Value* fallback = given.find(0, "default_value");
  const bool replace = self.is_undefined() || (flag(given, 1, "boolean", false) && !self.truthy());
  if (!replace) return self;
  return fallback != nullptr ? *fallback : Value("");
}

Value first_or_last(const Value& self, bool first) {
  const std::vector<Value> items = self.elements();
  if (items.empty()) return Value::undefined("No first or last item, sequence was empty.");
  return first ? items.front() : items.back();
}

Value absolute(const Value& self) {
  if (self.is_float()) return std::abs(self.as_float());
  const std::int64_t value = self.as_int();
  if (value == INT64_MIN) throw JinjaError("a number is too large");
  return value < 0 ? -value : value;
}

Value items_of(JinjaInterpreter& in, const Value& self) {
  if (self.is_undefined()) return Value::list({});
  Value result;
  if (!self.is_dict()) throw JinjaError("items needs a dict");
  jinja_method(in, self, "items", {}, result);
  return result;
}

#define FILTER [](JinjaInterpreter & in, const Value& self, const CallArguments& given) -> Value
#define UNUSED (void)in, (void)given

const std::map<std::string_view, Filter>& filters() {
  static const std::map<std::string_view, Filter> all = {{"abs", FILTER{UNUSED;
  return absolute(self);
}
}  // namespace
, {"attr", FILTER{UNUSED;
return given.positional.empty() ? Value() : jinja_attribute(self, given.positional[0].plain());
}  // namespace jevons::engine
}
, {"batch", FILTER{UNUSED;
return batched(self, given);
}
}
, {"capitalize", FILTER{return by_method(in, self, "capitalize", given);
}
}
, {"count", FILTER{UNUSED;
return self.length();
}
}
, {"d", FILTER{UNUSED;
return default_of(self, given);
}
}
, {"default", FILTER{UNUSED;
return default_of(self, given);
}
}
, {"dictsort", FILTER{UNUSED;
return dict_sorted(self, given);
}
}
, {"e", FILTER{UNUSED;
return escaped(to_text(self));
}
}
, {"escape", FILTER{UNUSED;
return escaped(to_text(self));
}
}
, {"first", FILTER{UNUSED;
return first_or_last(self, true);
}
}
, {"float", FILTER{UNUSED;
return to_float(self, given);
}
}
, {"format", FILTER{return in.checked(jinja_percent_format(to_text(self), given.positional));
}
}
, {"indent", FILTER{return indent(in, self, given);
}
}
, {"int", FILTER{UNUSED;
return to_integer(self, given);
}
}
, {"items", FILTER{UNUSED;
return items_of(in, self);
}
}
, {"join", FILTER{return join(in, self, given);
}
}
, {"last", FILTER{UNUSED;
return first_or_last(self, false);
}
}
, {"length", FILTER{UNUSED;
return self.length();
}
}
, {"list", FILTER{UNUSED;
return Value::list(self.elements());
}
}
, {"lower", FILTER{return by_method(in, self, "lower", given);
}
}
, {"map", FILTER{return map(in, self, given);
}
}
, {"max", FILTER{UNUSED;
return extreme(self, given, true);
}
}
, {"min", FILTER{UNUSED;
return extreme(self, given, false);
}
}
, {"reject", FILTER{return choose(in, self, given, false, false);
}
}
, {"rejectattr", FILTER{return choose(in, self, given, true, false);
}
}
, {"replace", FILTER{return by_method(in, self, "replace", given);
}
}
, {"reverse", FILTER{UNUSED;
return reversed(self);
}
}
, {"round", FILTER{UNUSED;
return rounded(self, given);
}
}
, {"safe", FILTER{UNUSED;
return self;
}
}
, {"select", FILTER{return choose(in, self, given, false, true);
}
}
, {"selectattr", FILTER{return choose(in, self, given, true, true);
}
}
, {"sort", FILTER{UNUSED;
return sorted(self, given);
}
}
, {"string", FILTER{UNUSED;
return to_text(self);
}
}
, {"sum", FILTER{return sum(in, self, given);
}
}
, {"title", FILTER{return by_method(in, self, "title", given);
}
}
, {"tojson", FILTER{UNUSED;
return json_filter(self, given);
}
}
, {"trim", FILTER{return by_method(in, self, "strip", given);
}
}
, {"unique", FILTER{UNUSED;
return unique(self);
}
}
, {"upper", FILTER{return by_method(in, self, "upper", given);
}
}
, {"wordcount", FILTER{Value words = by_method(in, self, "split", {});
(void)given;
return words.length();
}
}
,
}
;
return all;
}

#undef FILTER
#undef UNUSED

}  // namespace

Value JinjaInterpreter::apply_filter(std::string_view name, const Value& operand,
                                     const CallArguments& arguments) {
  const auto found = filters().find(name);
  if (found == filters().end()) {
    throw JinjaError("the filter '" + std::string(name) + "' is not supported");
  }
  return found->second(*this, operand, arguments);
}

}  // namespace jevons::engine
