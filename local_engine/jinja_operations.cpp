// Operators, attributes and subscripts of template values, and the global functions.
#include <cmath>
#include <ctime>

#include "local_engine/jinja_interpreter.h"

namespace jevons::engine {
namespace {


[[noreturn]] void cannot(std::string_view operation, const Value& left, const Value& right) {
  for (const Value* side : {&left, &right}) {
    if (side->is_undefined()) throw JinjaError("'" + side->undefined_name() + "' is undefined");
  }
  throw JinjaError("cannot apply '" + std::string(operation) + "' to " + left.kind_name() +
                   " and " + right.kind_name());
}

Value integer_arithmetic(std::string_view operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (operation == "+")
    overflow = __builtin_add_overflow(a, b, &result);
  else if (operation == "-")
    overflow = __builtin_sub_overflow(a, b, &result);
  else if (operation == "*")
    overflow = __builtin_mul_overflow(a, b, &result);
  else {
    if (b == 0) throw JinjaError("division by zero");
    if (b == -1)
      return integer_arithmetic(operation == "//" ? "*" : "-", operation == "//" ? a : 0,
                                operation == "//" ? -1 : 0);
    // Python rounds towards minus infinity, and the remainder has the divisor's sign.
    const std::int64_t remainder = a % b;
    const bool adjust = remainder != 0 && (remainder < 0) != (b < 0);
    result = operation == "//" ? a / b - (adjust ? 1 : 0) : remainder + (adjust ? b : 0);
  }
  if (overflow) throw JinjaError("a number is too large");
  return result;
}

Value integer_power(std::int64_t base, std::int64_t exponent) {
  Value result = 1;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (i > 64 && base != 0 && base != 1 && base != -1) throw JinjaError("a number is too large");
    if (i > 64) return base == -1 && exponent % 2 != 0 ? -1 : base * base;
    result = integer_arithmetic("*", result.as_int(), base);
  }
  return result;
}

Value arithmetic(std::string_view operation, const Value& left, const Value& right) {
  const bool whole = !left.is_float() && !right.is_float();
  if (operation == "**" && whole && right.as_int() >= 0) {
    return integer_power(left.as_int(), right.as_int());
  }
  if (whole && operation != "/" && operation != "**") {
    return integer_arithmetic(operation, left.as_int(), right.as_int());
  }
  const double a = left.as_float(), b = right.as_float();
  if (operation == "+") return a + b;
  if (operation == "-") return a - b;
  if (operation == "*") return a * b;
  if (operation == "**") return std::pow(a, b);
  if (b == 0.0) throw JinjaError("division by zero");
  if (operation == "/") return a / b;
  if (operation == "//") return std::floor(a / b);
  return a - b * std::floor(a / b);
}

Value repeat(JinjaInterpreter& interpreter, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
  if (value.is_list()) {
    const auto& items = value.as_list().items;
    if (!items.empty() && count > kListMax / items.size())
      throw JinjaError("a list grows too long");
    std::vector<Value> out;
    for (std::size_t i = 0; i < count; ++i) out.insert(out.end(), items.begin(), items.end());
    return Value::list(std::move(out));
  }
  const std::size_t size = value.plain().size();
  if (size != 0 && count > interpreter.options().output_bytes_max / size) {
    throw JinjaError("a string grows too long");
  }
  MarkedText out;
  for (std::size_t i = 0; i < count && size != 0; ++i) out.append(value.text());
  return out;
}

Value add(JinjaInterpreter& interpreter, const Value& left, const Value& right) {
  if (left.is_string() && right.is_string()) {
    MarkedText out = left.text();
    out.append(right.text());
    return interpreter.checked(std::move(out));
  }
  if (!left.is_list() || !right.is_list()) cannot("+", left, right);
  std::vector<Value> items = left.as_list().items;
  const auto& more = right.as_list().items;
  if (items.size() + more.size() > kListMax) throw JinjaError("a list grows too long");
  items.insert(items.end(), more.begin(), more.end());
  return left.as_list().tuple ? Value::tuple(std::move(items)) : Value::list(std::move(items));
}

bool contains(const Value& container, const Value& item) {
  if (container.is_string()) return container.plain().find(item.plain()) != std::string::npos;
  if (container.is_dict()) return container.as_dict().find(item) != nullptr;
  for (const Value& element : container.elements()) {
    if (element.equals(item)) return true;
  }
  return false;
}

Value compare(std::string_view operation, const Value& left, const Value& right) {
  if (left.is_undefined() || right.is_undefined()) cannot(operation, left, right);
  if (operation == "<") return left.less(right);
  if (operation == ">") return right.less(left);
  if (operation == "<=") return !right.less(left);
  return !left.less(right);
}

std::string strftime_utc(const std::string& format, std::int64_t seconds) {
  if (format.size() > 200) throw JinjaError("the format of strftime_now is too long");
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[1024];
  // The space keeps an empty result apart from a failure.
  const std::size_t size = std::strftime(text, sizeof(text), (format + " ").c_str(), &parts);
  return size == 0 ? std::string() : std::string(text, size - 1);
}

Value range(const CallArguments& given) {
  const auto at = [&](std::size_t i) { return given.positional[i].as_int(); };
  const std::size_t count = given.positional.size();
  if (count < 1 || count > 3) throw JinjaError("range takes 1 to 3 numbers");
  const std::int64_t begin = count > 1 ? at(0) : 0, end = at(count > 1 ? 1 : 0);
  const std::int64_t step = count > 2 ? at(2) : 1;
  if (step == 0) throw JinjaError("the step of a range is zero");
  std::vector<Value> items;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (items.size() >= 100'000) throw JinjaError("a range is too long");
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::list(std::move(items));
}

// dict(a=1) and namespace(a=1), also from another dict.
Value make_dict(const CallArguments& given) {
  const Value made = Value::dict();
  if (!given.positional.empty()) {
    for (const auto& [key, value] : given.positional[0].as_dict().entries) {
      made.as_dict().set(key, value);
    }
  }
  for (const auto& [key, value] : given.named) made.set(key, value);
  return made;
}

}  // namespace

Value jinja_operate(JinjaInterpreter& interpreter, std::string_view operation, const Value& left,
                    const Value& right) {
  if (operation == "==") return left.equals(right);
  if (operation == "!=") return !left.equals(right);
  if (operation == "in") return contains(right, left);
  if (operation == "not in") return !contains(right, left);
  if (operation == "~") {
    MarkedText out = to_text(left);
    out.append(to_text(right));
    return interpreter.checked(std::move(out));
  }
  if (operation.find_first_of("<>") != std::string_view::npos)
    return compare(operation, left, right);
  if (left.is_number() && right.is_number()) return arithmetic(operation, left, right);
  if (operation == "+") return add(interpreter, left, right);
  const bool left_repeats = left.is_string() || left.is_list();
  if (operation == "*" && left_repeats && right.is_int())
    return repeat(interpreter, left, right.as_int());
  if (operation == "*" && left.is_int() && (right.is_string() || right.is_list())) {
    return repeat(interpreter, right, left.as_int());
  }
  if (operation == "%" && left.is_string()) {
    const bool several = right.is_list() && right.as_list().tuple;
    return jinja_percent_format(left.text(),
                                several ? right.as_list().items : std::vector<Value>{right});
  }
  cannot(operation, left, right);
}

Value jinja_attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) throw JinjaError("'" + value.undefined_name() + "' is undefined");
  if (value.is_dict()) {
    // Python finds a dict's methods before its entries; loops and namespaces have none.
    if (!value.as_dict().is_namespace && has_jinja_method(value, name)) {
      return std::make_shared<Callable>(Callable{name, [value, name](const CallArguments& given) {
                                                   Value result;
                                                   JinjaOptions options;
                                                   JinjaInterpreter interpreter(options);
                                                   jinja_method(interpreter, value, name, given,
                                                                result);
                                                   return result;
                                                 }});
    }
    if (const Value* found = value.get(name)) return *found;
  }
  return Value::undefined(std::string(value.kind_name()) + " object has no attribute '" + name +
                          "'");
}

Value jinja_subscript(const Value& value, const Value& key) {
  if (value.is_undefined()) throw JinjaError("'" + value.undefined_name() + "' is undefined");
  if (value.is_dict()) {
    if (const Value* found = value.as_dict().find(key)) return *found;
    return Value::undefined("dict object has no element " + to_repr(key).text());
  }
  const bool sequence = value.is_list() || value.is_string();
  if (!sequence || !(key.is_int() || key.is_bool())) {
    return Value::undefined(std::string(value.kind_name()) + " object has no element " +
                            to_repr(key).text());
  }
  const auto size = static_cast<std::int64_t>(value.length());
  const std::int64_t at = key.as_int() < 0 ? key.as_int() + size : key.as_int();
  if (at < 0 || at >= size) {
    return Value::undefined(std::string(value.kind_name()) + " object has no element " +
                            std::to_string(key.as_int()));
  }
  if (value.is_list()) return value.as_list().items[static_cast<std::size_t>(at)];
  const auto offsets = code_point_offsets(value.plain());
  const std::size_t begin = offsets[static_cast<std::size_t>(at)];
  return value.text().substr(begin, offsets[static_cast<std::size_t>(at) + 1] - begin);
}

void add_jinja_globals(JinjaScope& scope, JinjaInterpreter& interpreter) {
  const auto add_function = [&](const char* name, std::function<Value(const CallArguments&)> call) {
    scope.set(name, std::make_shared<Callable>(Callable{name, std::move(call)}));
  };
  add_function("range", range);
  add_function("dict", make_dict);
  add_function("namespace", [&interpreter](const CallArguments& given) {
    const Value made = make_dict(given);
    made.as_dict().is_namespace = true;
    interpreter.note_changed(made);
    return made;
  });
  add_function("raise_exception", [](const CallArguments& given) -> Value {
    const Value* message = given.find(0, "message");
    throw JinjaError(message != nullptr ? to_text(*message).text() : "it raised an exception");
  });
  add_function("strftime_now", [&interpreter](const CallArguments& given) -> Value {
    const Value* format = given.find(0, "format");
    if (format == nullptr) throw JinjaError("strftime_now needs a format");
    return MarkedText(strftime_utc(format->plain(), interpreter.options().now_seconds));
  });
}

}  // namespace jevons::engine
