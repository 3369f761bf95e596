// Python's methods of str, list and dict, as far as templates call them.
#include <algorithm>
#include <map>

#include "local_engine/jinja_interpreter.h"

namespace jevons::engine {

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char ascii_upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }

MarkedText jinja_map_ascii(const MarkedText& text, char (*change)(char)) {
  MarkedText out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char changed = change(text.text()[i]);
    out.append(std::string_view(&changed, 1), text.is_user(i));
  }
  return out;
}

MarkedText jinja_strip(const MarkedText& text, std::string_view characters, bool left, bool right) {
  const std::string& plain = text.text();
  std::size_t begin = 0, end = plain.size();
  const auto drops = [&](std::size_t i) {
    return characters.find(plain[i]) != std::string_view::npos;
  };
  while (left && begin < end && drops(begin)) ++begin;
  while (right && end > begin && drops(end - 1)) --end;
  return text.substr(begin, end - begin);
}

MarkedText jinja_replace(const MarkedText& text, const MarkedText& from, const MarkedText& to,
                         std::int64_t count) {
  if (from.empty()) return text;
  MarkedText out;
  std::size_t begin = 0;
  for (std::size_t at;
       count != 0 && (at = text.text().find(from.text(), begin)) != std::string::npos; --count) {
    out.append(text.substr(begin, at - begin));
    out.append(to);
    begin = at + from.size();
    if (out.size() > (16U << 20)) throw JinjaError("a string grows too long");
  }
  out.append(text.substr(begin));
  return out;
}

namespace {

constexpr std::string_view kBlanks = " \t\n\r\v\f\x1c\x1d\x1e\x1f";

using Method = Value (*)(JinjaInterpreter&, const Value&, const CallArguments&);

const Value& needed(const CallArguments& given, std::size_t index, const char* method) {
  if (index >= given.positional.size()) {
    throw JinjaError(std::string(method) + " needs more arguments");
  }
  return given.positional[index];
}

// No argument and None both mean blanks.
std::string strip_set(const CallArguments& given) {
  const Value* set = given.find(0, "chars");
  return set == nullptr || set->is_none() ? std::string(kBlanks) : set->plain();
}

std::vector<Value> split_blanks(const MarkedText& text, std::int64_t limit) {
  std::vector<Value> parts;
  const std::string& plain = text.text();
  std::size_t at = 0;
  for (;;) {
    while (at < plain.size() && kBlanks.find(plain[at]) != std::string_view::npos) ++at;
    if (at >= plain.size()) return parts;
    if (limit == 0) {
      parts.emplace_back(jinja_strip(text.substr(at), kBlanks, false, true));
      return parts;
    }
    std::size_t end = at;
    while (end < plain.size() && kBlanks.find(plain[end]) == std::string_view::npos) ++end;
    parts.emplace_back(text.substr(at, end - at));
    at = end;
    --limit;
  }
}

Value split(const Value& value, const CallArguments& given, bool from_right) {
  const Value* separator = given.find(0, "sep");
  const Value* most = given.find(1, "maxsplit");
  std::int64_t limit = most == nullptr ? -1 : most->as_int();
  const MarkedText& text = value.text();
  if (separator == nullptr || separator->is_none()) return Value::list(split_blanks(text, limit));
  const std::string& mark = separator->plain();
  if (mark.empty()) throw JinjaError("split needs a separator that is not empty");
  std::vector<Value> parts;
  std::size_t begin = 0, end = text.size();
  while (limit != 0 && end >= mark.size()) {
    const std::size_t at =
        from_right ? text.text().substr(0, end).rfind(mark) : text.text().find(mark, begin);
    if (at == std::string::npos) break;
    if (from_right) {
      parts.insert(parts.begin(), text.substr(at + mark.size(), end - at - mark.size()));
      end = at;
    } else {
      parts.emplace_back(text.substr(begin, at - begin));
      begin = at + mark.size();
    }
    --limit;
  }
  const Value rest = text.substr(begin, end - begin);
  parts.insert(from_right ? parts.begin() : parts.end(), rest);
  return Value::list(std::move(parts));
}

Value split_lines(const Value& value) {
  std::vector<Value> lines;
  const MarkedText& text = value.text();
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.text().find_first_of("\r\n", begin);
    const bool last = end == std::string::npos;
    if (last) end = text.size();
    lines.emplace_back(text.substr(begin, end - begin));
    if (last) break;
    begin = end + (text.text().substr(end, 2) == "\r\n" ? 2 : 1);
  }
  return Value::list(std::move(lines));
}

bool has_affix(const Value& value, const CallArguments& given, bool start) {
  const Value& wanted = needed(given, 0, start ? "startswith" : "endswith");
  const std::vector<Value> all =
      wanted.is_string() ? std::vector<Value>{wanted} : wanted.elements();
  return std::any_of(all.begin(), all.end(), [&](const Value& affix) {
    return start ? value.plain().starts_with(affix.plain())
                 : value.plain().ends_with(affix.plain());
  });
}

bool all_of_class(const std::string& text, int (*test)(int)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return test(static_cast<unsigned char>(c)) != 0;
  });
}

MarkedText capitalised(const MarkedText& text) {
  MarkedText out = jinja_map_ascii(text.substr(0, 1), ascii_upper);
  out.append(jinja_map_ascii(text.substr(std::min<std::size_t>(1, text.size())), ascii_lower));
  return out;
}

MarkedText titled(const MarkedText& text) {
  MarkedText out;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text.text()[i];
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    const char changed = inside ? ascii_lower(c) : ascii_upper(c);
    out.append(std::string_view(&changed, 1), text.is_user(i));
    inside = letter;
  }
  return out;
}

#define METHOD [](JinjaInterpreter & in, const Value& self, const CallArguments& given) -> Value
#define UNUSED (void)in, (void)given

const std::map<std::string_view, Method>& string_methods() {
  static const std::map<std::string_view, Method> all = {{"strip", METHOD{UNUSED;
  return jinja_strip(self.text(), strip_set(given), true, true);
}
}  // namespace
, {"lstrip", METHOD{UNUSED;
return jinja_strip(self.text(), strip_set(given), true, false);
}  // namespace jevons::engine
}
, {"rstrip", METHOD{UNUSED;
return jinja_strip(self.text(), strip_set(given), false, true);
}
}
, {"split", METHOD{UNUSED;
return split(self, given, false);
}
}
, {"rsplit", METHOD{UNUSED;
return split(self, given, true);
}
}
, {"splitlines", METHOD{UNUSED;
return split_lines(self);
}
}
, {"startswith", METHOD{UNUSED;
return has_affix(self, given, true);
}
}
, {"endswith", METHOD{UNUSED;
return has_affix(self, given, false);
}
}
, {"upper", METHOD{UNUSED;
return jinja_map_ascii(self.text(), ascii_upper);
}
}
, {"lower", METHOD{UNUSED;
return jinja_map_ascii(self.text(), ascii_lower);
}
}
, {"capitalize", METHOD{UNUSED;
return capitalised(self.text());
}
}
, {"title", METHOD{UNUSED;
return titled(self.text());
}
}
, {"isdigit", METHOD{UNUSED;
return all_of_class(self.plain(), std::isdigit);
}
}
, {"isalpha", METHOD{UNUSED;
return all_of_class(self.plain(), std::isalpha);
}
}
, {"isalnum", METHOD{UNUSED;
return all_of_class(self.plain(), std::isalnum);
}
}
, {"isspace", METHOD{UNUSED;
return all_of_class(self.plain(), std::isspace);
}
}
, {"replace", METHOD{const Value* most = given.find(2, "count");
return in.checked(jinja_replace(self.text(), needed(given, 0, "replace").text(),
                                needed(given, 1, "replace").text(),
                                most == nullptr ? -1 : most->as_int()));
}
}
, {"find", METHOD{UNUSED;
const std::size_t at = self.plain().find(needed(given, 0, "find").plain());
if (at == std::string::npos) return -1;
return code_point_offsets(std::string_view(self.plain()).substr(0, at)).size() - 1;
}
}
, {"count", METHOD{UNUSED;
const std::string& wanted = needed(given, 0, "count").plain();
std::int64_t count = 0;
if (wanted.empty()) return self.length() + 1;
for (std::size_t at = 0; (at = self.plain().find(wanted, at)) != std::string::npos;
     at += wanted.size()) {
  ++count;
}
return count;
}
}
, {"join", METHOD{return in.apply_filter("join", needed(given, 0, "join"), {{self}, {}});
}
}
, {"format", METHOD{return in.checked(jinja_brace_format(self.text(), given));
}
}
, {"removeprefix", METHOD{UNUSED;
const std::string& affix = needed(given, 0, "removeprefix").plain();
return self.plain().starts_with(affix) ? self.text().substr(affix.size()) : self.text();
}
}
, {"removesuffix", METHOD{UNUSED;
const std::string& affix = needed(given, 0, "removesuffix").plain();
const bool there = !affix.empty() && self.plain().ends_with(affix);
return there ? self.text().substr(0, self.plain().size() - affix.size()) : self.text();
}
}
,
}
;
return all;
}

Value pop_item(const Value& self, const CallArguments& given) {
  auto& items = self.as_list().items;
  std::int64_t at = given.positional.empty() ? -1 : given.positional[0].as_int();
  if (at < 0) at += static_cast<std::int64_t>(items.size());
  if (at < 0 || at >= static_cast<std::int64_t>(items.size()))
    throw JinjaError("pop from an empty list");
  Value popped = items[static_cast<std::size_t>(at)];
  items.erase(items.begin() + at);
  return popped;
}

const std::map<std::string_view, Method>& list_methods() {
  static const std::map<std::string_view, Method> all = {{"append", METHOD{in.note_changed(self);
  self.as_list().items.push_back(needed(given, 0, "append"));
  return Value::None{};
}
}
, {"extend", METHOD{in.note_changed(self);
for (const Value& item : needed(given, 0, "extend").elements()) {
  in.count_step();
  self.as_list().items.push_back(item);
}
return Value::None{};
}
}
, {"insert", METHOD{in.note_changed(self);
auto& items = self.as_list().items;
const auto size = static_cast<std::int64_t>(items.size());
std::int64_t at = needed(given, 0, "insert").as_int();
at = std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size);
items.insert(items.begin() + at, needed(given, 1, "insert"));
return Value::None{};
}
}
, {"pop", METHOD{UNUSED;
return pop_item(self, given);
}
}
, {"index", METHOD{UNUSED;
const auto& items = self.as_list().items;
for (std::size_t i = 0; i < items.size(); ++i) {
  if (items[i].equals(needed(given, 0, "index"))) return i;
}
throw JinjaError("the value is not in the list");
}
}
, {"count", METHOD{UNUSED;
std::int64_t count = 0;
for (const Value& item : self.as_list().items) {
  count += item.equals(needed(given, 0, "count")) ? 1 : 0;
}
return count;
}
}
, {"copy", METHOD{UNUSED;
return Value::list(self.as_list().items);
}
}
,
}
;
return all;
}

const std::map<std::string_view, Method>& dict_methods() {
  static const std::map<std::string_view, Method> all = {{"items", METHOD{UNUSED;
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.as_dict().entries) {
    pairs.push_back(Value::tuple({key, value}));
  }
  return Value::list(std::move(pairs));
}
}
, {"keys", METHOD{UNUSED;
return Value::list(self.elements());
}
}
, {"values", METHOD{UNUSED;
std::vector<Value> values;
for (const auto& entry : self.as_dict().entries) values.push_back(entry.second);
return Value::list(std::move(values));
}
}
, {"get", METHOD{UNUSED;
const Value* found = self.as_dict().find(needed(given, 0, "get"));
const Value* fallback = given.find(1, "default");
if (found != nullptr) return *found;
return fallback != nullptr ? *fallback : Value(Value::None{});
}
}
, {"pop", METHOD{UNUSED;
auto& entries = self.as_dict().entries;
const Value& key = needed(given, 0, "pop");
for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
  if (!entry->first.equals(key)) continue;
  Value popped = entry->second;
  entries.erase(entry);
  return popped;
}
return needed(given, 1, "pop of a missing key");
}
}
, {"update", METHOD{in.note_changed(self);
if (!given.positional.empty()) {
  const auto entries = given.positional[0].as_dict().entries;
  for (const auto& [key, value] : entries) self.as_dict().set(key, value);
}
for (const auto& [key, value] : given.named) self.set(key, value);
return Value::None{};
}
}
, {"copy", METHOD{UNUSED;
const Value copy = Value::dict();
copy.as_dict().entries = self.as_dict().entries;
return copy;
}
}
,
}
;
return all;
}

#undef METHOD
#undef UNUSED

const std::map<std::string_view, Method>* methods_of(const Value& value) {
  if (value.is_string()) return &string_methods();
  if (value.is_list()) return &list_methods();
  if (value.is_dict() && !value.as_dict().is_namespace) return &dict_methods();
  return nullptr;
}

}  // namespace

bool has_jinja_method(const Value& value, std::string_view name) {
  const auto* methods = methods_of(value);
  return methods != nullptr && methods->contains(name);
}

bool jinja_method(JinjaInterpreter& interpreter, const Value& value, std::string_view name,
                  const CallArguments& arguments, Value& result) {
  if (!has_jinja_method(value, name)) return false;
  result = methods_of(value)->at(name)(interpreter, value, arguments);
  return true;
}

}  // namespace jevons::engine
