#include "local_engine/jinja_interpreter.h"

#include <algorithm>
#include "local_engine/jinja_parser.h"

namespace jevons::engine {
namespace {

constexpr int kDepthMax = 1500;  // nested evaluations: bounds the machine stack

}  // namespace

// Counts nesting of evaluation, through macros too.
class JinjaDepth {
 public:
  explicit JinjaDepth(JinjaInterpreter& interpreter) : interpreter_(interpreter) {
    if (++interpreter_.depth_ > kDepthMax) {
      --interpreter_.depth_;
      throw JinjaError("the template recurses too deeply");
    }
  }
  ~JinjaDepth() { --interpreter_.depth_; }
  JinjaDepth(const JinjaDepth&) = delete;
  JinjaDepth& operator=(const JinjaDepth&) = delete;

 private:
  JinjaInterpreter& interpreter_;
};

const Value* JinjaScope::find(std::string_view name) const {
  for (const JinjaScope* scope = this; scope != nullptr; scope = scope->parent.get()) {
    for (const auto& [key, value] : scope->variables) {
      if (key == name) return &value;
    }
  }
  return nullptr;
}

void JinjaScope::set(std::string_view name, Value value) {
  for (auto& [key, old] : variables) {
    if (key == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

void JinjaInterpreter::check(const MarkedText& text) const {
  if (text.size() > options_.output_bytes_max) throw JinjaError("a string grows too long");
}

MarkedText JinjaInterpreter::checked(MarkedText text) const {
  check(text);
  return text;
}

void JinjaInterpreter::count_step() {
  if (++steps_ > options_.steps_max) throw JinjaError("the template runs too long");
}

void JinjaInterpreter::append(MarkedText& out, const MarkedText& text) const {
  if (out.size() + text.size() > options_.output_bytes_max) {
    throw JinjaError("the rendered text grows too long");
  }
  out.append(text);
}

JinjaInterpreter::~JinjaInterpreter() {
  for (const Value& container : changed_) {
    if (container.is_list())
      container.as_list().items.clear();
    else if (container.is_dict())
      container.as_dict().entries.clear();
  }
}

MarkedText JinjaInterpreter::run(const Block& block, const Value& context) {
  auto globals = std::make_shared<JinjaScope>();
  add_jinja_globals(*globals, *this);
  for (const auto& [key, value] : context.as_dict().entries) globals->set(key.plain(), value);
  auto scope = std::make_shared<JinjaScope>();
  scope->parent = std::move(globals);
  MarkedText out;
  execute(block, scope, out);
  return out;
}

JinjaInterpreter::Flow JinjaInterpreter::execute(const Block& block, const JinjaScopePtr& scope,
                                                 MarkedText& out) {
  const JinjaDepth depth(*this);
  for (const Statement& statement : block) {
    count_step();
    const Flow flow = execute_one(statement, scope, out);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

JinjaInterpreter::Flow JinjaInterpreter::execute_one(const Statement& statement,
                                                     const JinjaScopePtr& scope, MarkedText& out) {
  using Kind = Statement::Kind;
  const auto filtered = [&](const MarkedText& text) {
    if (statement.expression == nullptr) return text;
    auto inner = std::make_shared<JinjaScope>();
    inner->parent = scope;
    inner->set("", text);  // where filters without an operand look
    return to_text(evaluate(*statement.expression, inner));
  };
  switch (statement.kind) {
    case Kind::text:
      append(out, statement.text);
      break;
    case Kind::output:
      append(out, to_text(evaluate(*statement.expression, scope)));
      break;
    case Kind::branch:
      return execute(
          evaluate(*statement.expression, scope).truthy() ? statement.body : statement.otherwise,
          scope, out);
    case Kind::loop:
      execute_loop(statement, scope, out);
      break;
    case Kind::assign:
      execute_assign(statement, scope);
      break;
    case Kind::assign_block:
      scope->set(statement.targets[0], filtered(rendered(statement.body, scope)));
      break;
    case Kind::macro:
      scope->set(statement.text, make_macro(statement, scope, statement.text));
      break;
    case Kind::call_block:
      execute_call_block(statement, scope, out);
      break;
    case Kind::filter_block:
      append(out, filtered(rendered(statement.body, scope)));
      break;
    case Kind::scope:
      append(out, rendered(statement.body, scope));
      break;
    case Kind::leave_loop:
      return Flow::leave;
    case Kind::next_turn:
      return Flow::next;
  }
  return Flow::normal;
}

MarkedText JinjaInterpreter::rendered(const Block& block, const JinjaScopePtr& scope) {
  auto inner = std::make_shared<JinjaScope>();
  inner->parent = scope;
  MarkedText out;
  execute(block, inner, out);
  return out;
}

namespace {

void bind_targets(JinjaScope& scope, const std::vector<std::string>& targets, const Value& value) {
  if (targets.size() == 1) return scope.set(targets[0], value);
  const std::vector<Value> parts = value.elements();
  if (parts.size() != targets.size()) {
    throw JinjaError("expected " + std::to_string(targets.size()) + " values to unpack, not " +
                     std::to_string(parts.size()));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) scope.set(targets[i], parts[i]);
}

// The `loop` variable for turn `i`.
Value loop_state(const std::vector<Value>& items, std::size_t i) {
  const Value state = Value::dict();
  auto& entries = state.as_dict().entries;
  const std::size_t count = items.size();
  entries.reserve(11);
  entries.emplace_back("index0", i);
  entries.emplace_back("index", i + 1);
  entries.emplace_back("first", i == 0);
  entries.emplace_back("last", i + 1 == count);
  entries.emplace_back("length", count);
  entries.emplace_back("revindex", count - i);
  entries.emplace_back("revindex0", count - i - 1);
  if (i > 0) entries.emplace_back("previtem", items[i - 1]);
  if (i + 1 < count) entries.emplace_back("nextitem", items[i + 1]);
  Callable cycle{"cycle", [i](const CallArguments& given) {
                   if (given.positional.empty()) throw JinjaError("cycle needs a value");
                   return given.positional[i % given.positional.size()];
                 }};
  entries.emplace_back("cycle", std::make_shared<Callable>(std::move(cycle)));
  return state;
}

}  // namespace

void JinjaInterpreter::execute_loop(const Statement& statement, const JinjaScopePtr& scope,
                                    MarkedText& out) {
  std::vector<Value> items = evaluate(*statement.expression, scope).elements();
  const auto fresh = [&] {
    auto inner = std::make_shared<JinjaScope>();
    inner->parent = scope;
    return inner;
  };
  if (statement.filter != nullptr) {
    std::vector<Value> kept;
    for (Value& item : items) {
      const JinjaScopePtr inner = fresh();
      bind_targets(*inner, statement.targets, item);
      if (evaluate(*statement.filter, inner).truthy()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  if (items.empty()) {
    append(out, rendered(statement.otherwise, scope));
    return;
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    const JinjaScopePtr inner = fresh();
    inner->set("loop", loop_state(items, i));
    bind_targets(*inner, statement.targets, items[i]);
    const Flow flow = execute(statement.body, inner, out);
    if (flow == Flow::leave) break;
  }
}

void JinjaInterpreter::execute_assign(const Statement& statement, const JinjaScopePtr& scope) {
  const Value value = evaluate(*statement.expression, scope);
  if (statement.text.empty()) return bind_targets(*scope, statement.targets, value);
  const Value* target = scope->find(statement.text);
  if (target == nullptr || !target->is_dict() || !target->as_dict().is_namespace) {
    throw JinjaError("only a namespace can be given attributes, '" + statement.text + "' is none");
  }
  target->set(statement.targets[0], value);
}

void JinjaInterpreter::execute_call_block(const Statement& statement, const JinjaScopePtr& scope,
                                          MarkedText& out) {
  const Expression& call = *statement.expression;
  CallArguments arguments = evaluate_arguments(call.arguments, scope);
  arguments.named.emplace_back("caller", make_macro(statement, scope, "caller"));
  const Value callee = evaluate(*call.operands[0], scope);
  append(out, to_text(callee.as_callable().call(arguments)));
}

// The statement outlives the value: both live as long as the rendering. The scope is held weakly by
// macros kept in that scope itself, or it would never be freed.
Value JinjaInterpreter::make_macro(const Statement& statement, const JinjaScopePtr& scope,
                                   std::string name) {
  Callable macro{std::move(name),
                 [this, &statement, weak = std::weak_ptr(scope)](const CallArguments& given) {
                   const JinjaScopePtr definition = weak.lock();
                   if (definition == nullptr) throw JinjaError("a macro left its block");
                   return Value(run_macro(statement, definition, given));
                 }};
  return std::make_shared<Callable>(std::move(macro));
}

MarkedText JinjaInterpreter::run_macro(const Statement& statement, const JinjaScopePtr& definition,
                                       const CallArguments& given) {
  const JinjaDepth depth(*this);
  auto scope = std::make_shared<JinjaScope>();
  scope->parent = definition;
  const auto& parameters = statement.parameters;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    if (const Value* value = given.find(i, parameter.name))
      scope->set(parameter.name, *value);
    else if (parameter.fallback != nullptr)
      scope->set(parameter.name, evaluate(*parameter.fallback, scope));
    else
      scope->set(parameter.name, Value::undefined(parameter.name));
  }
  if (const Value* caller = given.find(SIZE_MAX, "caller")) scope->set("caller", *caller);
  std::vector<Value> rest;
  for (std::size_t i = parameters.size(); i < given.positional.size(); ++i) {
    rest.push_back(given.positional[i]);
  }
  scope->set("varargs", Value::tuple(std::move(rest)));
  const Value named = Value::dict();
  for (const auto& [name, value] : given.named) {
    const bool known =
        std::any_of(parameters.begin(), parameters.end(),
                    [&, &name = name](const Parameter& p) { return p.name == name; });
    if (!known && name != "caller") named.set(name, value);
  }
  scope->set("kwargs", named);
  MarkedText out;
  execute(statement.body, scope, out);
  return out;
}

CallArguments JinjaInterpreter::evaluate_arguments(const std::vector<Argument>& arguments,
                                                   const JinjaScopePtr& scope) {
  CallArguments out;
  for (const Argument& argument : arguments) {
    Value value = evaluate(*argument.value, scope);
    if (argument.name.empty())
      out.positional.push_back(std::move(value));
    else
      out.named.emplace_back(argument.name, std::move(value));
  }
  return out;
}

Value JinjaInterpreter::evaluate_dict(const Expression& expression, const JinjaScopePtr& scope) {
  const Value made = Value::dict();
  for (std::size_t i = 0; i + 1 < expression.operands.size(); i += 2) {
    made.as_dict().set(evaluate(*expression.operands[i], scope),
                       evaluate(*expression.operands[i + 1], scope));
  }
  return made;
}

Value JinjaInterpreter::evaluate_binary(const Expression& expression, const JinjaScopePtr& scope) {
  const Value left = evaluate(*expression.operands[0], scope);
  if (expression.text == "and" && !left.truthy()) return left;
  if (expression.text == "or" && left.truthy()) return left;
  Value right = evaluate(*expression.operands[1], scope);
  if (expression.text == "and" || expression.text == "or") return right;
  return jinja_operate(*this, expression.text, left, right);
}

Value JinjaInterpreter::evaluate_call(const Expression& expression, const JinjaScopePtr& scope) {
  const Expression& callee = *expression.operands[0];
  const CallArguments arguments = evaluate_arguments(expression.arguments, scope);
  if (callee.kind == Expression::Kind::attribute) {
    const Value object = evaluate(*callee.operands[0], scope);
    Value result;
    if (jinja_method(*this, object, callee.text, arguments, result)) return result;
    const Value member = jinja_attribute(object, callee.text);
    if (!member.is_callable()) {
      throw JinjaError(std::string(object.kind_name()) + " has no method '" + callee.text + "'");
    }
    return member.as_callable().call(arguments);
  }
  const Value function = evaluate(callee, scope);
  return function.as_callable().call(arguments);
}

Value JinjaInterpreter::evaluate_slice(const Expression& expression, const JinjaScopePtr& scope) {
  const Value value = evaluate(*expression.operands[0], scope);
  const auto size = static_cast<std::int64_t>(value.length());
  const auto bound = [&](std::size_t operand, std::int64_t fallback) {
    if (expression.operands[operand] == nullptr) return fallback;
    const Value given = evaluate(*expression.operands[operand], scope);
    return given.is_none() ? fallback : given.as_int();
  };
  const std::int64_t step = bound(3, 1);
  if (step == 0) throw JinjaError("a slice step is zero");
  const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto place = [&](std::size_t operand, std::int64_t fallback) {
    if (expression.operands[operand] == nullptr) return fallback;
    std::int64_t at = bound(operand, fallback);
    if (at < 0 && at >= -size)
      at += size;
    else if (at < 0)
      at = low;
    return std::clamp(at, low, high);
  };
  const std::int64_t begin = place(1, step > 0 ? 0 : size - 1);
  const std::int64_t end = place(2, step > 0 ? size : -1);
  const std::vector<Value> items = value.elements();
  std::vector<Value> kept;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end; i += step) {
    kept.push_back(items[static_cast<std::size_t>(i)]);
    if (step > size || step < -size) break;
  }
  if (!value.is_string()) {
    return value.is_list() && value.as_list().tuple ? Value::tuple(kept) : Value::list(kept);
  }
  MarkedText text;
  for (const Value& item : kept) text.append(item.text());
  return text;
}

Value JinjaInterpreter::evaluate(const Expression& expression, const JinjaScopePtr& scope) {
  using Kind = Expression::Kind;
  const JinjaDepth depth(*this);
  count_step();
  const auto operand = [&](std::size_t i) { return evaluate(*expression.operands[i], scope); };
  switch (expression.kind) {
    case Kind::constant:
      return expression.value;
    case Kind::name: {
      const Value* found = scope->find(expression.text);
      return found != nullptr ? *found : Value::undefined(expression.text);
    }
    case Kind::list:
    case Kind::tuple: {
      std::vector<Value> items;
      for (std::size_t i = 0; i < expression.operands.size(); ++i) items.push_back(operand(i));
      return expression.kind == Kind::list ? Value::list(std::move(items))
                                           : Value::tuple(std::move(items));
    }
    case Kind::dict:
      return evaluate_dict(expression, scope);
    case Kind::attribute:
      return jinja_attribute(operand(0), expression.text);
    case Kind::subscript:
      return jinja_subscript(operand(0), operand(1));
    case Kind::slice:
      return evaluate_slice(expression, scope);
    case Kind::call:
      return evaluate_call(expression, scope);
    case Kind::filter: {
      const Value value = expression.operands[0] != nullptr ? operand(0) : *scope->find("");
      return apply_filter(expression.text, value, evaluate_arguments(expression.arguments, scope));
    }
    case Kind::test:
      return apply_test(expression.text, operand(0),
                        evaluate_arguments(expression.arguments, scope));
    case Kind::unary: {
      const Value value = operand(0);
      if (expression.text == "not") return !value.truthy();
      if (value.is_float()) return expression.text == "-" ? -value.as_float() : value.as_float();
      return jinja_operate(*this, expression.text, 0, value);
    }
    case Kind::binary:
      return evaluate_binary(expression, scope);
    case Kind::condition:
      if (operand(1).truthy()) return operand(0);
      return expression.operands[2] != nullptr ? operand(2) : Value::undefined("the value");
  }
  return {};
}

EngineResult<JinjaTemplate> JinjaTemplate::compile(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return EngineError(EngineFault::unsupported, "the chat template is longer than 1 MiB");
  }
  try {
    JinjaTemplate made;
    made.block_ = std::make_shared<const Block>(parse_jinja(source));
    return made;
  } catch (const std::exception& error) {
    return EngineError(EngineFault::unsupported, std::string("chat template: ") + error.what());
  }
}

EngineResult<MarkedText> JinjaTemplate::render(const Value& context,
                                               const JinjaOptions& options) const {
  try {
    return JinjaInterpreter(options).run(*block_, context);
  } catch (const std::exception& error) {
    return EngineError(EngineFault::invalid_input, std::string("chat template: ") + error.what());
  }
}

}  // namespace jevons::engine
