#include "local_engine/jinja_parser.h"

#include <algorithm>
#include <initializer_list>

namespace jevons::engine {

bool JinjaTokens::take(std::string_view symbol) {
  const bool here = now().is(symbol);
  if (here) next();
  return here;
}

bool JinjaTokens::take_name(std::string_view name) {
  const bool here = now().is_name(name);
  if (here) next();
  return here;
}

void JinjaTokens::expect(std::string_view symbol) {
  if (!take(symbol)) fail("expected '" + std::string(symbol) + "'");
}

std::string JinjaTokens::expect_name() {
  if (now().kind != JinjaToken::Kind::name) fail("expected a name");
  std::string name = next().text;
  while (take(".")) name += "." + expect_name();  // tests and filters may be dotted
  return name;
}

void JinjaTokens::fail(const std::string& what) const {
  throw JinjaError("line " + std::to_string(now().line) + ": " + what);
}

namespace {

constexpr int kBlockDepthMax = 100;

class StatementParser {
 public:
  explicit StatementParser(std::string_view source) : in_(lex_jinja(source)) {}

  Block run() {
    Block all = block({});
    if (in_.now().kind != TokenKind::end) in_.fail("unexpected end of a block");
    return all;
  }

 private:
  using TokenKind = JinjaToken::Kind;
  using Kind = Statement::Kind;

  Statement make(Kind kind) const {
    Statement made;
    made.kind = kind;
    made.line = in_.now().line;
    return made;
  }

  void end_tag() {
    if (in_.now().kind != TokenKind::block_end) in_.fail("expected the end of the tag");
    in_.next();
  }

  // Statements up to a tag that begins with one of `ends`, whose name is left to read.
  Block block(std::initializer_list<std::string_view> ends) {
    if (++depth_ > kBlockDepthMax) in_.fail("blocks are nested too deeply");
    Block out;
    for (;;) {
      if (in_.now().kind == TokenKind::end) {
        if (ends.size() > 0) in_.fail("missing {% " + std::string(*ends.begin()) + " %}");
        break;
      }
      if (in_.now().kind == TokenKind::text) {
        Statement text = make(Kind::text);
        text.text = in_.next().text;
        out.push_back(std::move(text));
      } else if (in_.now().kind == TokenKind::output_begin) {
        Statement output = make(Kind::output);
        in_.next();
        output.expression = parse_jinja_expression(in_, true);
        if (in_.now().kind != TokenKind::output_end) in_.fail("expected '}}'");
        in_.next();
        out.push_back(std::move(output));
      } else {
        in_.next();
        const auto ended = [&](std::string_view name) { return in_.now().is_name(name); };
        if (std::any_of(ends.begin(), ends.end(), ended)) break;
        out.push_back(statement());
      }
    }
    --depth_;
    return out;
  }

  void close(std::string_view name) {
    if (!in_.take_name(name)) in_.fail("expected {% " + std::string(name) + " %}");
    end_tag();
  }

  Statement statement() {
    const std::string name = in_.expect_name();
    if (name == "if") return branch();
    if (name == "for") return loop();
    if (name == "set") return assign();
    if (name == "macro") return macro();
    if (name == "call") return call_block();
    if (name == "filter") return filter_block();
    if (name == "with") return with_block();
    if (name == "generation") {
      Statement made = make(Kind::scope);
      end_tag();
      made.body = block({"endgeneration"});
      close("endgeneration");
      return made;
    }
    if (name == "break" || name == "continue") {
      Statement made = make(name == "break" ? Kind::leave_loop : Kind::next_turn);
      end_tag();
      return made;
    }
    in_.fail("the tag '" + name + "' is not supported");
  }

  // Behind "if" or "elif".
  Statement branch() {
    Statement made = make(Kind::branch);
    made.expression = parse_jinja_expression(in_, true);
    end_tag();
    made.body = block({"endif", "else", "elif"});
    if (in_.take_name("elif")) {
      made.otherwise.push_back(branch());
      return made;
    }
    if (in_.take_name("else")) {
      end_tag();
      made.otherwise = block({"endif"});
    }
    close("endif");
    return made;
  }

  std::vector<std::string> targets() {
    const bool bracket = in_.take("(");
    std::vector<std::string> names;
    do {
      if (!names.empty() && in_.now().kind != TokenKind::name) break;
      if (in_.now().kind != TokenKind::name) in_.fail("expected a name");
      names.push_back(in_.next().text);
    } while (in_.take(","));
    if (bracket) in_.expect(")");
    return names;
  }

  Statement loop() {
    Statement made = make(Kind::loop);
    made.targets = targets();
    if (!in_.take_name("in")) in_.fail("expected 'in'");
    made.expression = parse_jinja_expression_no_if(in_);
    if (in_.take_name("if")) made.filter = parse_jinja_expression(in_);
    if (in_.now().is_name("recursive")) in_.fail("recursive loops are not supported");
    end_tag();
    made.body = block({"endfor", "else"});
    if (in_.take_name("else")) {
      end_tag();
      made.otherwise = block({"endfor"});
    }
    close("endfor");
    return made;
  }

  Statement assign() {
    Statement made = make(Kind::assign);
    made.targets = targets();
    if (in_.take(".")) {
      made.text = made.targets[0];
      made.targets[0] = in_.expect_name();
    }
    if (in_.take("=")) {
      made.expression = parse_jinja_expression(in_, true);
      end_tag();
      return made;
    }
    made.kind = Kind::assign_block;
    if (in_.take("|")) made.expression = parse_jinja_filters(in_, nullptr);
    end_tag();
    made.body = block({"endset"});
    close("endset");
    return made;
  }

  // Behind "(", up to and with ")".
  std::vector<Parameter> parameters() {
    std::vector<Parameter> all;
    while (!in_.take(")")) {
      if (!all.empty()) in_.expect(",");
      Parameter parameter;
      if (in_.now().kind != TokenKind::name) in_.fail("expected a parameter name");
      parameter.name = in_.next().text;
      if (in_.take("=")) parameter.fallback = parse_jinja_expression(in_);
      all.push_back(std::move(parameter));
    }
    return all;
  }

  Statement macro() {
    Statement made = make(Kind::macro);
    made.text = in_.expect_name();
    in_.expect("(");
    made.parameters = parameters();
    end_tag();
    made.body = block({"endmacro"});
    in_.next();
    if (in_.now().kind == TokenKind::name) in_.next();  // {% endmacro name %}
    end_tag();
    return made;
  }

  Statement call_block() {
    Statement made = make(Kind::call_block);
    if (in_.take("(")) made.parameters = parameters();
    made.expression = parse_jinja_expression(in_);
    if (made.expression->kind != Expression::Kind::call) in_.fail("expected a call");
    end_tag();
    made.body = block({"endcall"});
    close("endcall");
    return made;
  }

  Statement filter_block() {
    Statement made = make(Kind::filter_block);
    made.expression = parse_jinja_filters(in_, nullptr);
    end_tag();
    made.body = block({"endfilter"});
    close("endfilter");
    return made;
  }

  Statement with_block() {
    Statement made = make(Kind::scope);
    while (in_.now().kind == TokenKind::name) {
      Statement assignment = make(Kind::assign);
      assignment.targets.push_back(in_.next().text);
      in_.expect("=");
      assignment.expression = parse_jinja_expression(in_);
      made.body.push_back(std::move(assignment));
      if (!in_.take(",")) break;
    }
    end_tag();
    for (Statement& inner : block({"endwith"})) made.body.push_back(std::move(inner));
    close("endwith");
    return made;
  }

  JinjaTokens in_;
  int depth_ = 0;
};

}  // namespace

Block parse_jinja(std::string_view source) { return StatementParser(source).run(); }

}  // namespace jevons::engine
