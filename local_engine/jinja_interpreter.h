// Runs parsed templates. Internal to the Jinja files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local_engine/jinja.h"
#include "local_engine/jinja_ast.h"

namespace jevons::engine {

// Variables of a block; macros keep the scope they were defined in alive.
struct JinjaScope {
  std::shared_ptr<JinjaScope> parent;
  std::vector<std::pair<std::string, Value>> variables;

  const Value* find(std::string_view name) const;
  void set(std::string_view name, Value value);
};
using JinjaScopePtr = std::shared_ptr<JinjaScope>;

class JinjaInterpreter {
 public:
  explicit JinjaInterpreter(const JinjaOptions& options) : options_(options) {}
  // Empties every container the template changed: one may hold itself and would never be freed.
  ~JinjaInterpreter();
  JinjaInterpreter(const JinjaInterpreter&) = delete;
  JinjaInterpreter& operator=(const JinjaInterpreter&) = delete;
  // To be called with each list or dict that is changed after it was made.
  void note_changed(const Value& container) { changed_.push_back(container); }

  MarkedText run(const Block& block, const Value& context);

  Value evaluate(const Expression& expression, const JinjaScopePtr& scope);
  // By name, also from map, select and their kin.
  Value apply_filter(std::string_view name, const Value& operand, const CallArguments& arguments);
  bool apply_test(std::string_view name, const Value& operand, const CallArguments& arguments);

  // Refuse strings that outgrow the limit.
  void check(const MarkedText& text) const;
  MarkedText checked(MarkedText text) const;
  void count_step();
  const JinjaOptions& options() const { return options_; }

 private:
  enum class Flow { normal, leave, next };
  friend class JinjaDepth;

  Flow execute(const Block& block, const JinjaScopePtr& scope, MarkedText& out);
  Flow execute_one(const Statement& statement, const JinjaScopePtr& scope, MarkedText& out);
  void execute_loop(const Statement& statement, const JinjaScopePtr& scope, MarkedText& out);
  void execute_assign(const Statement& statement, const JinjaScopePtr& scope);
  void execute_call_block(const Statement& statement, const JinjaScopePtr& scope, MarkedText& out);
  MarkedText rendered(const Block& block, const JinjaScopePtr& scope);
  Value make_macro(const Statement& statement, const JinjaScopePtr& scope, std::string name);
  MarkedText run_macro(const Statement& statement, const JinjaScopePtr& definition,
                       const CallArguments& given);
  void append(MarkedText& out, const MarkedText& text) const;

  Value evaluate_binary(const Expression& expression, const JinjaScopePtr& scope);
  Value evaluate_call(const Expression& expression, const JinjaScopePtr& scope);
  Value evaluate_slice(const Expression& expression, const JinjaScopePtr& scope);
  Value evaluate_dict(const Expression& expression, const JinjaScopePtr& scope);
  CallArguments evaluate_arguments(const std::vector<Argument>& arguments,
                                   const JinjaScopePtr& scope);

  const JinjaOptions& options_;
  std::uint64_t steps_ = 0;
  int depth_ = 0;
  std::vector<Value> changed_;
};

// The functions every template may call; `interpreter` outlives them.
void add_jinja_globals(JinjaScope& scope, JinjaInterpreter& interpreter);

// value.name of a template: the method, else the entry, else undefined.
Value jinja_attribute(const Value& value, const std::string& name);
// value[key].
Value jinja_subscript(const Value& value, const Value& key);
// value.name(arguments) for Python's own methods; false where there is none of that name.
bool jinja_method(JinjaInterpreter& interpreter, const Value& value, std::string_view name,
                  const CallArguments& arguments, Value& result);
// Whether value has a built-in method of that name.
bool has_jinja_method(const Value& value, std::string_view name);
// a <operation> b, without "and" and "or".
Value jinja_operate(JinjaInterpreter& interpreter, std::string_view operation, const Value& left,
                    const Value& right);
// "%s and %d" % (a, b), and "{} {name}".format(...).
MarkedText jinja_percent_format(const MarkedText& format, const std::vector<Value>& values);
MarkedText jinja_brace_format(const MarkedText& format, const CallArguments& arguments);

MarkedText jinja_strip(const MarkedText& text, std::string_view characters, bool left, bool right);
MarkedText jinja_replace(const MarkedText& text, const MarkedText& from, const MarkedText& to,
                         std::int64_t count);
MarkedText jinja_map_ascii(const MarkedText& text, char (*change)(char));
char ascii_lower(char c);
char ascii_upper(char c);

}  // namespace jevons::engine
