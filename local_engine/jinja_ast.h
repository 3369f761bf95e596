// The parsed form of a template. Internal to the Jinja files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "local_engine/jinja_value.h"

namespace jevons::engine {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Argument {
  std::string name;  // empty: positional
  ExpressionPtr value;
};

struct Expression {
  enum class Kind : std::uint8_t {
    constant,  // value
    name,      // text
    list,
    tuple,      // operands
    dict,       // operands: key, value, key, value ...
    attribute,  // operands[0] . text
    subscript,  // operands[0] [ operands[1] ]
    slice,      // operands[0] [ 1 : 2 : 3 ], each may be null
    call,       // operands[0] ( arguments )
    filter,     // operands[0] | text ( arguments ); operands[0] null inside {% filter %}
    test,       // operands[0] is text ( arguments )
    unary,      // text is "not", "-" or "+"
    binary,     // text is the operator, also "and", "or", "~", "in", "not in"
    condition,  // operands: then, condition, else (may be null)
  };
  Kind kind = Kind::constant;
  std::uint32_t line = 0;
  std::string text;
  Value value;
  std::vector<ExpressionPtr> operands;
  std::vector<Argument> arguments;
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: none
};

struct Statement {
  enum class Kind : std::uint8_t {
    text,          // text
    output,        // expression
    branch,        // expression, body, otherwise
    loop,          // targets in expression [if filter]: body, else otherwise
    assign,        // targets = expression, or text.targets[0] = expression for a namespace
    assign_block,  // targets[0] = rendered body, through expression (a filter) if set
    macro,         // text(parameters): body
    call_block,    // expression is the call; parameters and body are the caller
    filter_block,  // body through expression
    scope,         // body in a scope of its own ({% generation %}, {% with %} with targets)
    leave_loop,    // break
    next_turn,     // continue
  };
  Kind kind = Kind::text;
  std::uint32_t line = 0;
  std::string text;
  std::vector<std::string> targets;
  ExpressionPtr expression;
  ExpressionPtr filter;
  std::vector<Parameter> parameters;
  Block body;
  Block otherwise;
};

}  // namespace jevons::engine
