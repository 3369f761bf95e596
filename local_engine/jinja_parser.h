// Parses a template into statements. Internal to the Jinja files.
#pragma once

#include <string_view>

#include "local_engine/jinja_ast.h"
#include "local_engine/jinja_lexer.h"

namespace jevons::engine {

// Throws JinjaError with the line.
Block parse_jinja(std::string_view source);

// The tokens of a template with a position; shared by the statement and the expression parser.
class JinjaTokens {
 public:
  explicit JinjaTokens(std::vector<JinjaToken> tokens) : tokens_(std::move(tokens)) {}

  const JinjaToken& now() const { return tokens_[at_]; }
  const JinjaToken& after() const { return tokens_[at_ + (at_ + 1 < tokens_.size() ? 1 : 0)]; }
  JinjaToken next() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool take(std::string_view symbol);
  bool take_name(std::string_view name);
  void expect(std::string_view symbol);
  std::string expect_name();
  [[noreturn]] void fail(const std::string& what) const;

 private:
  std::vector<JinjaToken> tokens_;
  std::size_t at_ = 0;
};

// An expression without a bare tuple; with one where `tuple` is set ({% for x in a, b %}).
ExpressionPtr parse_jinja_expression(JinjaTokens& tokens, bool tuple = false);
// The same without "if ... else", which {% for x in y if z %} needs.
ExpressionPtr parse_jinja_expression_no_if(JinjaTokens& tokens);
// name(arguments) chains behind a bar: "upper | trim". The first one has no operand.
ExpressionPtr parse_jinja_filters(JinjaTokens& tokens, ExpressionPtr operand);

}  // namespace jevons::engine
