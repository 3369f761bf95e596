// The expression grammar, from the loosest to the tightest binding as Jinja has it: if-else, or,
// and, not, comparisons, + -, ~, * / // %, **, unary; filters and tests bind to the last operand.
#include <array>
#include <charconv>

#include "local_engine/jinja_parser.h"

namespace jevons::engine {
namespace {

constexpr int kDepthMax = 150;

using Kind = Expression::Kind;

class ExpressionParser {
 public:
  explicit ExpressionParser(JinjaTokens& in) : in_(in) {}

  ExpressionPtr condition() {
    const Nesting nesting(*this);
    ExpressionPtr value = disjunction();
    while (in_.now().is_name("if")) {
      ExpressionPtr made = make(Kind::condition);
      in_.next();
      made->operands.push_back(std::move(value));
      made->operands.push_back(disjunction());
      made->operands.push_back(in_.take_name("else") ? condition() : nullptr);
      value = std::move(made);
    }
    return value;
  }

  ExpressionPtr disjunction() {
    ExpressionPtr left = conjunction();
    while (in_.now().is_name("or"))
      left = binary(std::move(left), "or", &ExpressionParser::conjunction);
    return left;
  }

  ExpressionPtr filters(ExpressionPtr operand) {
    for (bool first = operand == nullptr;; first = false) {
      if (!first && !in_.take("|")) return operand;
      ExpressionPtr made = make(Kind::filter);
      made->text = in_.expect_name();
      made->operands.push_back(std::move(operand));
      if (in_.take("(")) made->arguments = call_arguments();
      operand = std::move(made);
    }
  }

  ExpressionPtr tuple_of(ExpressionPtr first) {
    if (!in_.now().is(",")) return first;
    ExpressionPtr made = make(Kind::tuple);
    made->operands.push_back(std::move(first));
    while (in_.take(",")) {
      if (in_.now().kind == JinjaToken::Kind::block_end || in_.now().is(")")) break;
      made->operands.push_back(condition());
    }
    return made;
  }

 private:
  // Bounds recursion on a hostile template.
  struct Nesting {
    explicit Nesting(ExpressionParser& owner) : parser(owner) {
      if (++parser.depth_ > kDepthMax) parser.in_.fail("an expression is nested too deeply");
    }
    ~Nesting() { --parser.depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    ExpressionParser& parser;
  };

  ExpressionPtr make(Kind kind) const {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    made->line = in_.now().line;
    return made;
  }

  using Level = ExpressionPtr (ExpressionParser::*)();
  ExpressionPtr binary(ExpressionPtr left, std::string operation, Level right) {
    ExpressionPtr made = make(Kind::binary);
    in_.next();
    made->text = std::move(operation);
    made->operands.push_back(std::move(left));
    made->operands.push_back((this->*right)());
    return made;
  }

  ExpressionPtr conjunction() {
    ExpressionPtr left = negation();
    while (in_.now().is_name("and"))
      left = binary(std::move(left), "and", &ExpressionParser::negation);
    return left;
  }

  ExpressionPtr negation() {
    if (!in_.now().is_name("not")) return comparison();
    const Nesting nesting(*this);
    ExpressionPtr made = make(Kind::unary);
    in_.next();
    made->text = "not";
    made->operands.push_back(negation());
    return made;
  }

  // a < b < c means a < b and b < c; templates do not chain beyond evaluating each once.
  ExpressionPtr comparison() {
    ExpressionPtr left = sum();
    for (;;) {
      std::string operation;
      for (const std::string_view symbol : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (in_.now().is(symbol)) operation = symbol;
      }
      if (in_.now().is_name("in")) operation = "in";
      if (in_.now().is_name("not") && in_.after().is_name("in")) {
        in_.next();
        operation = "not in";
      }
      if (operation.empty()) return left;
      left = binary(std::move(left), operation, &ExpressionParser::sum);
    }
  }

  ExpressionPtr left_chain(std::initializer_list<std::string_view> symbols, Level tighter) {
    ExpressionPtr left = (this->*tighter)();
    for (;;) {
      std::string operation;
      for (const std::string_view symbol : symbols) {
        if (in_.now().is(symbol)) operation = symbol;
      }
      if (operation.empty()) return left;
      left = binary(std::move(left), operation, tighter);
    }
  }

  ExpressionPtr sum() { return left_chain({"+", "-"}, &ExpressionParser::concatenation); }
  ExpressionPtr concatenation() { return left_chain({"~"}, &ExpressionParser::product); }
  ExpressionPtr product() { return left_chain({"*", "/", "//", "%"}, &ExpressionParser::power); }
  ExpressionPtr power() { return left_chain({"**"}, &ExpressionParser::unary_filtered); }
  ExpressionPtr unary_filtered() { return unary(true); }

  ExpressionPtr unary(bool with_filters) {
    const Nesting nesting(*this);
    ExpressionPtr value;
    if (in_.now().is("-") || in_.now().is("+")) {
      value = make(Kind::unary);
      value->text = in_.next().text;
      value->operands.push_back(unary(false));
    } else {
      value = primary();
    }
    value = postfix(std::move(value));
    return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
  }

  ExpressionPtr filters_and_tests(ExpressionPtr value) {
    for (;;) {
      if (in_.now().is("|")) {
        value = filters(std::move(value));
      } else if (in_.now().is_name("is")) {
        value = test(std::move(value));
      } else if (in_.now().is("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr test(ExpressionPtr operand) {
    ExpressionPtr made = make(Kind::test);
    in_.next();
    const bool negated = in_.take_name("not");
    made->text = in_.expect_name();
    made->operands.push_back(std::move(operand));
    const JinjaToken& now = in_.now();
    const bool keyword = now.is_name("else") || now.is_name("or") || now.is_name("and") ||
                         now.is_name("is") || now.is_name("if") || now.is_name("in") ||
                         now.is_name("not");
    const bool begins_argument = (now.kind == JinjaToken::Kind::name && !keyword) ||
                                 now.kind == JinjaToken::Kind::string ||
                                 now.kind == JinjaToken::Kind::integer ||
                                 now.kind == JinjaToken::Kind::real || now.is("[") || now.is("{");
    if (in_.take("(")) {
      made->arguments = call_arguments();
    } else if (begins_argument) {
      made->arguments.push_back({"", postfix(primary())});
    }
    if (!negated) return made;
    ExpressionPtr inverse = make(Kind::unary);
    inverse->text = "not";
    inverse->operands.push_back(std::move(made));
    return inverse;
  }

  ExpressionPtr postfix(ExpressionPtr value) {
    for (;;) {
      if (in_.now().is(".")) {
        ExpressionPtr made = make(Kind::attribute);
        in_.next();
        const JinjaToken member = in_.next();
        if (member.kind == JinjaToken::Kind::integer) {
          made->kind = Kind::subscript;
          made->operands.push_back(std::move(value));
          made->operands.push_back(constant(integer(member.text)));
        } else {
          if (member.kind != JinjaToken::Kind::name) in_.fail("expected a name after '.'");
          made->text = member.text;
          made->operands.push_back(std::move(value));
        }
        value = std::move(made);
      } else if (in_.now().is("[")) {
        value = subscript(std::move(value));
      } else if (in_.now().is("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExpressionPtr call(ExpressionPtr callee) {
    ExpressionPtr made = make(Kind::call);
    in_.next();
    made->operands.push_back(std::move(callee));
    made->arguments = call_arguments();
    return made;
  }

  ExpressionPtr subscript(ExpressionPtr value) {
    ExpressionPtr made = make(Kind::subscript);
    in_.next();
    made->operands.push_back(std::move(value));
    made->operands.push_back(in_.now().is(":") ? nullptr : condition());
    while (in_.take(":")) {
      made->kind = Kind::slice;
      const bool open = in_.now().is(":") || in_.now().is("]");
      made->operands.push_back(open ? nullptr : condition());
    }
    made->operands.resize(made->kind == Kind::slice ? 4 : 2);
    in_.expect("]");
    return made;
  }

  // Behind "(", up to and with ")".
  std::vector<Argument> call_arguments() {
    std::vector<Argument> arguments;
    while (!in_.take(")")) {
      if (!arguments.empty()) {
        in_.expect(",");
        if (in_.take(")")) break;
      }
      Argument argument;
      if (in_.now().kind == JinjaToken::Kind::name && in_.after().is("=")) {
        argument.name = in_.next().text;
        in_.next();
      }
      argument.value = condition();
      arguments.push_back(std::move(argument));
    }
    return arguments;
  }

  ExpressionPtr constant(Value value) const {
    ExpressionPtr made = make(Kind::constant);
    made->value = std::move(value);
    return made;
  }

  Value integer(const std::string& text) const {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) in_.fail("a number is too large");
    return value;
  }

  // The lexer let only digits, a point and an exponent through.
  static double real(std::string_view text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  ExpressionPtr primary() {
    const JinjaToken token = in_.next();
    switch (token.kind) {
      case JinjaToken::Kind::integer:
        return constant(integer(token.text));
      case JinjaToken::Kind::real:
        return constant(real(token.text));
      case JinjaToken::Kind::string: {
        std::string text = token.text;  // adjacent literals are one string
        while (in_.now().kind == JinjaToken::Kind::string) text += in_.next().text;
        return constant(MarkedText(std::move(text)));
      }
      case JinjaToken::Kind::name:
        return name(token);
      default:
        break;
    }
    if (token.is("(")) return parenthesised();
    if (token.is("[")) return sequence(Kind::list, "]");
    if (token.is("{")) return dict();
    in_.fail("unexpected '" + token.text + "'");
  }

  ExpressionPtr name(const JinjaToken& token) const {
    if (token.text == "true" || token.text == "True") return constant(true);
    if (token.text == "false" || token.text == "False") return constant(false);
    if (token.text == "none" || token.text == "None") return constant(Value::None{});
    ExpressionPtr made = make(Kind::name);
    made->line = token.line;
    made->text = token.text;
    return made;
  }

  ExpressionPtr parenthesised() {
    if (in_.take(")")) return make(Kind::tuple);
    ExpressionPtr made = tuple_of(condition());
    in_.expect(")");
    return made;
  }

  ExpressionPtr sequence(Kind kind, std::string_view close) {
    ExpressionPtr made = make(kind);
    while (!in_.take(close)) {
      if (!made->operands.empty()) {
        in_.expect(",");
        if (in_.take(close)) break;
      }
      made->operands.push_back(condition());
    }
    return made;
  }

  ExpressionPtr dict() {
    ExpressionPtr made = make(Kind::dict);
    while (!in_.take("}")) {
      if (!made->operands.empty()) {
        in_.expect(",");
        if (in_.take("}")) break;
      }
      made->operands.push_back(condition());
      in_.expect(":");
      made->operands.push_back(condition());
    }
    return made;
  }

  JinjaTokens& in_;
  int depth_ = 0;
};

}  // namespace

ExpressionPtr parse_jinja_expression(JinjaTokens& tokens, bool tuple) {
  ExpressionParser parser(tokens);
  ExpressionPtr first = parser.condition();
  return tuple ? parser.tuple_of(std::move(first)) : std::move(first);
}

ExpressionPtr parse_jinja_expression_no_if(JinjaTokens& tokens) {
  ExpressionParser parser(tokens);
  return parser.tuple_of(parser.disjunction());
}

ExpressionPtr parse_jinja_filters(JinjaTokens& tokens, ExpressionPtr operand) {
  return ExpressionParser(tokens).filters(std::move(operand));
}

}  // namespace jevons::engine
