// Values of the template language: Python's, as far as chat templates use them. Every string knows
// which of its bytes a user wrote, through all operations, so that what is rendered can be handed
// to the tokenizer without letting a user speak special tokens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace jevons::engine {

// Ends a rendering; caught in JinjaTemplate, never seen outside.
class JinjaError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// What no list and no string may outgrow, whatever a rendering allows itself.
inline constexpr std::size_t kListMax = 1'000'000;
inline constexpr std::size_t kTextMax = 16 << 20;

class MarkedText {
 public:
  MarkedText() = default;
  MarkedText(std::string text) : text_(std::move(text)) {}  // trusted
  MarkedText(std::string_view text) : text_(text) {}
  MarkedText(const char* text) : text_(text) {}
  static MarkedText from_user(std::string text);

  const std::string& text() const { return text_; }
  std::size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }
  bool any_user() const { return !user_.empty(); }
  bool is_user(std::size_t byte) const { return !user_.empty() && user_[byte] != 0; }

  // Both throw beyond kTextMax.
  void append(const MarkedText& other);
  void append(std::string_view text, bool user);
  MarkedText substr(std::size_t begin, std::size_t size = std::string::npos) const;

 private:
  std::string text_;
  std::string user_;  // empty: all trusted; else one byte a byte of text, 1 for a user's
};

class Value;
struct List;
struct Dict;
struct Callable;

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The positional argument `index`, else the named one, else null.
  const Value* find(std::size_t index, std::string_view name) const;
};

// Cheap to copy: strings, lists and dicts are shared, as in Python.
class Value {
 public:
  struct Undefined {
    std::string name;
  };
  struct None {};

  Value() : data_(Undefined{}) {}
  Value(None) : data_(None{}) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(int value) : data_(std::int64_t{value}) {}
  Value(std::size_t value) : data_(static_cast<std::int64_t>(value)) {}
  Value(double value) : data_(value) {}
  Value(MarkedText text) : data_(std::make_shared<const MarkedText>(std::move(text))) {}
  Value(const char* text) : Value(MarkedText(text)) {}
  Value(std::shared_ptr<List> list) : data_(std::move(list)) {}
  Value(std::shared_ptr<Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Callable> callable) : data_(std::move(callable)) {}
  static Value undefined(std::string name) {
    Value made;
    made.data_ = Undefined{std::move(name)};
    return made;
  }
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value dict();
  static Value user_text(std::string text) { return MarkedText::from_user(std::move(text)); }

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_int() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_float() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_bool() || is_int() || is_float(); }
  bool is_string() const { return std::holds_alternative<StringPtr>(data_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<List>>(data_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<Dict>>(data_); }
  bool is_callable() const { return std::holds_alternative<std::shared_ptr<Callable>>(data_); }

  // Each throws a JinjaError where the value is of another kind.
  const MarkedText& text() const;
  const std::string& plain() const { return text().text(); }
  List& as_list() const;
  Dict& as_dict() const;
  Callable& as_callable() const;
  std::int64_t as_int() const;  // bool counts as 0 and 1
  double as_float() const;
  const std::string& undefined_name() const { return std::get<Undefined>(data_).name; }

  bool truthy() const;
  // Python's ==: 1 == 1.0 == True, containers by content.
  bool equals(const Value& other) const;
  // Python's <, for numbers, strings and lists of them.
  bool less(const Value& other) const;
  const char* kind_name() const;  // as Python calls it: "str", "dict"
  // The same object, not an equal one (jinja's sameas).
  bool same(const Value& other) const;

  void set(std::string_view key, Value value) const;  // of a dict
  const Value* get(std::string_view key) const;       // of a dict; null if absent
  std::size_t length() const;                         // len()
  std::vector<Value> elements() const;                // what iterating yields

 private:
  using StringPtr = std::shared_ptr<const MarkedText>;
  std::variant<Undefined, None, bool, std::int64_t, double, StringPtr, std::shared_ptr<List>,
               std::shared_ptr<Dict>, std::shared_ptr<Callable>>
      data_;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
};

// Keeps insertion order. Keys are strings almost always; others compare by ==.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  bool is_namespace = false;  // attributes may be set by {% set ns.x = ... %}

  const Value* find(const Value& key) const;
  void set(const Value& key, Value value);
};

struct Callable {
  std::string name;
  std::function<Value(const CallArguments&)> call;
};

// str() and repr() of Python.
MarkedText to_text(const Value& value);
MarkedText to_repr(const Value& value);

struct JsonStyle {
  int indent = -1;  // below zero: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
  bool ensure_ascii = false;
};
// json.dumps of Python.
MarkedText to_json(const Value& value, const JsonStyle& style);
std::string python_float(double value);

// Code points of Python strings: bytes before each, and the total at the end.
std::vector<std::size_t> code_point_offsets(std::string_view text);

}  // namespace jevons::engine
