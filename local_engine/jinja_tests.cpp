// The tests of the template language: {{ x is defined }}.
#include <algorithm>
#include <map>

#include "local_engine/jinja_interpreter.h"

namespace jevons::engine {
namespace {

using Test = bool (*)(const Value&, const CallArguments&);

const Value& other(const CallArguments& given) {
  if (given.positional.empty()) throw JinjaError("a test needs a value to compare with");
  return given.positional[0];
}

bool has_case(const Value& self, char (*change)(char)) {
  const std::string& text = self.plain();
  const bool letters = std::any_of(text.begin(), text.end(),
                                   [](char c) { return ascii_lower(c) != ascii_upper(c); });
  return letters && std::all_of(text.begin(), text.end(), [&](char c) { return change(c) == c; });
}

bool divisible(const Value& self, std::int64_t by) {
  if (by == 0) throw JinjaError("division by zero");
  return by == -1 || self.as_int() % by == 0;
}

bool contained(const Value& item, const Value& container) {
  const JinjaOptions options;
  JinjaInterpreter interpreter(options);
  return jinja_operate(interpreter, "in", item, container).truthy();
}

#define TEST [](const Value& self, const CallArguments& given) -> bool
#define UNUSED (void)given

const std::map<std::string_view, Test>& tests() {
  static const std::map<std::string_view, Test> all = {{"boolean", TEST{UNUSED;
  return self.is_bool();
}
}  // namespace
, {"callable", TEST{UNUSED;
return self.is_callable();
}  // namespace jevons::engine
}
, {"defined", TEST{UNUSED;
return !self.is_undefined();
}
}
, {"divisibleby", TEST{return divisible(self, other(given).as_int());
}
}
, {"eq", TEST{return self.equals(other(given));
}
}
, {"equalto", TEST{return self.equals(other(given));
}
}
, {"==", TEST{return self.equals(other(given));
}
}
, {"even", TEST{UNUSED;
return divisible(self, 2);
}
}
, {"false", TEST{UNUSED;
return self.is_bool() && !self.truthy();
}
}
, {"float", TEST{UNUSED;
return self.is_float();
}
}
, {"ge", TEST{return !self.less(other(given));
}
}
, {"gt", TEST{return other(given).less(self);
}
}
, {"greaterthan", TEST{return other(given).less(self);
}
}
, {"in", TEST{return contained(self, other(given));
}
}
, {"integer", TEST{UNUSED;
return self.is_int();
}
}
, {"iterable", TEST{UNUSED;
return self.is_list() || self.is_dict() || self.is_string() || self.is_undefined();
}
}
, {"le", TEST{return !other(given).less(self);
}
}
, {"lessthan", TEST{return self.less(other(given));
}
}
, {"lower", TEST{UNUSED;
return has_case(self, ascii_lower);
}
}
, {"lt", TEST{return self.less(other(given));
}
}
, {"mapping", TEST{UNUSED;
return self.is_dict();
}
}
, {"ne", TEST{return !self.equals(other(given));
}
}
, {"none", TEST{UNUSED;
return self.is_none();
}
}
, {"number", TEST{UNUSED;
return self.is_number();
}
}
, {"odd", TEST{UNUSED;
return !divisible(self, 2);
}
}
, {"sameas", TEST{return self.same(other(given));
}
}
, {"sequence", TEST{UNUSED;
return self.is_list() || self.is_dict() || self.is_string() || self.is_undefined();
}
}
, {"string", TEST{UNUSED;
return self.is_string();
}
}
, {"true", TEST{UNUSED;
return self.is_bool() && self.truthy();
}
}
, {"undefined", TEST{UNUSED;
return self.is_undefined();
}
}
, {"upper", TEST{UNUSED;
return has_case(self, ascii_upper);
}
}
,
}
;
return all;
}

#undef TEST
#undef UNUSED

}  // namespace

bool JinjaInterpreter::apply_test(std::string_view name, const Value& operand,
                                  const CallArguments& arguments) {
  const auto found = tests().find(name);
  if (found == tests().end()) {
    throw JinjaError("the test '" + std::string(name) + "' is not supported");
  }
  return found->second(operand, arguments);
}

}  // namespace jevons::engine
